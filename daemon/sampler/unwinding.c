/* SPDX-License-Identifier: Apache-2.0 */

/*
 * unwinding — the unwinding rows of files, from the symbolizer to the memory that all streams' walks read.
 *
 * Rows come with the file, whoever wanted it opened; of large files those pages that stacks met. What is used is told by the stacks of each window;
 * what was pushed out and is used again is announced anew, as if the file had never been seen.
 */

#include "cprof/base/clock.h"
#include "stream.h"

/* One object's file at a time is enough: it is read off the path of samples, and the next tick is soon. */
#define WANTED_PER_TICK 4
#define BYTES_MIN (2 * CPROF_SLAB_BYTES)

int unwinding_begin(struct sampler *s, struct collect_failure *failure)
{
	_cleanup_(collect_pool_freep) struct collect_pool *maps = NULL;
	int r;

	if (s->unwinding.pool)
		return 0;
	r = collect_pool_new(&s->root, &maps, failure);
	if (r < 0)
		return r;
	r = pool_new(collect_pool_memory(maps), s->unwinding.bytes_max, rng_seed(),
		     &s->unwinding.pool);
	if (r < 0)
		return r;
	s->unwinding.maps = TAKE_PTR(maps);
	return 0;
}

void unwinding_done(struct sampler *s)
{
	s->unwinding.pool = pool_free(s->unwinding.pool);
	s->unwinding.maps = collect_pool_free(s->unwinding.maps);
}

void unwinding_limit(struct sampler *s, uint64_t bytes_max)
{
	s->unwinding.bytes_max = MAX((size_t)bytes_max >> CPROF_BOUNDS_SHIFT, (size_t)BYTES_MIN);
	if (s->unwinding.pool)
		pool_limit(s->unwinding.pool, s->unwinding.bytes_max);
}

static struct cprof_known known_of(const struct sampler *s, uint32_t object)
{
	return (struct cprof_known){ .id = object, .slot = objects_slot(s->objects, object) };
}

void unwinding_on_rows(uint32_t object, const struct rows_view *rows, void *ctx)
{
	struct sampler *s = ctx;
	const struct object *o = objects_get(s->objects, object);
	const struct cprof_known known = known_of(s, object);

	if (!s->unwinding.pool || !o || known.slot >= CPROF_UNWIND_OBJECTS_MAX)
		return;
	if (rows_are_part(rows))
		(void)pool_add(s->unwinding.pool, known, o->owner, rows, clock_mono_ns());
	else
		(void)pool_put(s->unwinding.pool, known, o->owner, rows, clock_mono_ns());
}

static void want(struct sampler *s, struct cprof_known known, uint64_t offset)
{
	if (s->unwinding.pool && pool_lacks(s->unwinding.pool, known, offset))
		symbolize_want_page(s->symbolize, known.id, (uint32_t)(offset >> CPROF_PAGE_SHIFT));
}

void unwinding_want(struct sampler *s, uint32_t object, uint64_t offset)
{
	want(s, known_of(s, object), offset);
}

void unwinding_settle(struct sampler *s, uint32_t object)
{
	static const struct rows_head nothing = { 0 };
	const struct rows_view none = { .head = &nothing };
	const struct object *o = objects_get(s->objects, object);

	if (o && (o->state == OBJECT_REFUSED || o->state == OBJECT_BAD))
		unwinding_on_rows(object, &none, s);
}

enum rows_answer unwinding_find(struct sampler *s, uint32_t object, uint64_t offset,
				struct cprof_rule *ret)
{
	const struct object *o = objects_get(s->objects, object);
	const struct cprof_known known = known_of(s, object);

	if (!s->unwinding.pool || !o || o->kind == OBJECT_JIT)
		return ROWS_NO_FILE;
	if (known.slot >= CPROF_UNWIND_OBJECTS_MAX)
		return ROWS_REFUSED;
	pool_use(s->unwinding.pool, known.slot, clock_mono_ns());
	return pool_find(s->unwinding.pool, known, offset, ret);
}

void unwinding_use(struct sampler *s, const struct cprof_sample *sample,
		   const struct window_frame *frames, uint32_t cnt)
{
	struct cprof_known known = { .id = CPROF_OBJECT_NONE };
	uint64_t now_ns = clock_mono_ns();

	for (uint32_t i = 0; i < cnt; i++) {
		const struct window_frame *f = &frames[i];
		bool is_next = f->object != known.id;

		if (f->object < CPROF_OBJECT_FIRST && f->object != CPROF_OBJECT_VDSO)
			continue;
		/* Of many frames of one object it is looked up once: every sample comes here. */
		if (is_next)
			known = known_of(s, f->object);
		if (f->object >= CPROF_OBJECT_FIRST)
			want(s, known, names_offset(f->offset, f->flags));
		if (!is_next)
			continue;
		symbolize_use(s->symbolize, known.id, sample->pid, sample->start_ns);
		if (s->unwinding.pool && known.slot < CPROF_UNWIND_OBJECTS_MAX)
			pool_use(s->unwinding.pool, known.slot, now_ns);
	}
}

void unwinding_forget(struct sampler *s, uint32_t object)
{
	uint32_t slot = objects_slot(s->objects, object);

	if (s->unwinding.pool && slot < CPROF_UNWIND_OBJECTS_MAX)
		pool_drop(s->unwinding.pool, slot);
}

void unwinding_tick(struct sampler *s, uint64_t now_ns)
{
	struct pool_facts facts;
	uint32_t object;

	if (!s->unwinding.pool)
		return;
	for (int i = 0; i < WANTED_PER_TICK && pool_is_wanted(s->unwinding.pool, &object); i++)
		symbolize_read_again(s->symbolize, object, now_ns);
	pool_facts(s->unwinding.pool, &facts);
	s->counters.v[COUNTER_rows_evicted] = facts.evicted;
	s->counters.v[COUNTER_rows_refused] = facts.refused;
}

uint64_t unwinding_bytes(const struct sampler *s)
{
	return s->unwinding.maps ? collect_pool_bytes(s->unwinding.maps) : 0;
}
