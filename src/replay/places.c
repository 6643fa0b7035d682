/* SPDX-License-Identifier: Apache-2.0 */

/*
 * places — see places.h. Places are compared as names_offset() gives them, not addresses: a return
 * address and the exact pc before it are one place, with one name, and must stay so.
 */

#include <errno.h>
#include <stdbool.h>

#include "cprof/base/cleanup.h"
#include "places.h"

#define PLACES_NUMBER_STEP 16

void places_init(struct places *p, struct objects *objects, uint64_t seed)
{
	*p = (struct places){ .objects = objects, .seed = seed };
}

void places_done(struct places *p)
{
	vec_done(&p->indexes);
	vec_done(&p->places);
	map_done(&p->index_map);
	map_done(&p->place_map);
}

static bool index_eq(uint32_t value, const void *key, const void *ctx)
{
	return ((const struct places *)ctx)->indexes.v[value] == *(const uint32_t *)key;
}

int places_object(struct places *p, uint32_t object, uint32_t *ret_id)
{
	const uint64_t hash = hash_bytes(&object, sizeof(object), p->seed);
	uint32_t i = (uint32_t)p->indexes.cnt;
	int r;

	*ret_id = object;
	if (object < CPROF_OBJECT_FIRST)
		return 0;
	if (!map_find(&p->index_map, hash, &object, index_eq, p, &i)) {
		r = vec_reserve(&p->indexes, 1);
		if (r < 0)
			return r;
		r = map_add(&p->index_map, hash, i);
		if (r < 0)
			return r;
		p->indexes.v[p->indexes.cnt++] = object;
	}
	*ret_id = CPROF_OBJECT_FIRST + i;
	return 0;
}

static uint64_t number(struct places *p)
{
	return ++p->numbered * PLACES_NUMBER_STEP;
}

static uint64_t show(struct places *p, uint32_t object, uint64_t offset)
{
	uint64_t distance;

	if (object == CPROF_OBJECT_KERNEL) {
		distance = object_kernel_distance(objects_get(p->objects, object), offset);
		return distance == UINT64_MAX ? number(p) : PLACES_KERNEL_TEXT + distance;
	}
	return object_has_addresses(object) ? number(p) : offset;
}

static bool place_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct place *have = &((const struct places *)ctx)->places.v[value];
	const uint64_t *k = key;

	return have->object == k[0] && have->offset == k[1];
}

int places_place(struct places *p, uint32_t object, uint64_t offset, const struct place **ret)
{
	const uint64_t key[2] = { object, offset };
	const uint64_t hash = hash_bytes(key, sizeof(key), p->seed);
	struct place place = { .offset = offset, .object = object };
	uint32_t i;
	int r;

	if (!map_find(&p->place_map, hash, key, place_eq, p, &i)) {
		r = places_object(p, object, &place.shown_object);
		if (r < 0)
			return r;
		i = (uint32_t)p->places.cnt;
		r = vec_reserve(&p->places, 1);
		if (r < 0)
			return r;
		r = map_add(&p->place_map, hash, i);
		if (r < 0)
			return r;
		place.shown = show(p, object, offset);
		p->places.v[p->places.cnt++] = place;
	}
	*ret = &p->places.v[i];
	return 0;
}
