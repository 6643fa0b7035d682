/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One function for each address: by rank, then by name, so that the result does not depend on the order of the
 * file. Names that stay in the file are compared when somebody asks, but where very many compete.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file-names.h"

struct choice {
	struct candidates *c;
	const struct candidate_strings *strings; /* of names that are here */
	struct file_texts *texts;		 /* NULL: they are */
};

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

const char *candidates_name(const struct candidates *c, const struct candidate_strings *strings,
			    uint32_t i, size_t *ret_len)
{
	const struct candidate one = candidates_get(c, i);
	const unsigned int source = one.rank & CANDIDATE_SOURCE;
	const char *name = strings->v[source] + one.string;

	*ret_len =
		candidate_name_len(strings, source, name,
				   MIN(strings->sz[source] - one.string, (size_t)SYMTAB_NAME_MAX));
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
static uint32_t best_named(const struct choice *h, uint32_t first, uint32_t end)
{
	uint32_t best = first;
	size_t best_len, len;
	const char *best_name = NULL;

	for (uint32_t i = first + 1; i < end; i++) {
		const char *name = candidates_name(h->c, h->strings, i, &len);

		if (!best_name)
			best_name = candidates_name(h->c, h->strings, best, &best_len);
		if (!name_is_better(name, len, best_name, best_len))
			continue;
		best = i;
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
static uint32_t list_names(const struct choice *h, uint32_t first, uint32_t end, uint32_t *v)
{
	uint32_t cnt = 0;

	for (uint32_t i = first; i < end; i++)
		v[i - first] = candidates_get(h->c, i).string;
	qsort(v, end - first, sizeof(*v), compare_strings);
	for (uint32_t i = 0; i < end - first; i++) {
		if (cnt == 0 || v[cnt - 1] != v[i])
			v[cnt++] = v[i];
	}
	return cnt;
}

/* So many that the best one is chosen now: its name. */
static int choose_now(const struct choice *h, uint32_t first, uint32_t end, uint32_t *ret)
{
	_cleanup_free_ uint32_t *v = malloc((end - first) * sizeof(*v));
	int r;

	if (!v)
		return -ENOMEM;
	r = file_texts_choose(h->texts, candidates_get(h->c, first).rank & CANDIDATE_SOURCE, v,
			      list_names(h, first, end, v));
	*ret = v[0];
	return r;
}

/* All that compete, for whoever asks; of very many the best one. */
static int tie_up(const struct choice *h, uint32_t first, uint32_t end, struct candidate *ret)
{
	struct name_ties *ties = &h->texts->ties;
	uint32_t v[FILE_NAMES_TIES_MAX], cnt = 1;
	int r = 0;

	if (end - first > FILE_NAMES_TIES_MAX)
		r = choose_now(h, first, end, &ret->string);
	else if (end - first > 1)
		cnt = list_names(h, first, end, v);
	if (cnt > 1) {
		ret->string = NAME_TIED | (uint32_t)ties->v.cnt;
		r = vec_push(&ties->v, cnt);
	}
	for (uint32_t i = 0; r == 0 && cnt > 1 && i < cnt; i++)
		r = vec_push(&ties->v, v[i]);
	return r;
}

/* Of those at one address, sorted by rank, one into the place @kept. */
static int choose(const struct choice *h, uint32_t first, uint32_t end, uint32_t kept)
{
	struct candidate best = candidates_get(h->c, first);
	uint32_t best_end = first + 1, best_at = first, to = 0;
	int r = 0;

	for (uint32_t i = first; i < end; i++) {
		const struct candidate c = candidates_get(h->c, i);

		if (!(c.rank & CANDIDATE_UNSIZED))
			to = MAX(to, c.to);
		if (c.rank == best.rank)
			best_end = i + 1;
	}
	if (h->texts) {
		r = tie_up(h, first, best_end, &best);
	} else {
		best_at = best_named(h, first, best_end);
		best = candidates_get(h->c, best_at);
	}
	if (to > 0) {
		best.to = to;
		best.rank &= (uint8_t)~CANDIDATE_UNSIZED;
	}
	candidates_put(h->c, kept, best_at, &best);
	return r;
}

int candidates_choose(struct candidates *c, const struct candidate_strings *strings,
		      struct file_texts *texts)
{
	const struct choice h = { .c = c, .strings = strings, .texts = texts };
	uint32_t kept = 0, end;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < c->cnt; i = end) {
		for (end = i + 1; end < c->cnt && candidates_from(c, end) == candidates_from(c, i);)
			end++;
		if (end == i + 1)
			c->keys[kept++] = c->keys[i];
		else
			r = choose(&h, i, end, kept++);
	}
	c->cnt = kept;
	return r;
}
