/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Objects come and go for as long as the sampler runs, so nothing here is indexed by an id: objects
 * are allocated singly, stand in a vector of slots whose holes are used again, and two indexes lead to
 * the slot, by id and by key. A list through all of them, the least lately used first, tells whom to
 * forget.
 *
 * Keys are compared as bytes: abi.h lays them out without padding, so equal bytes are equal keys. The
 * fixed objects have no key and are in no index; whatever key a record carries, it never finds one
 * of them.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/map.h"
#include "cprof/base/vec.h"
#include "cprof/object.h"

/* What an object costs beside its own structure: the allocator's head, slots of vector and maps. */
#define ENTRY_EXTRA 96
#define USE_GRAIN_NS 100000000ull
/* In the place of a superblock's address, which it is not; 0 is for keys without one. */
#define JIT_SB 1

/* From there on references are to keys of a record. In a test they end sooner. */
#ifndef OBJECTS_IDS_END
#define OBJECTS_IDS_END CPROF_OBJECT_KEY
#endif

struct entry {
	struct object o; /* first: a pointer to it is one to the entry */
	struct entry *older, *newer;
	uint32_t id;
	uint32_t slot;
};

/*
 * With KASLR modules, BPF programs and trampolines begin here on x86-64 (MODULES_VADDR in the kernel's
 * arch/x86/include/asm/pgtable_64_types.h), wherever the kernel itself is: their distance from
 * _stext would give that away.
 */
#define KERNEL_MODULES 0xffffffffc0000000ULL
/* The kernel's own image is smaller. */
#define KERNEL_DISTANCES (1ULL << 30)

struct objects {
	struct object fixed[CPROF_OBJECT_FIRST];
	VEC(struct entry *) slots; /* NULL: a hole */
	VEC(uint32_t) holes;	   /* has room for every slot */
	struct map by_id, by_key;
	struct entry *oldest, *newest;
	size_t bytes;
	uint32_t cnt;
	uint32_t next_id;
	uint64_t overflow;
	uint64_t jits;
	uint64_t seed;
};

static void object_done(struct object *o)
{
	free((void *)(uintptr_t)o->build_id);
	free((void *)(uintptr_t)o->segments);
	free((void *)(uintptr_t)o->path);
}

static size_t object_bytes(const struct object *o)
{
	return sizeof(struct entry) + ENTRY_EXTRA + o->build_id_sz +
	       o->segments_cnt * sizeof(*o->segments) + (o->path ? strlen(o->path) + 1 : 0);
}

struct objects *objects_free(struct objects *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < CPROF_OBJECT_FIRST; i++)
		object_done(&t->fixed[i]);
	for (size_t i = 0; i < t->slots.cnt; i++) {
		if (t->slots.v[i])
			object_done(&t->slots.v[i]->o);
		free(t->slots.v[i]);
	}
	vec_done(&t->slots);
	vec_done(&t->holes);
	map_done(&t->by_id);
	map_done(&t->by_key);
	free(t);
	return NULL;
}

int objects_new(uint64_t seed, struct objects **ret)
{
	struct objects *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->by_id = t->by_key = MAP_INIT;
	t->seed = seed;
	t->next_id = CPROF_OBJECT_FIRST;
	*ret = t;
	return 0;
}

static bool key_eq(uint32_t slot, const void *key, const void *ctx)
{
	const struct objects *t = ctx;

	return memcmp(&t->slots.v[slot]->o.key, key, sizeof(struct cprof_key)) == 0;
}

static bool id_eq(uint32_t slot, const void *key, const void *ctx)
{
	const struct objects *t = ctx;

	return t->slots.v[slot]->id == *(const uint32_t *)key;
}

static uint64_t key_hash(const struct objects *t, const struct cprof_key *key)
{
	return hash_bytes(key, sizeof(*key), t->seed);
}

/*
 * Of each frame, so it is short. Which ids stay is up to strangers, but not where they come to lie: the factor
 * is secret, and the table takes the low bits, of which the product's high ones are the mixed ones.
 */
static uint64_t id_hash(const struct objects *t, uint32_t id)
{
	return __builtin_bswap64(((t->seed ^ 0x9e3779b97f4a7c15) | 1) * id);
}

static struct entry *find(const struct objects *t, uint32_t id)
{
	uint32_t slot;

