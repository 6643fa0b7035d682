/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two levels of equality for stacks. The raw one, over the bytes as BPF sent them, answers nearly
 * every sample with one hash and one memcmp(). The located one joins raw stacks that differ only in
 * how their objects were told: the same file is a key in one record and an id in the next.
 *
 * Frames that came as bare addresses get their places later and once, by what is mapped then. Code that
 * is mapped there afterwards is other code: so such a raw stack is equal to those of its second only.
 *
 * Every addition first makes all the room it needs, then commits without a call that can fail: a
 * window that ran out of memory half way is as good as before. Memory taken from the arena by a
 * failed call stays unused until the window ends.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/str.h"
#include "cprof/fold.h"

/* What tells a raw stack from another one besides its frames and keys. */
struct raw_head {
	struct window_owner owner;
	uint64_t slice; /* of time; 0 unless is_unlocated() */
	uint16_t kernel_cnt;
	uint16_t user_cnt;
	uint16_t keys_cnt;
	uint8_t kernel_end;
	uint8_t user_end;
};

struct sample_key {
	uint32_t process;
	uint32_t stack;
};

#define RAW_PARTS 4

/* A raw stack in pieces, as it lies in the record. */
struct raw_parts {
	struct raw_head head;
	const void *p[RAW_PARTS];
	size_t sz[RAW_PARTS];
};

static struct window_owner owner_of(const struct cprof_sample *s)
{
	if (!(s->flags & (CPROF_SAMPLE_OWN | CPROF_SAMPLE_LATE)))
		return (struct window_owner){ 0 };
	return (struct window_owner){ .start_ns = s->start_ns, .pid = s->pid, .exec = s->exec };
}

/* The walk was switched off, and there are frames that it would have located. */
static bool is_unlocated(const struct cprof_sample *s)
{
	return (s->flags & CPROF_SAMPLE_RAW) && s->user_cnt > 0;
}

/* Points into itself: not to be copied. */
static void raw_parts_init(struct raw_parts *raw, const struct record *rec)
{
	const struct cprof_sample *s = rec->sample.head;

	assert(rec->type == CPROF_RECORD_SAMPLE);

	raw->head = (struct raw_head){
		.owner = owner_of(s),
		.slice = is_unlocated(s) ? s->time_ns / NSEC_PER_SEC : 0,
		.kernel_cnt = s->kernel_cnt,
		.user_cnt = s->user_cnt,
		.keys_cnt = s->keys_cnt,
		.kernel_end = s->kernel_end,
		.user_end = s->user_end,
	};
	raw->p[0] = &raw->head;
	raw->sz[0] = sizeof(raw->head);
	raw->p[1] = rec->sample.kernel;
	raw->sz[1] = s->kernel_cnt * sizeof(*rec->sample.kernel);
	raw->p[2] = rec->sample.user;
	raw->sz[2] = s->user_cnt * sizeof(*rec->sample.user);
	raw->p[3] = rec->sample.keys;
	raw->sz[3] = s->keys_cnt * sizeof(*rec->sample.keys);
}

static uint64_t raw_hash(const struct raw_parts *raw, uint64_t seed)
{
	for (int i = 0; i < RAW_PARTS; i++)
		seed = hash_bytes(raw->p[i], raw->sz[i], seed);
	return seed;
}

static uint32_t raw_size(const struct raw_parts *raw)
{
	size_t sz = 0;

	for (int i = 0; i < RAW_PARTS; i++)
		sz += raw->sz[i];
	return (uint32_t)sz;
}

static bool raw_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct window *w = ctx;
	const struct window_raw *have = &w->raws.v[value];
	const struct raw_parts *raw = key;
	const char *at = have->bytes;

	if (have->sz != raw_size(raw))
		return false;
	/* The head comes first and holds the counts: after it the parts have equal sizes. */
	for (int i = 0; i < RAW_PARTS; i++) {
		if (memcmp(at, raw->p[i], raw->sz[i]) != 0)
			return false;
		at += raw->sz[i];
	}
	return true;
}

static void *raw_copy(struct window *w, const struct raw_parts *raw)
{
	char *bytes, *at;

	at = bytes = arena_alloc(&w->arena, raw_size(raw));
	if (!bytes)
		return NULL;
	for (int i = 0; i < RAW_PARTS; i++)
		at = mempcpy(at, raw->p[i], raw->sz[i]);
	return bytes;
}

bool fold_find_stack(const struct window *w, const struct record *rec, uint32_t *ret_stack)
{
	struct raw_parts raw;
	uint32_t i;

	if (rec->sample.head->flags & CPROF_SAMPLE_LATE)
		return false;
	raw_parts_init(&raw, rec);
	if (!map_find(&w->raw_map, raw_hash(&raw, w->seed), &raw, raw_eq, w, &i))
		return false;
	*ret_stack = w->raws.v[i].stack;
	return true;
}

static uint64_t stack_hash(const struct window_stack *s, uint64_t seed)
{
	return hash_bytes(s->frames, s->cnt * sizeof(*s->frames),
			  hash_bytes(&s->owner, sizeof(s->owner), seed) ^
				  (uint64_t)s->kernel_end << 16 ^ (uint64_t)s->user_end << 8 ^
				  s->complete);
}

