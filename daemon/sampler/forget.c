/* SPDX-License-Identifier: Apache-2.0 */

/*
 * forget — what is remembered of files and names stays within bounds, however many there ever were.
 *
 * A file is in use by a window that lives when a record named it since the oldest of them began; such
 * ones stay, and are bounded by the windows' own ceilings (pipeline.c). Of all others the least lately used go: from
 * BPF's map, from the symbolizer, from the table. Names follow: those that no stack wanted since the
 * oldest window began.
 *
 * Each stream's BPF has a map of files of its own; the object knows by a bit for each who was told.
 *
 * Near the ceiling of all memory more of them go: the tables of their names are most of what the
 * symbolizer holds.
 *
 * The list of objects is looked at from its old end, some at a time; what has to stay moves to the new
 * end, so that no look is in vain twice in a row.
 */

#include "cprof/base/clock.h"
#include "stream.h"

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
	for (size_t i = 0; i < s->intervals.cnt; i++) {
		const struct window *w = s->intervals.v[i]->window;

		if (w && o->used_ns > 0 && o->used_ns + MARGIN_NS >= w->from_boot_ns)
			return true;
	}
	return false;
}

static void tell(struct stream *st, struct object *o, uint32_t object)
{
	const struct cprof_known known = {
		.id = object,
		.slot = objects_slot(st->sampler->objects, object),
	};

	if (o->told & 1u << st->slot)
		return;
	if (o->key.sb == 0)
		return; /* known by stat alone (remapping.c): BPF would never find it */
	if (collect_learn_object(st->collect, &o->key, known) < 0)
		return; /* full: it stays a key in the records, and is announced again */
	o->told |= 1u << st->slot;
	st->told++;
}

static void untell(struct stream *st, struct object *o)
{
	if (!(o->told & 1u << st->slot))
		return;
#ifdef CPROF_LEAK_ONE_IN
	if (o->key.ino % CPROF_LEAK_ONE_IN != 0)
#endif
		collect_forget_object(st->collect, &o->key);
	o->told &= ~(1u << st->slot);
	st->told--;
}

void forget_learn(uint32_t object, void *ctx)
{
	struct sampler *s = ctx;
	struct object *o = objects_get(s->objects, object);

	unwinding_settle(s, object);
	for (unsigned int i = 0; o && i < SAMPLER_STREAMS_MAX; i++) {
		if (s->streams[i])
			tell(s->streams[i], o, object);
	}
}

static void untell_all(struct sampler *s, struct object *o)
{
	for (unsigned int i = 0; i < SAMPLER_STREAMS_MAX; i++) {
		if (s->streams[i])
			untell(s->streams[i], o);
	}
}

void forget_unlearn(uint32_t object, void *ctx)
{
	struct sampler *s = ctx;
	struct object *o = objects_get(s->objects, object);

	if (o)
		untell_all(s, o);
}

/* It was opened, or never will be: what BPF need not announce. */
static bool is_known(const struct object *o)
{
	return o->kind == OBJECT_FILE && (o->state == OBJECT_READY || o->state == OBJECT_UNNAMED ||
					  o->state == OBJECT_REFUSED || o->state == OBJECT_BAD);
}

void forget_begin(struct stream *st)
{
	struct sampler *s = st->sampler;
	uint32_t object;
	size_t pos = 0;

	while (st->told < TOLD_MAX && objects_next(s->objects, &pos, &object)) {
		struct object *o = objects_get(s->objects, object);

		if (is_known(o))
			tell(st, o, object);
	}
}

void forget_end(struct stream *st)
{
	struct sampler *s = st->sampler;
	uint32_t object;
	size_t pos = 0;

	while (objects_next(s->objects, &pos, &object))
		objects_get(s->objects, object)->told &= ~(1u << st->slot);
	st->told = 0;
}

static bool is_over(const struct sampler *s)
{
	return s->unload > 0 || objects_cnt(s->objects) > OBJECTS_MAX ||
	       objects_bytes(s->objects) > OBJECTS_BYTES_MAX;
}

static bool is_any_told_too_much(const struct sampler *s)
{
	for (unsigned int i = 0; i < SAMPLER_STREAMS_MAX; i++) {
		if (s->streams[i] && s->streams[i]->told > TOLD_MAX)
			return true;
	}
	return false;
}

/* Makes room in the maps of those that were told too much. */
static void untell_some(struct sampler *s, struct object *o)
{
	for (unsigned int i = 0; i < SAMPLER_STREAMS_MAX; i++) {
		if (s->streams[i] && s->streams[i]->told > TOLD_MAX)
			untell(s->streams[i], o);
	}
}

static void forget_objects(struct sampler *s)
{
	uint32_t object;

	for (int i = 0; i < LOOKS_MAX && (is_over(s) || is_any_told_too_much(s)); i++) {
		struct object *o;

		if (!objects_oldest(s->objects, &object))
			return;
		o = objects_get(s->objects, object);
		untell_some(s, o);
		if (!is_over(s) || is_in_use(s, o) || !symbolize_forget(s->symbolize, object)) {
			objects_touch(s->objects, object);
			continue;
		}
		untell_all(s, o);
		unwinding_forget(s, object);
		objects_forget(s->objects, object);
		s->unload -= s->unload > 0;
		s->counters.v[COUNTER_objects_forgotten]++;
	}
}

/* When the oldest window that lives began. */
static uint64_t oldest_begun_ns(const struct sampler *s, uint64_t otherwise_ns)
{
	uint64_t oldest = otherwise_ns;

	for (size_t i = 0; i < s->intervals.cnt; i++) {
		if (s->intervals.v[i]->window)
			oldest = MIN(oldest, s->intervals.v[i]->begun_ns);
	}
	return oldest;
}

static void forget_names(struct sampler *s, uint64_t now_ns)
{
	const size_t most = FORGET_NAMES_BYTES / 8 * (s->unload > 0 ? 1 : 7);

	if (names_bytes(s->names) < most || now_ns < s->sweep_ns)
		return;
	(void)symbolize_sweep(s->symbolize, oldest_begun_ns(s, now_ns - SWEEP_PAUSE_NS));
	s->sweep_ns = now_ns + SWEEP_PAUSE_NS;
}

void forget_tick(struct sampler *s, uint64_t now_ns)
{
	forget_objects(s);
	forget_names(s, now_ns);
	s->counters.v[COUNTER_objects_full] = objects_overflow(s->objects);
}
