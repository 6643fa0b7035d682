/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Strings live in an arena, so pointers to them stay good while the table grows. Lookup compares
 * lengths before bytes; the hash is seeded, for symbol names are chosen by strangers.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/str.h"
#include "cprof/base/vec.h"

struct strtab_key {
	const char *s;
	size_t len;
};

static bool strtab_eq(uint32_t id, const void *key, const void *ctx)
{
	const struct strtab *t = ctx;
	const struct strtab_key *k = key;

	return t->lens[id] == k->len && memcmp(t->strings[id], k->s, k->len) == 0;
}

static int strtab_grow(struct strtab *t)
{
	size_t strings_cap = t->cap, lens_cap = t->cap;
	int r;

	r = vec_grow((void **)&t->strings, t->cnt, &strings_cap, 1, sizeof(*t->strings));
	if (r < 0)
		return r;
	r = vec_grow((void **)&t->lens, t->cnt, &lens_cap, 1, sizeof(*t->lens));
	if (r < 0)
		return r;
	t->cap = lens_cap;
	return 0;
}

static int strtab_push(struct strtab *t, const char *s, size_t len, uint64_t hash)
{
	const char *copy;
	int r;

	if (t->cnt >= UINT32_MAX)
		return -ENOMEM;
	r = strtab_grow(t);
	if (r < 0)
		return r;
	r = map_reserve(&t->map, 1);
	if (r < 0)
		return r;
	copy = arena_strndup(&t->arena, s, len);
	if (!copy)
		return -ENOMEM;
	r = map_add(&t->map, hash, (uint32_t)t->cnt);
	if (r < 0)
		return r;
	t->strings[t->cnt] = copy;
	t->lens[t->cnt] = (uint32_t)len;
	t->cnt++;
	return 0;
}

int strtab_init(struct strtab *t, uint64_t seed)
{
	int r;

	*t = (struct strtab){ .arena = ARENA_INIT, .map = MAP_INIT, .seed = seed };
	r = strtab_push(t, "", 0, hash_bytes("", 0, seed));
	if (r < 0)
		strtab_done(t);
	return r;
}

int strtab_add(struct strtab *t, const char *s, size_t len, uint32_t *ret_id)
{
	const struct strtab_key key = { .s = s, .len = len };
	uint64_t hash;
	uint32_t id;
	int r;

	if (len > UINT32_MAX)
		return -ENOMEM;
	hash = hash_bytes(s, len, t->seed);
	if (map_find(&t->map, hash, &key, strtab_eq, t, ret_id))
		return 0;
	id = (uint32_t)t->cnt;
	r = strtab_push(t, s, len, hash);
	if (r < 0)
		return r;
	*ret_id = id;
	return 0;
}

const char *strtab_get(const struct strtab *t, uint32_t id)
{
	assert(id < t->cnt);

	return t->strings[id];
}

void strtab_done(struct strtab *t)
{
	free(t->strings);
	free(t->lens);
	map_done(&t->map);
	arena_done(&t->arena);
	*t = (struct strtab){ 0 };
}
