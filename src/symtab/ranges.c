/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From symbols, which overlap, nest and share addresses, to ranges, which do not.
 *
 * First one symbol is chosen for each address: by rank, then by name, so that the result does not
 * depend on the order of the file. Then one pass over the sorted addresses with a stack of open
 * functions cuts the line into pieces, each named by the innermost function that covers it. Lookup
 * is then one binary search, whatever the file says; chains of enclosing symbols, which a hostile file
 * can make as long as it likes, are never walked. The sort compares numbers only: names of 4 KiB in
 * each of its comparisons would be a way to keep us busy.
 */

#include "ranges.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cprof/base/sort.h"
#include "file-names.h"

/* How much text names may be: so many times that of the strings, and this. */
#define NAMES_PER_STRINGS 4
#define NAMES_TOTAL_FREE (1u << 20)
/* A candidate as a number: address, rank, place in the array. */
#define KEY_PLACE_BITS 24
#define KEY_PLACE_MASK ((1u << KEY_PLACE_BITS) - 1)

struct builder {
	struct candidate *c;
	uint32_t cnt;
	const struct candidate_strings *strings; /* NULL: names are in the file */
	struct file_texts *texts;
	struct range *v;
	uint32_t v_cnt;
	uint32_t *stack; /* of indexes of open candidates */
	uint32_t depth;
	uint32_t pos; /* all before it is done */
};

void candidate_strings_done(struct candidate_strings *s)
{
	for (size_t i = 0; i < ELEMENTSOF(s->v); i++) {
		free(s->v[i]);
		s->v[i] = NULL;
		s->sz[i] = 0;
	}
}

static int compare_candidates(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;
	int r = CMP(a->from, b->from);

	return r != 0 ? r : CMP(a->rank, b->rank);
}

/*
 * By address, then rank, then as they came: numbers that say all of it are sorted in a fraction of the time that
 * comparing takes, and the candidates put where the numbers came to lie, along the cycles of that permutation.
 */
static void sort_candidates(struct candidate *c, uint32_t cnt)
{
	_cleanup_free_ uint64_t *keys = malloc(cnt * sizeof(*keys));

	_Static_assert(SYMTAB_FUNCTIONS_MAX < 1 << KEY_PLACE_BITS, "a place fits behind a rank");
	if (!keys) {
		qsort(c, cnt, sizeof(*c), compare_candidates);
		return;
	}
	for (uint32_t i = 0; i < cnt; i++)
		keys[i] = (uint64_t)c[i].from << 32 | (uint64_t)c[i].rank << KEY_PLACE_BITS | i;
	sort_u64_placed(keys, cnt, KEY_PLACE_BITS);
	for (uint32_t i = 0; i < cnt; i++) {
		const struct candidate first = c[i];
		uint32_t to = i, from = keys[i] & KEY_PLACE_MASK;

		for (; from != i; from = keys[to] & KEY_PLACE_MASK) {
			c[to] = c[from];
			keys[to] = to;
			to = from;
		}
		c[to] = first;
		keys[to] = to;
	}
}

static const char *candidate_text(const struct builder *b, const struct candidate *c)
{
	return b->strings->v[c->rank & CANDIDATE_SOURCE] + c->string;
}

size_t candidate_name_len(const struct candidate_strings *s, unsigned int source, const char *name,
			  size_t most)
{
	size_t len = strnlen(name, most);
	const char *mark;

	if (s->version_mark != 0 && source != SYMTAB_SOURCE_GO && source != SYMTAB_SOURCE_PLT &&
	    len > 1) {
		mark = memchr(name + 1, s->version_mark, len - 1);
		if (mark)
			len = (size_t)(mark - name);
	}
	if (s->tail && len > strlen(s->tail) &&
	    memcmp(name + len - strlen(s->tail), s->tail, strlen(s->tail)) == 0)
		len -= strlen(s->tail);
	return len;
}

static const char *candidate_name(const struct builder *b, const struct candidate *c,
				  size_t *ret_len)
{
	const unsigned int source = c->rank & CANDIDATE_SOURCE;
	const char *name = candidate_text(b, c);

	*ret_len = candidate_name_len(
		b->strings, source, name,
		MIN(b->strings->sz[source] - c->string, (size_t)SYMTAB_NAME_MAX));
	return name;
}

static size_t leading_underscores(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] == '_')
		n++;
	return n;
}

/* What the vDSO offers has the C library's names, too, and is something else. */
static bool is_vdso(const char *s, size_t len)
{
	return len > 7 && memcmp(s, "__vdso_", 7) == 0;
}

bool name_is_better(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t a_under = leading_underscores(a, a_len), b_under = leading_underscores(b, b_len);

	if (is_vdso(a, a_len) != is_vdso(b, b_len))
		return is_vdso(a, a_len);
	if (a_under != b_under)
		return a_under < b_under;
	if (a_len != b_len)
		return a_len < b_len;
	return memcmp(a, b, a_len) < 0;
}

/* The one with the best name. */
static struct candidate best_named(const struct builder *b, uint32_t first, uint32_t end)
{
	struct candidate best = b->c[first];
	size_t best_len, len;
	const char *best_name = NULL;

