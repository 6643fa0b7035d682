/* SPDX-License-Identifier: Apache-2.0 */

/*
 * places — see places.h. Places are compared as names_offset() gives them, not addresses: a return
 * address and the exact pc before it are one place, with one name, and must stay so.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

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

static bool find_index(const struct places *p, uint32_t object, uint32_t *ret)
{
	return map_find(&p->index_map, hash_bytes(&object, sizeof(object), p->seed), &object,
			index_eq, p, ret);
}

static int add_index(struct places *p, uint32_t i)
{
	const uint32_t *object = &p->indexes.v[i];

	return map_add(&p->index_map, hash_bytes(object, sizeof(*object), p->seed), i);
}

int places_meet(struct places *p, uint32_t object)
{
	uint32_t i;
	int r;

	if (object < CPROF_OBJECT_FIRST || find_index(p, object, &i))
		return 0;
	r = vec_push(&p->indexes, object);
	return r < 0 ? r : add_index(p, (uint32_t)p->indexes.cnt - 1);
}

static int compare_indexes(const void *a, const void *b)
{
	return CMP(*(const uint32_t *)a, *(const uint32_t *)b);
}

int places_number(struct places *p)
{
	int r = 0;

	map_done(&p->index_map);
	p->index_map = MAP_INIT;
	if (p->indexes.cnt > 0)
		qsort(p->indexes.v, p->indexes.cnt, sizeof(*p->indexes.v), compare_indexes);
	for (uint32_t i = 0; r == 0 && i < p->indexes.cnt; i++)
		r = add_index(p, i);
	return r;
}

uint32_t places_object(const struct places *p, uint32_t object)
{
	uint32_t i;

	if (object < CPROF_OBJECT_FIRST)
		return object;
	return find_index(p, object, &i) ? CPROF_OBJECT_FIRST + i : CPROF_OBJECT_NONE;
}

static uint64_t number(struct places *p)
{
	return ++p->numbered * PLACES_NUMBER_STEP;
}

static uint64_t show(struct places *p, uint32_t object, uint64_t offset)
{
	const struct object *o = objects_get(p->objects, object);
	uint64_t distance;

	if (object == CPROF_OBJECT_KERNEL) {
		distance = object_kernel_distance(o, offset);
		return distance == UINT64_MAX ? number(p) : PLACES_KERNEL_TEXT + distance;
	}
	if (object_has_addresses(object) || (o && o->kind == OBJECT_JIT))
		return number(p);
	return offset;
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
		i = (uint32_t)p->places.cnt;
		r = vec_reserve(&p->places, 1);
		if (r < 0)
			return r;
		r = map_add(&p->place_map, hash, i);
		if (r < 0)
			return r;
		place.shown_object = places_object(p, object);
		place.shown = show(p, object, offset);
		p->places.v[p->places.cnt++] = place;
	}
	*ret = &p->places.v[i];
	return 0;
}