static bool stack_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct window *w = ctx;
	const struct window_stack *have = &w->stacks.v[value], *s = key;

	return have->cnt == s->cnt && have->kernel_end == s->kernel_end &&
	       have->user_end == s->user_end && have->complete == s->complete &&
	       memcmp(&have->owner, &s->owner, sizeof(s->owner)) == 0 &&
	       (s->cnt == 0 || memcmp(have->frames, s->frames, s->cnt * sizeof(*s->frames)) == 0);
}

/* Room for one stack and one raw stack, so that nothing can fail later. */
static int reserve_stack(struct window *w)
{
	int r;

	r = vec_reserve(&w->stacks, 1);
	if (r < 0)
		return r;
	r = map_reserve(&w->stack_map, 1);
	if (r < 0)
		return r;
	r = vec_reserve(&w->raws, 1);
	if (r < 0)
		return r;
	return map_reserve(&w->raw_map, 1);
}

/* A new one; there must be room. */
static int push_stack(struct window *w, struct window_stack *s, uint32_t *ret_stack)
{
	s->frames = arena_dup(&w->arena, s->frames, s->cnt * sizeof(*s->frames));
	if (!s->frames)
		return -ENOMEM;
	*ret_stack = (uint32_t)w->stacks.cnt;
	w->stacks.v[w->stacks.cnt++] = *s;
	return 0;
}

/* The id of an equal stack, if @shared, or of the new one; there must be room. */
static int intern_stack(struct window *w, struct window_stack *s, bool shared, uint32_t *ret_stack)
{
	const uint64_t hash = stack_hash(s, w->seed);
	int r;

	if (shared && map_find(&w->stack_map, hash, s, stack_eq, w, ret_stack))
		return 0;
	r = push_stack(w, s, ret_stack);
	if (r < 0)
		return r;
	r = map_add(&w->stack_map, hash, *ret_stack);
	assert(r == 0);
	return r;
}

int fold_add_stack(struct window *w, const struct record *rec, const struct window_frame *frames,
		   uint32_t cnt, uint32_t *ret_stack)
{
	const struct cprof_sample *s = rec->sample.head;
	struct window_stack stack = {
		.frames = frames,
		.owner = owner_of(s),
		.cnt = cnt,
		.kernel_end = s->kernel_end,
		.user_end = s->user_end,
		.complete = window_end_is_complete(s->user_end == CPROF_END_NONE ? s->kernel_end
										 : s->user_end),
	};
	struct raw_parts raw;
	const void *bytes;
	uint32_t id;
	int r;

	raw_parts_init(&raw, rec);
	r = reserve_stack(w);
	if (r < 0)
		return r;
	/* Whoever mends it changes no other's: nobody finds it. */
	if (s->flags & CPROF_SAMPLE_LATE)
		return push_stack(w, &stack, ret_stack);
	bytes = raw_copy(w, &raw);
	if (!bytes)
		return -ENOMEM;
	/* One that could not be placed a second ago perhaps can be now. */
	r = intern_stack(w, &stack, !is_unlocated(s), &id);
	if (r < 0)
		return r;
	/* Cannot fail any more: there is room. */
	r = map_add(&w->raw_map, raw_hash(&raw, w->seed), (uint32_t)w->raws.cnt);
	assert(r == 0);
	w->raws.v[w->raws.cnt++] = (struct window_raw){
		.bytes = bytes,
		.sz = raw_size(&raw),
		.stack = id,
	};
	*ret_stack = id;
	return r;
}

static bool sample_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct window *w = ctx;
	const struct window_sample *have = &w->samples.v[value];
	const struct sample_key *k = key;

	return have->process == k->process && have->stack == k->stack;
}

int fold_add(struct window *w, const struct record *rec, uint32_t process, uint32_t stack)
{
	const struct sample_key key = { .process = process, .stack = stack };
	const uint64_t hash = hash_bytes(&key, sizeof(key), w->seed);
	const uint64_t weight_ns = rec->sample.head->weight_ns;
	struct window_process *p;
	uint32_t i;
	int r;

	assert(rec->type == CPROF_RECORD_SAMPLE);
	assert(process < w->processes.cnt && stack < w->stacks.cnt);

	if (!map_find(&w->sample_map, hash, &key, sample_eq, w, &i)) {
		i = (uint32_t)w->samples.cnt;
		r = vec_reserve(&w->samples, 1);
		if (r < 0)
			return r;
		r = map_add(&w->sample_map, hash, i);
		if (r < 0)
			return r;
		w->samples.v[w->samples.cnt++] = (struct window_sample){
			.process = process,
			.stack = stack,
			.next = WINDOW_NONE,
		};
		window_chain(w, i);
	}
	w->samples.v[i].cnt++;
	w->samples.v[i].weight_ns += weight_ns;
	p = &w->processes.v[process];
	p->samples++;
	p->weight_ns += weight_ns;
	p->complete += w->stacks.v[stack].complete;
	return 0;
}
