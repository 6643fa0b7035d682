/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table: groups in the order they came and an index over (hierarchy, id). Only a group's own name
 * is kept, so that a renamed parent is right for all below it. The index cannot forget: when there are
 * twice as many removed groups as are to be kept, both are built anew without the older half. A parent
 * is removed after its children, so that what is kept still leads to the root.
 *
 * Who was given a subtree may make groups in it without end. So groups are counted by the top of their
 * subtree: the group directly below a root, or below a slice there, for such a slice is the service
 * manager's own (user.slice/user-1000.slice). No top may take more than its share of the living, and the
 * tops with most removed groups forget first.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/map.h"
#include "cprof/base/str.h"
#include "cprof/base/vec.h"
#include "cprof/cgroups.h"

/* What hangs on a top, itself included. */
struct held {
	uint32_t living;
	uint32_t removed;
};

struct group {
	uint64_t id;
	uint64_t parent;
	uint64_t removed; /* a number that grows; 0: it lives */
	char *name;	  /* of a root the whole path, "" for "/" */
	uint64_t top;	  /* id; 0: a root, or no way up is known */
	struct held held;
	uint8_t hierarchy;
	bool below_root;
	bool root;
};

struct cgroups {
	VEC(struct group) v;
	struct held nobody; /* of those without a top */
	struct map map;
	uint64_t seed;
	uint64_t removals;
	size_t removed_cnt;
	uint32_t removed_kept; /* of these, when all are counted */
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
	t->removed_kept = CGROUPS_REMOVED_KEPT;
	*ret = t;
	return 0;
}

