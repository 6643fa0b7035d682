/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table: groups in the order they came and an index over (hierarchy, id). Only a group's own name
 * is kept, so that a renamed parent is right for all below it. The index cannot forget: when there are
 * twice as many removed groups as are to be kept, both are built anew without the older half. A parent
 * is removed after its children, so that what is kept still leads to the root.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/map.h"
#include "cprof/base/str.h"
#include "cprof/base/vec.h"
#include "cprof/cgroups.h"

struct group {
	uint64_t id;
	uint64_t parent;
	uint64_t removed; /* a number that grows; 0: it lives */
	char *name;	  /* of a root the whole path, "" for "/" */
	uint8_t hierarchy;
	bool root;
};

struct cgroups {
	VEC(struct group) v;
	struct map map;
	uint64_t seed;
	uint64_t removals;
	size_t removed_cnt;
};

struct group_key {
	uint64_t id;
	uint64_t hierarchy;
};

struct cgroups *cgroups_free(struct cgroups *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->v.cnt; i++)
		free(t->v.v[i].name);
	vec_done(&t->v);
	map_done(&t->map);
	free(t);
	return NULL;
}

int cgroups_new(uint64_t seed, struct cgroups **ret)
{
	struct cgroups *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->map = MAP_INIT;
	t->seed = seed;
	*ret = t;
	return 0;
}

static bool group_eq(uint32_t idx, const void *key, const void *ctx)
{
	const struct cgroups *t = ctx;
	const struct group_key *k = key;

	return t->v.v[idx].id == k->id && t->v.v[idx].hierarchy == k->hierarchy;
}

static uint64_t group_hash(const struct cgroups *t, uint8_t hierarchy, uint64_t id)
{
	const struct group_key key = { .id = id, .hierarchy = hierarchy };

	return hash_bytes(&key, sizeof(key), t->seed);
}

static struct group *find(const struct cgroups *t, uint8_t hierarchy, uint64_t id)
{
	const struct group_key key = { .id = id, .hierarchy = hierarchy };
	uint32_t idx;

	if (!map_find(&t->map, group_hash(t, hierarchy, id), &key, group_eq, t, &idx))
		return NULL;
	return &t->v.v[idx];
}

/* No memory for it now: the next removal tries again. */
static void forget_oldest(struct cgroups *t)
{
	struct map fresh = MAP_INIT;
	size_t kept = 0;

	if (map_reserve(&fresh, t->v.cnt) < 0)
		return;
	for (size_t i = 0; i < t->v.cnt; i++) {
		const struct group g = t->v.v[i];

		if (g.removed && g.removed + CGROUPS_REMOVED_KEPT <= t->removals) {
			free(g.name);
			continue;
		}
		t->v.v[kept] = g;
		(void)map_add(&fresh, group_hash(t, g.hierarchy, g.id), (uint32_t)kept++);
	}
	t->removed_cnt -= t->v.cnt - kept;
	t->v.cnt = kept;
	map_done(&t->map);
	t->map = fresh;
}

static int add(struct cgroups *t, const struct group *g)
{
	int r;

	if (t->v.cnt - t->removed_cnt >= CGROUPS_MAX)
		return -ENOSPC;
	r = vec_reserve(&t->v, 1);
	if (r < 0)
		return r;
	r = map_add(&t->map, group_hash(t, g->hierarchy, g->id), (uint32_t)t->v.cnt);
	if (r < 0)
		return r;
	t->v.v[t->v.cnt++] = *g;
	return 0;
}

static void revive(struct cgroups *t, struct group *g)
{
	if (g->removed)
		t->removed_cnt--;
	g->removed = 0;
}

/* Takes @g->name over in every case. */
static int put(struct cgroups *t, const struct group *g)
{
	struct group *have = find(t, g->hierarchy, g->id);
	int r;

	if (!have) {
		r = add(t, g);
		if (r < 0)
			free(g->name);
		return r;
	}
	revive(t, have);
	free(have->name);
	*have = *g;
	return 0;
}

/* A text ends at a NUL, whatever its length says. */
static bool is_name(const char *name, size_t len)
{
	return len > 0 && !memchr(name, '/', len) && !(len == 1 && name[0] == '.') &&
	       !(len == 2 && memcmp(name, "..", 2) == 0);
}

static char *clean_copy(const char *text, size_t len)
{
	char *copy = malloc(3 * len + 1);

	if (copy)
		(void)str_clean(copy, 3 * len + 1, text, len, NULL);
	return copy;
}

int cgroups_put(struct cgroups *t, const struct cgroups_group *g)
{
	struct group new = { .id = g->id, .parent = g->parent, .hierarchy = g->hierarchy };
	const struct group *have = find(t, g->hierarchy, g->id);
	size_t len = strnlen(g->name, g->name_len);

	if (g->hierarchy >= CPROF_HIERARCHY_MAX || !is_name(g->name, len) || (have && have->root))
		return -EINVAL;
	new.name = clean_copy(g->name, len);
	return new.name ? put(t, &new) : -ENOMEM;
}

int cgroups_put_root(struct cgroups *t, uint8_t hierarchy, uint64_t id, const char *path)
{
	struct group new = { .id = id, .hierarchy = hierarchy, .root = true };

	if (hierarchy >= CPROF_HIERARCHY_MAX || path[0] != '/')
		return -EINVAL;
	new.name = path[1] ? clean_copy(path, strlen(path)) : strdup("");
	return new.name ? put(t, &new) : -ENOMEM;
}

void cgroups_remove(struct cgroups *t, uint8_t hierarchy, uint64_t id)
{
	struct group *g = find(t, hierarchy, id);

	if (!g || g->removed || g->root)
		return;
	g->removed = ++t->removals;
	if (++t->removed_cnt > 2 * (size_t)CGROUPS_REMOVED_KEPT)
		forget_oldest(t);
}

int cgroups_path(const struct cgroups *t, uint8_t hierarchy, uint64_t id,
		 char dst[static CGROUPS_PATH_SZ])
{
	char text[CGROUPS_PATH_SZ], *at = text + sizeof(text) - 1;
	const struct group *g = NULL;

	*at = '\0';
	for (int depth = 0; id && depth < CGROUPS_DEPTH_MAX; depth++, id = g->parent) {
		size_t len, slash;

		g = find(t, hierarchy, id);
		if (!g)
			return -ENOENT;
		len = strlen(g->name);
		slash = g->root ? 0 : 1; /* a root's path brings its own */
		if (len + slash > (size_t)(at - text))
			return -ENAMETOOLONG;
		at -= len;
		memcpy(at, g->name, len);
		if (slash)
			*--at = '/';
		if (g->root)
			break;
	}
	if (g && !g->root)
		return -ENOENT;
	memcpy(dst, at, strlen(at) + 1);
	if (!*at)
		memcpy(dst, "/", 2);
	return 0;
}

int cgroups_find_unit(const struct cgroups *t, const char *unit, cgroups_fn fn, void *ctx)
{
	char path[CGROUPS_PATH_SZ];
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->v.cnt; i++) {
		const struct group *g = &t->v.v[i];

		if (g->removed || strcmp(g->name, unit) != 0)
			continue;
		if (cgroups_path(t, g->hierarchy, g->id, path) == 0 && cgroups_is_unit(path, unit))
			r = fn(g->hierarchy, g->id, ctx);
	}
	return r;
}
