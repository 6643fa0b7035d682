/* SPDX-License-Identifier: Apache-2.0 */

/*
 * forget — what is remembered of files and names stays within bounds, however many there ever were.
 *
 * A file is in use by the open window when a record named it since the window began; such ones stay, and
 * are bounded by the window's own ceiling (pipeline.c). Of all others the least lately used go: from
 * BPF's map, from the symbolizer, from the table. Names follow: those that no stack wanted since the
 * window began.
 *
 * The list of objects is looked at from its old end, some at a time; what has to stay moves to the new
 * end, so that no look is in vain twice in a row.
 */

#include "cprof/base/clock.h"
#include "sampler.h"

/*
 * BPF's map of known files holds 16,384: what a second of announcements adds must fit above. A machine
 * of 300 processes uses some 2,000 files; one takes 300 to 500 bytes here.
 */
#define OBJECTS_MAX (12288 >> CPROF_BOUNDS_SHIFT)
#define TOLD_MAX (12288 >> CPROF_BOUNDS_SHIFT)
#define OBJECTS_BYTES_MAX ((16u << 20) >> CPROF_BOUNDS_SHIFT)
#define LOOKS_MAX 1024
/* Records that are still in the ring may be older than the window by this. */
#define MARGIN_NS NSEC_PER_SEC
#define SWEEP_PAUSE_NS (10 * NSEC_PER_SEC)

static bool is_in_use(const struct sampler *s, const struct object *o)
{
	return s->window && o->used_ns > 0 && o->used_ns + MARGIN_NS >= s->window->from_boot_ns;
}

static void untell(struct sampler *s, struct object *o)
{
	if (!o->told)
		return;
	if (s->collect)
		collect_forget_object(s->collect, &o->key);
	o->told = false;
	s->told--;
}

void forget_learn(uint32_t object, void *ctx)
{
	struct sampler *s = ctx;
	struct object *o = objects_get(s->objects, object);

	if (!s->collect || !o || o->told)
		return;
	if (o->key.sb == 0)
		return; /* known by stat alone (remapping.c): BPF would never find it */
	if (collect_learn_object(s->collect, &o->key, object) < 0)
		return; /* full: it stays a key in the records, and is announced again */
	o->told = true;
	s->told++;
}

void forget_unlearn(uint32_t object, void *ctx)
{
	struct sampler *s = ctx;
	struct object *o = objects_get(s->objects, object);

	if (o)
		untell(s, o);
}

void forget_collect(struct sampler *s)
{
	uint32_t object;
	size_t pos = 0;

	while (objects_next(s->objects, &pos, &object))
		objects_get(s->objects, object)->told = false;
	s->told = 0;
}

static bool is_over(const struct sampler *s)
{
	return objects_cnt(s->objects) > OBJECTS_MAX ||
	       objects_bytes(s->objects) > OBJECTS_BYTES_MAX;
}

static void forget_objects(struct sampler *s)
{
	uint32_t object;

	for (int i = 0; i < LOOKS_MAX && (is_over(s) || s->told > TOLD_MAX); i++) {
		struct object *o;

		if (!objects_oldest(s->objects, &object))
			return;
		o = objects_get(s->objects, object);
		if (s->told > TOLD_MAX)
			untell(s, o);
		if (!is_over(s) || is_in_use(s, o) || !symbolize_forget(s->symbolize, object)) {
			objects_touch(s->objects, object);
			continue;
		}
		untell(s, o);
		objects_forget(s->objects, object);
		s->counters.v[COUNTER_objects_forgotten]++;
	}
}

static void forget_names(struct sampler *s, uint64_t now_ns)
{
	if (names_bytes(s->names) < FORGET_NAMES_BYTES / 8 * 7 || now_ns < s->sweep_ns)
		return;
	(void)symbolize_sweep(s->symbolize, s->window ? s->begun_ns : now_ns - SWEEP_PAUSE_NS);
	s->sweep_ns = now_ns + SWEEP_PAUSE_NS;
}

void forget_tick(struct sampler *s, uint64_t now_ns)
{
	forget_objects(s);
	forget_names(s, now_ns);
	s->counters.v[COUNTER_objects_full] = objects_overflow(s->objects);
}