	return map_find(&t->by_id, id_hash(t, id), &id, id_eq, t, &slot) ? t->slots.v[slot] : NULL;
}

static void list_add(struct objects *t, struct entry *e)
{
	e->older = t->newest;
	e->newer = NULL;
	*(t->newest ? &t->newest->newer : &t->oldest) = e;
	t->newest = e;
}

static void list_remove(struct objects *t, struct entry *e)
{
	*(e->older ? &e->older->newer : &t->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &t->newest) = e->older;
}

/* Room for one more everywhere, so that nothing can fail later: neither its entry nor its end. */
static int reserve(struct objects *t)
{
	int r;

	r = vec_reserve(&t->slots, 1);
	if (r < 0)
		return r;
	r = vec_reserve(&t->holes, t->slots.cnt + 1 - t->holes.cnt);
	if (r < 0)
		return r;
	r = map_reserve(&t->by_id, 1);
	if (r < 0)
		return r;
	return map_reserve(&t->by_key, 1);
}

/* There must be room. */
static void add(struct objects *t, struct entry *e)
{
	if (t->holes.cnt > 0) {
		e->slot = t->holes.v[--t->holes.cnt];
		t->slots.v[e->slot] = e;
	} else {
		e->slot = (uint32_t)t->slots.cnt;
		t->slots.v[t->slots.cnt++] = e;
	}
	e->id = t->next_id++;
	(void)map_add(&t->by_id, id_hash(t, e->id), e->slot);
	(void)map_add(&t->by_key, key_hash(t, &e->o.key), e->slot);
	list_add(t, e);
	t->cnt++;
	t->bytes += object_bytes(&e->o);
}

int objects_intern(struct objects *t, const struct cprof_key *key, uint32_t *ret_idx)
{
	struct entry *e;
	uint32_t slot;
	int r;

	if (map_find(&t->by_key, key_hash(t, key), key, key_eq, t, &slot)) {
		*ret_idx = t->slots.v[slot]->id;
		return 0;
	}
	if (t->next_id >= OBJECTS_IDS_END) {
		t->overflow++;
		return -ENOSPC;
	}
	r = reserve(t);
	if (r < 0)
		return r;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->o.key = *key;
	add(t, e);
	*ret_idx = e->id;
	return 0;
}

int objects_intern_jit(struct objects *t, const struct object_jit *jit, uint32_t *ret_idx)
{
	const struct cprof_key key = {
		.sb = JIT_SB,
		.ino = jit->start_ns,
		.dev = jit->pid,
		.generation = jit->exec,
	};
	struct object *o;
	int r;

	r = objects_intern(t, &key, ret_idx);
	if (r < 0)
		return r;
	o = objects_get(t, *ret_idx);
	if (o->kind == OBJECT_JIT)
		return 0;
	o->kind = OBJECT_JIT;
	t->jits++;
	o->jit = *jit;
	o->owner = jit->uid;
	return 0;
}

uint64_t objects_overflow(const struct objects *t)
{
	return t->overflow;
}

struct object *objects_get(struct objects *t, uint32_t idx)
{
	struct entry *e;

	if (idx < CPROF_OBJECT_FIRST)
		return &t->fixed[idx];
	e = find(t, idx);
	return e ? &e->o : NULL;
}

bool objects_knew(const struct objects *t, uint32_t idx)
{
	return idx < t->next_id;
}

uint32_t objects_slot(const struct objects *t, uint32_t idx)
{
	const struct entry *e;

	if (idx < CPROF_OBJECT_FIRST)
		return idx;
	e = find(t, idx);
	return e ? CPROF_OBJECT_FIRST + e->slot : UINT32_MAX;
}

uint32_t objects_cnt(const struct objects *t)
{
	return CPROF_OBJECT_FIRST + t->cnt;
}

uint64_t objects_jits(const struct objects *t)
{
	return t->jits;
}

size_t objects_bytes(const struct objects *t)
{
	return t->bytes;
}

bool objects_next(const struct objects *t, size_t *pos, uint32_t *ret_idx)
{
	while (*pos < t->slots.cnt) {
		const struct entry *e = t->slots.v[(*pos)++];

		if (e) {
			*ret_idx = e->id;
			return true;
		}
	}
	return false;
}