	for (uint32_t i = first + 1; i < end; i++) {
		const char *name = candidate_name(b, &b->c[i], &len);

		if (!best_name)
			best_name = candidate_name(b, &best, &best_len);
		if (!name_is_better(name, len, best_name, best_len))
			continue;
		best = b->c[i];
		best_name = name;
		best_len = len;
	}
	return best;
}

static int compare_strings(const void *pa, const void *pb)
{
	const uint32_t *a = pa, *b = pb;

	return CMP(*a, *b);
}

/* Where their names are, each once. */
static uint32_t list_names(const struct builder *b, uint32_t first, uint32_t end, uint32_t *v)
{
	uint32_t cnt = 0;

	for (uint32_t i = first; i < end; i++)
		v[i - first] = b->c[i].string;
	qsort(v, end - first, sizeof(*v), compare_strings);
	for (uint32_t i = 0; i < end - first; i++) {
		if (cnt == 0 || v[cnt - 1] != v[i])
			v[cnt++] = v[i];
	}
	return cnt;
}

/* So many that the best one is chosen now: its name. */
static int choose_now(struct builder *b, uint32_t first, uint32_t end, uint32_t *ret)
{
	_cleanup_free_ uint32_t *v = malloc((end - first) * sizeof(*v));
	int r;

	if (!v)
		return -ENOMEM;
	r = file_texts_choose(b->texts, b->c[first].rank & CANDIDATE_SOURCE, v,
			      list_names(b, first, end, v));
	*ret = v[0];
	return r;
}

/* All that compete, for whoever asks; of very many the best one. */
static int tie_up(struct builder *b, uint32_t first, uint32_t end, struct candidate *ret)
{
	uint32_t v[FILE_NAMES_TIES_MAX], cnt = 1;
	int r = 0;

	*ret = b->c[first];
	if (end - first > FILE_NAMES_TIES_MAX)
		r = choose_now(b, first, end, &ret->string);
	else if (end - first > 1)
		cnt = list_names(b, first, end, v);
	if (cnt > 1) {
		ret->string = NAME_TIED | (uint32_t)b->texts->ties.v.cnt;
		r = vec_push(&b->texts->ties.v, cnt);
	}
	for (uint32_t i = 0; r == 0 && cnt > 1 && i < cnt; i++)
		r = vec_push(&b->texts->ties.v, v[i]);
	ret->string |= (uint32_t)(ret->rank & CANDIDATE_SOURCE) << NAME_SOURCE_SHIFT;
	return r;
}

/* Of those at one address, sorted by rank, the best one's name, with the longest size that any of them gives. */
static int choose(struct builder *b, uint32_t first, uint32_t end, struct candidate *ret)
{
	uint32_t best_end = first, to = 0;
	int r = 0;

	for (uint32_t i = first; i < end; i++) {
		const struct candidate *c = &b->c[i];

		if (!(c->rank & CANDIDATE_UNSIZED))
			to = MAX(to, c->to);
		if (c->rank == b->c[first].rank)
			best_end = i + 1;
	}
	if (b->strings)
		*ret = best_named(b, first, best_end);
	else
		r = tie_up(b, first, best_end, ret);
	if (to > 0) {
		ret->to = to;
		ret->rank &= (uint8_t)~CANDIDATE_UNSIZED;
	}
	return r;
}

static int choose_all(struct builder *b)
{
	uint32_t kept = 0, end;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < b->cnt; i = end) {
		for (end = i + 1; end < b->cnt && b->c[end].from == b->c[i].from;)
			end++;
		r = choose(b, i, end, &b->c[kept++]);
	}
	b->cnt = kept;
	return r;
}

/*
 * An honest file's names are little more than its strings, where several may end alike. Others would have
 * us copy and pack one long string a million times.
 */
static size_t names_total_max(const struct builder *b)
{
	size_t strings = 0;

	for (size_t i = 0; i < ELEMENTSOF(b->strings->sz); i++)
		strings += b->strings->sz[i];
	return NAMES_PER_STRINGS * strings + NAMES_TOTAL_FREE;
}

/* Keeps the chosen names; from here on candidates' strings are numbers of these. */
static int gather_names(struct builder *b, const struct symtab_limits *limits, struct texts *ret)
{
	const struct texts_limits texts_limits = {
		.plain = limits->plain,
		.bytes = limits->bytes,
		.total = names_total_max(b),
	};
	_cleanup_(texts_writer_freep) struct texts_writer *w = NULL;
	_cleanup_free_ uint16_t *lens = malloc(b->cnt * sizeof(*lens));
	size_t sz = 0, len;
	int r;

	_Static_assert(SYMTAB_NAME_MAX <= UINT16_MAX, "the length of a name");
	if (!lens)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->cnt; i++) {
		(void)candidate_name(b, &b->c[i], &len);
		lens[i] = (uint16_t)len;
		sz += len + 1;
	}
	r = texts_writer_new(sz, &texts_limits, &w);
	for (uint32_t i = 0; r == 0 && i < b->cnt; i++)
		r = texts_write(w, candidate_text(b, &b->c[i]), lens[i], &b->c[i].string);
	return r == 0 ? texts_finish(TAKE_PTR(w), ret) : r;
}

