/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Of a large file they are a hundred thousand and more. They are sorted as numbers that have all of what is
 * sorted by, and a place: that takes a fraction of what comparing takes. The rest of each stays where it came to
 * lie, and is had by that place: moving it would cost more than the sort.
 */

#include "candidates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/sort.h"

#define FIRST_CNT 256u

static uint64_t key_of(const struct candidate *c, uint64_t place)
{
	return (uint64_t)c->from << CANDIDATE_FROM_SHIFT |
	       (uint64_t)c->rank << CANDIDATE_RANK_SHIFT | place;
}

/* Most symbols of a large file may be data, so the room grows with what are none. */
static int grow(struct candidates *c)
{
	uint32_t cap = MIN(MAX(2 * c->cap, FIRST_CNT), CANDIDATES_MAX);
	struct candidate_rest *rest;
	uint64_t *keys;

	if (c->cap == CANDIDATES_MAX)
		return SYMTAB_LIMIT;
	keys = realloc(c->keys, cap * sizeof(*keys));
	c->keys = keys ? keys : c->keys;
	rest = keys ? realloc(c->rest, cap * sizeof(*rest)) : NULL;
	if (!rest)
		return -ENOMEM;
	c->rest = rest;
	c->cap = cap;
	return 0;
}

int candidates_add(struct candidates *c, const struct candidate *one)
{
	int r = c->cnt == c->cap ? grow(c) : 0;

	if (r != 0)
		return r;
	c->keys[c->cnt] = key_of(one, c->cnt);
	c->rest[c->cnt++] = (struct candidate_rest){ .to = one->to, .string = one->string };
	return 0;
}

void candidates_sort(struct candidates *c)
{
	if (c->cnt > 0)
		sort_u64_placed(c->keys, c->cnt, CANDIDATE_RANK_SHIFT);
}

void candidates_put(struct candidates *c, uint32_t to, uint32_t from, const struct candidate *one)
{
	struct candidate_rest *rest = candidates_rest(c, from);

	rest->to = one->to;
	rest->string = one->string;
	c->keys[to] = key_of(one, (uint64_t)(rest - c->rest));
}

void candidates_done(struct candidates *c)
{
	free(c->keys);
	free(c->rest);
	*c = (struct candidates){ 0 };
}

void candidate_strings_done(struct candidate_strings *s)
{
	for (size_t i = 0; i < ELEMENTSOF(s->v); i++) {
		free(s->v[i]);
		s->v[i] = NULL;
		s->sz[i] = 0;
	}
}