/* Puts a copy of @v, and a NUL behind it, in the place of *@at; nothing for no bytes. */
static int replace(const void **at, const void *v, size_t sz)
{
	char *copy = NULL;

	if (sz > 0) {
		copy = malloc(sz + 1);
		if (!copy)
			return -ENOMEM;
		*(char *)mempcpy(copy, v, sz) = '\0';
	}
	free((void *)(uintptr_t)*at);
	*at = copy;
	return 0;
}

int objects_set_segments(struct objects *t, uint32_t idx, const struct object_segment *v,
			 uint32_t cnt)
{
	struct object *o = objects_get(t, idx);
	const void *at;
	int r;

	if (!o)
		return -ENOENT;
	if (cnt > OBJECT_SEGMENTS_MAX)
		return -E2BIG;
	at = o->segments;
	r = replace(&at, v, cnt * sizeof(*v));
	if (r < 0)
		return r;
	t->bytes -= object_bytes(o);
	o->segments = at;
	o->segments_cnt = (uint8_t)cnt;
	t->bytes += object_bytes(o);
	return 0;
}

int objects_set_build_id(struct objects *t, uint32_t idx, const uint8_t *v, uint32_t sz)
{
	struct object *o = objects_get(t, idx);
	const void *at;
	int r;

	if (!o)
		return -ENOENT;
	if (sz > OBJECT_BUILD_ID_MAX)
		return -E2BIG;
	at = o->build_id;
	r = replace(&at, v, sz);
	if (r < 0)
		return r;
	t->bytes -= object_bytes(o);
	o->build_id = at;
	o->build_id_sz = (uint8_t)sz;
	t->bytes += object_bytes(o);
	return 0;
}

int objects_set_path(struct objects *t, uint32_t idx, const char *text, size_t len)
{
	struct object *o = objects_get(t, idx);
	const void *at;
	size_t before;
	int r;

	if (!o)
		return -ENOENT;
	before = object_bytes(o);
	at = o->path;
	r = replace(&at, text, len);
	if (r < 0)
		return r;
	o->path = at;
	t->bytes += object_bytes(o) - before;
	return 0;
}

static void touch(struct objects *t, struct entry *e)
{
	if (e == t->newest)
		return;
	list_remove(t, e);
	list_add(t, e);
}

void objects_touch(struct objects *t, uint32_t idx)
{
	struct entry *e = idx < CPROF_OBJECT_FIRST ? NULL : find(t, idx);

	if (e)
		touch(t, e);
}

bool objects_use(struct objects *t, uint32_t idx, uint64_t time_ns)
{
	struct entry *e = idx < CPROF_OBJECT_FIRST ? NULL : find(t, idx);

	if (!e)
		return idx < CPROF_OBJECT_FIRST;
	/* Every sample comes by here: the order need not be finer than this. */
	if (e->o.used_ns == 0 || time_ns > e->o.used_ns + USE_GRAIN_NS)
		touch(t, e);
	if (e->o.used_ns < time_ns)
		e->o.used_ns = time_ns;
	return true;
}

bool objects_oldest(const struct objects *t, uint32_t *ret_idx)
{
	if (!t->oldest)
		return false;
	*ret_idx = t->oldest->id;
	return true;
}

void objects_forget(struct objects *t, uint32_t idx)
{
	struct entry *e = idx < CPROF_OBJECT_FIRST ? NULL : find(t, idx);

	if (!e)
		return;
	(void)map_remove(&t->by_id, id_hash(t, e->id), e->slot);
	(void)map_remove(&t->by_key, key_hash(t, &e->o.key), e->slot);
	list_remove(t, e);
	t->slots.v[e->slot] = NULL;
	t->holes.v[t->holes.cnt++] = e->slot;
	t->cnt--;
	t->bytes -= object_bytes(&e->o);
	object_done(&e->o);
	free(e);
}

uint64_t object_kernel_distance(const struct object *kernel, uint64_t address)
{
	if (!kernel || kernel->kernel_text == 0 || address < kernel->kernel_text ||
	    address >= KERNEL_MODULES || address - kernel->kernel_text >= KERNEL_DISTANCES)
		return UINT64_MAX;
	return address - kernel->kernel_text;
}

bool object_has_addresses(uint32_t idx)
{
	return idx == CPROF_OBJECT_NONE || idx == CPROF_OBJECT_ANON;
}