static void emit(struct builder *b, uint32_t to, const struct candidate *c)
{
	if (b->pos >= to)
		return;
	b->v[b->v_cnt++] = (struct range){
		.from = b->pos,
		.to = to,
		.start = c->from,
		.name = c->string,
	};
	b->pos = to;
}

/* Ends the open functions that do not reach beyond @place. */
static void close_until(struct builder *b, uint32_t place)
{
	while (b->depth > 0 && b->c[b->stack[b->depth - 1]].to <= place) {
		const struct candidate *top = &b->c[b->stack[--b->depth]];

		emit(b, top->to, top);
	}
}

static void sweep(struct builder *b)
{
	for (uint32_t i = 0; i < b->cnt; i++) {
		struct candidate *c = &b->c[i];
		const struct candidate *top = NULL;

		close_until(b, c->from);
		if (b->depth > 0)
			top = &b->c[b->stack[b->depth - 1]];
		if (top && (c->rank & CANDIDATE_NOTYPE))
			continue;
		if (top)
			emit(b, c->from, top);
		if (c->rank & CANDIDATE_UNSIZED) {
			if (i + 1 < b->cnt)
				c->to = MIN(c->to, b->c[i + 1].from);
			if (top)
				c->to = MIN(c->to, top->to);
		}
		b->pos = c->from;
		b->stack[b->depth++] = i;
	}
	close_until(b, UINT32_MAX);
}

/* Each candidate begins one range, and ends at most once inside another, which then goes on. */
static int make_ranges(struct builder *b, const struct symtab_limits *limits, struct ranges *r)
{
	size_t most = 2 * (size_t)b->cnt;
	_cleanup_free_ uint32_t *stack = malloc(b->cnt * sizeof(*stack));
	_cleanup_free_ struct range *v = malloc(most * sizeof(*v));
	struct range *fit;

	if (!stack || !v)
		return -ENOMEM;
	b->stack = stack;
	b->v = v;
	sweep(b);
	assert(b->v_cnt > 0 && b->v_cnt <= most);
	if (b->v_cnt * sizeof(*v) + texts_bytes(&r->names) > limits->bytes)
		return SYMTAB_LIMIT;
	fit = realloc(v, b->v_cnt * sizeof(*v));
	if (!fit)
		return -ENOMEM;
	(void)TAKE_PTR(v);
	r->v = fit;
	r->cnt = b->v_cnt;
	return SYMTAB_OK;
}

int ranges_build(struct candidate *candidates, uint32_t cnt, struct candidate_strings *strings,
		 const struct symtab_limits *limits, struct ranges *ret)
{
	struct builder b = { .c = candidates, .cnt = cnt, .strings = strings };
	_cleanup_(ranges_done) struct ranges made = { 0 };
	int r;

	if (cnt == 0) {
		*ret = made;
		return SYMTAB_OK;
	}
	sort_candidates(candidates, cnt);
	r = choose_all(&b);
	if (r == 0)
		r = gather_names(&b, limits, &made.names);
	candidate_strings_done(strings);
	if (r != SYMTAB_OK)
		return r;
	r = make_ranges(&b, limits, &made);
	if (r != SYMTAB_OK)
		return r;
	*ret = made;
	made = (struct ranges){ 0 };
	return SYMTAB_OK;
}

int ranges_build_in_file(struct candidate *candidates, uint32_t cnt, struct file_texts *texts,
			 const struct symtab_limits *limits, struct ranges *ret)
{
	struct builder b = { .c = candidates, .cnt = cnt, .texts = texts };
	struct ranges made = { 0 };
	int r;

	sort_candidates(candidates, cnt);
	r = choose_all(&b);
	if (r == 0)
		r = make_ranges(&b, limits, &made);
	if (r == SYMTAB_OK)
		*ret = made;
	return r;
}

const struct range *ranges_at(const struct ranges *r, uint64_t place)
{
	uint32_t lo = 0, hi = r->cnt;
	uint64_t at;

	if (place < r->base || place - r->base > UINT32_MAX)
		return NULL;
	at = place - r->base;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (r->v[mid].to <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->cnt && r->v[lo].from <= at ? &r->v[lo] : NULL;
}

bool ranges_find(const struct ranges *r, uint64_t place, struct symtab_symbol *ret)
{
	const struct range *range = ranges_at(r, place);
	const char *name = range ? texts_get(&r->names, range->name) : NULL;

	if (!name)
		return false;
	*ret = (struct symtab_symbol){
		.name = name,
		.start = r->base + range->start,
	};
	return true;
}

size_t ranges_bytes(const struct ranges *r)
{
	return r->cnt * sizeof(*r->v) + texts_bytes(&r->names);
}

void ranges_done(struct ranges *r)
{
	free(r->v);
	texts_done(&r->names);
	*r = (struct ranges){ 0 };
}
