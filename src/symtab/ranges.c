/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From symbols, which overlap, nest and share addresses, to ranges, which do not.
 *
 * First one symbol is chosen for each address (choose.c). Then one pass over the sorted addresses with a stack of
 * open functions cuts the line into pieces, each named by the innermost function that covers it. Lookup is then
 * one binary search, whatever the file says; chains of enclosing symbols, which a hostile file can make as long
 * as it likes, are never walked. The sort compares numbers only: names of 4 KiB in each of its comparisons would
 * be a way to keep us busy.
 */

#include "ranges.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "file-names.h"

/* How much text names may be: so many times that of the strings, and this. */
#define NAMES_PER_STRINGS 4
#define NAMES_TOTAL_FREE (1u << 20)

#define AHEAD 8 /* what is had from the cache only if it was asked for before */

/* A function that has begun, and not ended yet. */
struct open {
	uint32_t from;
	uint32_t to;
	uint32_t name;
};

struct sweep {
	const struct candidates *c;
	bool in_file;
	struct range_list *list;
	VEC(struct open) open;
	uint32_t pos; /* all before it is done */
};

/*
 * An honest file's names are little more than its strings, where several may end alike. Others would have
 * us copy and pack one long string a million times.
 */
static size_t names_total_max(const struct candidate_strings *strings)
{
	size_t sum = 0;

	for (size_t i = 0; i < ELEMENTSOF(strings->sz); i++)
		sum += strings->sz[i];
	return NAMES_PER_STRINGS * sum + NAMES_TOTAL_FREE;
}

/* Keeps the chosen names; from here on candidates' strings are numbers of these. */
static int gather_names(struct candidates *c, const struct candidate_strings *strings,
			const struct symtab_limits *limits, struct texts *ret)
{
	const struct texts_limits texts_limits = {
		.plain = limits->plain,
		.bytes = limits->bytes,
		.total = names_total_max(strings),
	};
	_cleanup_(texts_writer_freep) struct texts_writer *w = NULL;
	_cleanup_free_ uint16_t *lens = malloc(c->cnt * sizeof(*lens));
	size_t sz = 0, len;
	int r;

	_Static_assert(SYMTAB_NAME_MAX <= UINT16_MAX, "the length of a name");
	if (!lens)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->cnt; i++) {
		(void)candidates_name(c, strings, i, &len);
		lens[i] = (uint16_t)len;
		sz += len + 1;
	}
	r = texts_writer_new(sz, &texts_limits, &w);
	for (uint32_t i = 0; r == 0 && i < c->cnt; i++) {
		const struct candidate one = candidates_get(c, i);
		uint32_t id;

		r = texts_write(w, strings->v[one.rank & CANDIDATE_SOURCE] + one.string, lens[i],
				&id);
		if (r == 0)
			candidates_rest(c, i)->string = id;
	}
	return r == 0 ? texts_finish(TAKE_PTR(w), ret) : r;
}

static int emit(struct sweep *s, uint32_t to, const struct open *o)
{
	uint32_t from = s->pos;

	if (from >= to)
		return 0;
	s->pos = to;
	return range_list_add(s->list, &(struct range){ from, to, o->from, o->name });
}

/* Ends the open functions that do not reach beyond @place. */
static int close_until(struct sweep *s, uint32_t place)
{
	int r = 0;

	while (r == 0 && s->open.cnt > 0 && s->open.v[s->open.cnt - 1].to <= place) {
		const struct open *top = &s->open.v[--s->open.cnt];

		r = emit(s, top->to, top);
	}
	return r;
}

static int begin(struct sweep *s, uint32_t i)
{
	const struct candidate c = candidates_get(s->c, i);
	struct open o = { .from = c.from, .to = c.to, .name = c.string };
	const struct open *top;
	int r = close_until(s, c.from);

	if (s->in_file)
		o.name |= (uint32_t)(c.rank & CANDIDATE_SOURCE) << NAME_SOURCE_SHIFT;
	if (i + AHEAD < s->c->cnt)
		__builtin_prefetch(candidates_rest(s->c, i + AHEAD));

	top = s->open.cnt > 0 ? &s->open.v[s->open.cnt - 1] : NULL;
	if (r < 0 || (top && (c.rank & CANDIDATE_NOTYPE)))
		return r;
	if (top)
		r = emit(s, c.from, top);
	if (r < 0)
		return r;
	if (c.rank & CANDIDATE_UNSIZED) {
		if (i + 1 < s->c->cnt)
			o.to = MIN(o.to, candidates_from(s->c, i + 1));
		if (top)
			o.to = MIN(o.to, top->to);
	}
	s->pos = c.from;
	return vec_push(&s->open, o);
}

/* Each candidate begins one range, and ends at most once inside another, which then goes on. */
static int make_ranges(const struct candidates *c, bool in_file, const struct symtab_limits *limits,
		       struct ranges *ret)
{
	struct sweep s = { .c = c, .in_file = in_file, .list = &ret->list };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < c->cnt; i++)
		r = begin(&s, i);
	if (r == 0)
		r = close_until(&s, UINT32_MAX);
	vec_done(&s.open);
	if (r < 0)
		return r;
	assert(s.list->cnt > 0 && s.list->cnt <= 2 * (size_t)c->cnt);
	range_list_fit(s.list);
	return ranges_bytes(ret) > limits->bytes ? SYMTAB_LIMIT : SYMTAB_OK;
}

int ranges_build(struct candidates *candidates, struct candidate_strings *strings,
		 const struct symtab_limits *limits, struct ranges *ret)
{
	_cleanup_(ranges_done) struct ranges made = { 0 };
	int r = SYMTAB_OK;

	if (candidates->cnt > 0) {
		candidates_sort(candidates);
		r = candidates_choose(candidates, strings, NULL);
		if (r == 0)
			r = gather_names(candidates, strings, limits, &made.names);
		candidate_strings_done(strings);
		if (r == SYMTAB_OK)
			r = make_ranges(candidates, false, limits, &made);
	}
	if (r != SYMTAB_OK)
		return r;
	*ret = made;
	made = (struct ranges){ 0 };
	return SYMTAB_OK;
}

int ranges_build_in_file(struct candidates *candidates, struct file_texts *texts,
			 const struct symtab_limits *limits, struct ranges *ret)
{
	_cleanup_(ranges_done) struct ranges made = { 0 };
	int r;

	candidates_sort(candidates);
	r = candidates_choose(candidates, texts->strings, texts);
	if (r == 0)
		r = make_ranges(candidates, true, limits, &made);
	if (r != SYMTAB_OK)
		return r;
	*ret = made;
	made = (struct ranges){ 0 };
	return SYMTAB_OK;
}

bool ranges_at(const struct ranges *r, uint64_t place, struct range *ret)
{
	return place >= r->base && place - r->base <= UINT32_MAX &&
	       range_list_find(&r->list, (uint32_t)(place - r->base), ret);
}

bool ranges_find(const struct ranges *r, uint64_t place, struct symtab_symbol *ret)
{
	struct range range;
	const char *name = ranges_at(r, place, &range) ? texts_get(&r->names, range.name) : NULL;

	if (!name)
		return false;
	*ret = (struct symtab_symbol){
		.name = name,
		.start = r->base + range.start,
	};
	return true;
}

size_t ranges_bytes(const struct ranges *r)
{
	return range_list_bytes(&r->list) + texts_bytes(&r->names);
}

void ranges_done(struct ranges *r)
{
	range_list_done(&r->list);
	texts_done(&r->names);
	*r = (struct ranges){ 0 };
}