void cgroups_keep_removed(struct cgroups *t, uint32_t cnt)
{
	t->removed_kept = MIN(cnt, (uint32_t)CGROUPS_REMOVED_KEPT);
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

static struct held *held_of(struct cgroups *t, const struct group *g)
{
	struct group *top = g->top ? find(t, g->hierarchy, g->top) : NULL;

	return top ? &top->held : &t->nobody;
}

static bool is_slice(const char *name)
{
	size_t len = strlen(name), tail = strlen(".slice");

	return len > tail && strcmp(name + len - tail, ".slice") == 0;
}

static void find_top(const struct cgroups *t, struct group *g)
{
	const struct group *parent = g->root ? NULL : find(t, g->hierarchy, g->parent);

	g->below_root = parent && parent->root;
	if (g->below_root || (parent && parent->below_root && is_slice(parent->name)))
		g->top = g->id;
	else
		g->top = parent ? parent->top : 0;
}

/* A top that was forgotten and came again counts from 0: never below. */
static void take_out(uint32_t *count)
{
	*count -= *count > 0;
}

static void count_anew(struct cgroups *t)
{
	t->removed_cnt = 0;
	t->nobody = (struct held){ 0 };
	for (size_t i = 0; i < t->v.cnt; i++)
		t->v.v[i].held = (struct held){ 0 };
	for (size_t i = 0; i < t->v.cnt; i++) {
		const struct group *g = &t->v.v[i];
		struct held *held = held_of(t, g);

		if (g->removed)
			held->removed++;
		else
			held->living++;
		t->removed_cnt += g->removed > 0;
	}
}

struct removed {
	uint64_t removed;
	uint32_t idx;
};

static int compare_latest_first(const void *a, const void *b)
{
	const struct removed *x = a, *y = b;

	return CMP(y->removed, x->removed);
}

static uint64_t kept_with(const struct cgroups *t, uint32_t quota)
{
	uint64_t sum = MIN(t->nobody.removed, quota);

	for (size_t i = 0; i < t->v.cnt; i++)
		sum += MIN(t->v.v[i].held.removed, quota);
	return sum;
}

/* How many each top may keep: the most with which all keep no more than they are to. */
static uint32_t removed_quota(const struct cgroups *t)
{
	uint32_t lo = 0, hi = t->removed_kept;

	while (lo < hi) {
		uint32_t quota = lo + (hi - lo + 1) / 2;

		if (kept_with(t, quota) <= t->removed_kept)
			lo = quota;
		else
			hi = quota - 1;
	}
	return lo;
}

/* Marks those that are to be forgotten by taking their names away. */
static void choose_forgotten(struct cgroups *t, struct removed *list, size_t cnt)
{
	uint32_t quota = removed_quota(t);
	uint64_t more = t->removed_kept - kept_with(t, quota); /* tops that may keep one more */

	qsort(list, cnt, sizeof(*list), compare_latest_first);
	for (size_t i = 0; i < t->v.cnt; i++)
		t->v.v[i].held.removed = 0;
	t->nobody.removed = 0;
	for (size_t i = 0; i < cnt; i++) {
		struct group *g = &t->v.v[list[i].idx];
		uint32_t nth = ++held_of(t, g)->removed;

		if (nth <= quota)
			continue;
		if (nth == quota + 1 && more > 0) {
			more--;
			continue;
		}
		free(g->name);
		g->name = NULL;
	}
}

static size_t list_removed(const struct cgroups *t, struct removed *list)
{
	size_t cnt = 0;

	for (size_t i = 0; i < t->v.cnt; i++) {
		if (t->v.v[i].removed)
			list[cnt++] = (struct removed){ t->v.v[i].removed, (uint32_t)i };
	}
	return cnt;
}

/* No memory for it now: the next removal tries again. */
static void forget_oldest(struct cgroups *t)
{
	_cleanup_free_ struct removed *list = calloc(t->removed_cnt, sizeof(*list));
	struct map fresh = MAP_INIT;
	size_t kept = 0;

	if (!list || map_reserve(&fresh, t->v.cnt) < 0)
		return;
	choose_forgotten(t, list, list_removed(t, list));
	for (size_t i = 0; i < t->v.cnt; i++) {
		const struct group g = t->v.v[i];

		if (!g.name)
			continue;
		t->v.v[kept] = g;
		(void)map_add(&fresh, group_hash(t, g.hierarchy, g.id), (uint32_t)kept++);
	}
	t->v.cnt = kept;
	map_done(&t->map);
	t->map = fresh;
	count_anew(t);
}

/*
 * Nobody beyond a quarter once half is taken; the last quarter is for tops that have few. Roots are no
 * stranger's: a replay has one for each group, as many as a table ever held.
 */
static bool has_room(struct cgroups *t, const struct group *g)
{
	const uint32_t own = g->top == g->id ? 0 : held_of(t, g)->living;
	const size_t living = t->v.cnt - t->removed_cnt;

	if (g->root)
		return t->v.cnt < CGROUPS_MAX + 2 * CGROUPS_REMOVED_KEPT;
	if (own < CGROUPS_FEW)
		return living < CGROUPS_MAX;
	return living < CGROUPS_MAX / 2 || (living < CGROUPS_MAX / 4 * 3 && own < CGROUPS_MAX / 4);
}

static int add(struct cgroups *t, const struct group *g)
{
	int r;

	if (!has_room(t, g))
		return -ENOSPC;
	r = vec_reserve(&t->v, 1);
	if (r < 0)
		return r;
	r = map_add(&t->map, group_hash(t, g->hierarchy, g->id), (uint32_t)t->v.cnt);
	if (r < 0)
		return r;
	t->v.v[t->v.cnt++] = *g;
	held_of(t, g)->living++;
	return 0;
}

static void replace(struct cgroups *t, struct group *have, const struct group *g)
{
	struct held *held = held_of(t, have);

	take_out(have->removed ? &held->removed : &held->living);
	t->removed_cnt -= have->removed > 0;
	free(have->name);
	have->name = g->name;
	have->parent = g->parent;
	have->root = g->root;
	have->removed = 0;
	have->top = g->top;
	have->below_root = g->below_root;
	held_of(t, have)->living++;
}

/* Takes @g->name over in every case. */
static int put(struct cgroups *t, struct group *g)
{
	struct group *have = find(t, g->hierarchy, g->id);
	int r = 0;

	find_top(t, g);
	if (have)
		replace(t, have, g);
	else
		r = add(t, g);
	if (r < 0)
		free(g->name);
	return r;
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
	struct held *held;

	if (!g || g->removed || g->root)
		return;
	held = held_of(t, g);
	take_out(&held->living);
	held->removed++;
	g->removed = ++t->removals;
	if (++t->removed_cnt > 2 * (size_t)t->removed_kept)
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
