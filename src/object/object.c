/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A vector of objects and an index over their keys. Keys are compared as bytes: abi.h lays them out
 * without padding, so equal bytes are equal keys. The fixed objects have no key and are not in the
 * index; whatever key a record carries, it never finds one of them.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/map.h"
#include "cprof/base/vec.h"
#include "cprof/object.h"

struct objects {
	VEC(struct object) v;
	struct map map;
	uint64_t seed;
};

struct objects *objects_free(struct objects *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->v.cnt; i++)
		free(t->v.v[i].path);
	vec_done(&t->v);
	map_done(&t->map);
	free(t);
	return NULL;
}

int objects_new(uint64_t seed, struct objects **ret)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	int r;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->map = MAP_INIT;
	t->seed = seed;
	for (int i = 0; i < CPROF_OBJECT_FIRST; i++) {
		r = vec_push(&t->v, (struct object){ .state = OBJECT_SEEN });
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(t);
	return 0;
}

static bool key_eq(uint32_t idx, const void *key, const void *ctx)
{
	const struct objects *t = ctx;

	return memcmp(&t->v.v[idx].key, key, sizeof(struct cprof_key)) == 0;
}

int objects_intern(struct objects *t, const struct cprof_key *key, uint32_t *ret_idx)
{
	const uint64_t hash = hash_bytes(key, sizeof(*key), t->seed);
	uint32_t idx = (uint32_t)t->v.cnt;
	int r;

	if (map_find(&t->map, hash, key, key_eq, t, ret_idx))
		return 0;
	r = vec_reserve(&t->v, 1);
	if (r < 0)
		return r;
	r = map_add(&t->map, hash, idx);
	if (r < 0)
		return r;
	t->v.v[t->v.cnt++] = (struct object){ .key = *key, .state = OBJECT_SEEN };
	*ret_idx = idx;
	return 0;
}

struct object *objects_get(struct objects *t, uint32_t idx)
{
	return idx < t->v.cnt ? &t->v.v[idx] : NULL;
}

uint32_t objects_cnt(const struct objects *t)
{
	return (uint32_t)t->v.cnt;
}
