/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A map from (object, offset) to an index of answers. Functions of C++ programs have long names
 * that many places share, so an answer holds string ids and the text is kept once.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "cprof/base/map.h"
#include "cprof/base/str.h"
#include "cprof/base/vec.h"
#include "cprof/names.h"

struct place {
	uint64_t offset;
	uint64_t object; /* as wide as offset: the place is hashed as bytes, without padding */
};

struct answer {
	struct place place;
	struct name name;
};

struct names {
	struct strtab strings;
	struct map map;
	VEC(struct answer) answers;
	uint64_t seed;
};

int names_new(uint64_t seed, struct names **ret)
{
	struct names *n;
	int r;

	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	r = strtab_init(&n->strings, seed);
	if (r < 0) {
		free(n);
		return r;
	}
	n->map = MAP_INIT;
	n->seed = seed;
	*ret = n;
	return 0;
}

struct names *names_free(struct names *n)
{
	if (!n)
		return NULL;
	strtab_done(&n->strings);
	map_done(&n->map);
	vec_done(&n->answers);
	free(n);
	return NULL;
}

static bool place_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct names *n = ctx;
	const struct place *have = &n->answers.v[value].place, *p = key;

	return have->offset == p->offset && have->object == p->object;
}

static uint64_t place_hash(const struct names *n, const struct place *p)
{
	return hash_bytes(p, sizeof(*p), n->seed);
}

int names_put(struct names *n, uint32_t object, uint64_t offset, const struct name *name)
{
	const struct place place = { .offset = offset, .object = object };
	const uint64_t hash = place_hash(n, &place);
	uint32_t i;
	int r;

	assert(name->function < n->strings.cnt && name->linkage < n->strings.cnt);

	if (map_find(&n->map, hash, &place, place_eq, n, &i)) {
		n->answers.v[i].name = *name;
		return 0;
	}
	r = vec_reserve(&n->answers, 1);
	if (r < 0)
		return r;
	r = map_add(&n->map, hash, (uint32_t)n->answers.cnt);
	if (r < 0)
		return r;
	n->answers.v[n->answers.cnt++] = (struct answer){ .place = place, .name = *name };
	return 0;
}

bool names_get(const struct names *n, uint32_t object, uint64_t offset, struct name *ret)
{
	const struct place place = { .offset = offset, .object = object };
	uint32_t i;

	if (!map_find(&n->map, place_hash(n, &place), &place, place_eq, n, &i))
		return false;
	*ret = n->answers.v[i].name;
	return true;
}

int names_string(struct names *n, const char *s, size_t len, uint32_t *ret_id)
{
	return strtab_add(&n->strings, s, len, ret_id);
}

const char *names_text(const struct names *n, uint32_t id)
{
	return strtab_get(&n->strings, id);
}
