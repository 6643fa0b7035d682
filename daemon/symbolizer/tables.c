/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The least lately used one is found by looking at all: that happens when a file was just loaded, which
 * took a thousand times longer.
 */

#include "tables.h"

#include <errno.h>

#include "cprof/symtab_lean.h"

#define NONE UINT32_MAX

/* Which ones may be pushed out. */
typedef bool (*tables_match_fn)(const struct table *table, uint32_t owner);

static size_t table_bytes(const struct table *table)
{
	return sizeof(*table) + 2 * sizeof(struct map_slot) +
	       (table->symtab ? symtab_bytes(table->symtab) : 0);
}

static bool object_eq(uint32_t i, const void *key, const void *ctx)
{
	const struct tables *t = ctx;

	return t->v.v[i].object == *(const uint32_t *)key;
}

/* Ids are the sampler's and dense; nobody chooses them to collide. */
static uint64_t object_hash(uint32_t object)
{
	return hash_bytes(&object, sizeof(object), 0);
}

static uint32_t find(const struct tables *t, uint32_t object)
{
	uint32_t i;

	return map_find(&t->map, object_hash(object), &object, object_eq, t, &i) ? i : NONE;
}

const struct table *tables_get(struct tables *t, uint32_t object)
{
	uint32_t i = find(t, object);

	if (i == NONE)
		return NULL;
	t->v.v[i].used = ++t->used;
	return &t->v.v[i];
}

/* The last one takes the place of the one that goes. */
static void drop(struct tables *t, uint32_t i)
{
	struct table *table = &t->v.v[i];
	uint32_t last = (uint32_t)t->v.cnt - 1;

	shares_give_back(&t->shares, table->owner, table->bytes);
	symtab_free(table->symtab);
	(void)map_remove(&t->map, object_hash(table->object), i);
	if (i != last) {
		*table = t->v.v[last];
		(void)map_remove(&t->map, object_hash(table->object), last);
		(void)map_add(&t->map, object_hash(table->object), i);
	}
	t->v.cnt--;
}

void tables_forget(struct tables *t, uint32_t object)
{
	uint32_t i = find(t, object);

	if (i != NONE)
		drop(t, i);
}

static bool is_of(const struct table *table, uint32_t owner)
{
	return table->owner == owner;
}

static bool is_of_users(const struct table *table, uint32_t owner)
{
	return table->owner != 0;
}

static bool is_any(const struct table *table, uint32_t owner)
{
	return true;
}

static bool is_lean(const struct table *table, uint32_t owner)
{
	return table->symtab && symtab_is_lean(table->symtab);
}

static uint32_t oldest(const struct tables *t, tables_match_fn match, uint32_t owner)
{
	uint32_t best = NONE;

	for (uint32_t i = 0; i < t->v.cnt; i++) {
		const struct table *table = &t->v.v[i];

		/* The kernel and the vDSO are in everybody's stacks. */
		if (table->object >= CPROF_OBJECT_FIRST && match(table, owner) &&
		    (best == NONE || table->used < t->v.v[best].used))
			best = i;
	}
	return best;
}

/* Who must go for @sz more of @owner: its own beyond a quarter, then users' beyond half, then any. */
static uint32_t victim(const struct tables *t, uint32_t owner, size_t sz)
{
	uint32_t i = NONE;

	if (owner != 0 && shares_of(&t->shares, owner) + sz > t->bytes_max / 4) {
		i = oldest(t, is_of, owner);
		if (i == NONE)
			return NONE; /* more than its share for one file, and no room to spare */
	}
	if (i == NONE && t->shares.total - t->shares.root > t->bytes_max / 2)
		i = oldest(t, is_of_users, owner);
	return i != NONE ? i : oldest(t, is_any, owner);
}

static int make_room(struct tables *t, uint32_t owner, size_t sz)
{
	int r;

	while (t->v.cnt >= TABLES_CNT_MAX || !shares_allow(&t->shares, owner, sz, t->bytes_max)) {
		uint32_t i = victim(t, owner, sz);

		if (i == NONE)
			return -ENOSPC;
		drop(t, i); /* the sampler counts it if it is missed */
	}
	r = vec_reserve(&t->v, 1);
	return r < 0 ? r : map_reserve(&t->map, 1);
}

static int put(struct tables *t, const struct table *table)
{
	_cleanup_(symtab_freep) struct symtab *owned = table->symtab;
	size_t sz = table_bytes(table);
	int r;

	tables_forget(t, table->object);
	r = make_room(t, table->owner, sz);
	if (r < 0)
		return r;
	(void)map_add(&t->map, object_hash(table->object), (uint32_t)t->v.cnt);
	t->v.v[t->v.cnt] = *table;
	t->v.v[t->v.cnt].symtab = TAKE_PTR(owned);
	t->v.v[t->v.cnt].bytes = sz;
	t->v.v[t->v.cnt++].used = ++t->used;
	shares_take(&t->shares, table->owner, sz);
	return 0;
}

int tables_fill(struct tables *t, uint32_t object)
{
	uint32_t i = find(t, object);
	struct symtab_limits limits = SYMTAB_LIMITS_DEFAULT;
	struct table table;
	int r;

	if (i == NONE || !is_lean(&t->v.v[i], 0))
		return 0;
	table = t->v.v[i];
	t->v.v[i].symtab = NULL;
	drop(t, i);
	limits.bytes = MIN(limits.bytes, tables_room(t, table.owner));
	if (symtab_fill(table.symtab, &limits) != SYMTAB_OK) {
		symtab_free(table.symtab);
		return 0;
	}
	r = put(t, &table);
	return r == -ENOSPC ? 0 : r;
}

/* Before one more comes. */
static int fill_oldest(struct tables *t)
{
	size_t cnt = 0;

	for (size_t i = 0; i < t->v.cnt; i++)
		cnt += is_lean(&t->v.v[i], 0);
	return cnt < TABLES_LEAN_MAX ? 0 : tables_fill(t, t->v.v[oldest(t, is_lean, 0)].object);
}

int tables_put(struct tables *t, const struct table *table)
{
	_cleanup_(symtab_freep) struct symtab *owned = table->symtab;
	struct table copy = *table;
	int r = is_lean(table, 0) ? fill_oldest(t) : 0;

	if (r < 0)
		return r;
	copy.symtab = TAKE_PTR(owned);
	return put(t, &copy);
}

size_t tables_room(const struct tables *t, uint32_t owner)
{
	return owner == 0 ? t->bytes_max / 4 * 3 : t->bytes_max / 2;
}

void tables_done(struct tables *t)
{
	while (t->v.cnt > 0)
		drop(t, (uint32_t)t->v.cnt - 1);
	vec_done(&t->v);
	map_done(&t->map);
	t->shares = (struct shares){ 0 };
}
