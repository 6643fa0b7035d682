/* SPDX-License-Identifier: Apache-2.0 */

/*
 * jit — names of code that a process made itself, by its perf map.
 *
 * The map is opened the way of a file, by a made-up announcement; but it grows as long as the process
 * runs, and memory that it tells of is used again. So it is read again while places have no name, in
 * growing pauses, and whenever a window ends; and after each reading every place of the window is
 * asked for anew. A place that gets another name than before was two functions, and nobody can say
 * which of them a sample met: it loses its name for good. (docs/adr/0016-perf-maps.md)
 *
 * Which windows have places in it is known by view (views.c): only these wait for it.
 *
 * A process that the opener found gone is not asked for again. There may be very many that nobody
 * came to ask for while they lived: at the end of a window those have one chance.
 */

#include "symbolize-internal.h"

#define JIT_PAUSE_NS 200000000ull
#define JIT_DOUBLINGS 7 /* to 25 s */
/* A reading is followed by a pause of so many times what it took. */
#define JIT_COST 20
/* For so long the end of a window is waited for by those whose turn it was not yet. */
#define JIT_CLOSE_NS 2000000000ull

bool jit_is(struct symbolize *s, uint32_t object)
{
	const struct object *o = objects_get(s->opts.objects, object);

	return o && o->kind == OBJECT_JIT;
}

/* Does the view, whose window ended, wait for whose turn it was not yet? */
static bool is_waited_for(const struct symbolize_view *v, const struct work *w, uint64_t now_ns)
{
	return w->lives && now_ns - v->closed_ns <= JIT_CLOSE_NS;
}

/* Too much is asked for already. */
static void jit_put_off(struct symbolize *s, struct work *w, uint64_t now_ns)
{
	bool pause = false, hurry = false;

	for (unsigned int i = 0; i < SYMBOLIZE_VIEWS_MAX; i++) {
		const struct symbolize_view *v = s->views[i];

		if (!v || !(w->missed & v->bit))
			continue;
		if (v->closed_ns == 0)
			pause = true;
		else if (is_waited_for(v, w, now_ns))
			hurry = true;
		else
			w->missed &= ~v->bit;
	}
	if (pause && !hurry)
		w->pause_until_ns = now_ns + JIT_PAUSE_NS;
}

bool jit_is_put_off(const struct symbolize_view *v, const struct work *w)
{
	return w->limited && !w->gone && v->closed_ns > 0 && (w->missed & v->bit);
}

/* Reads the map, or reads it again, unless it was tried lately. */
static void jit_read(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	struct object *o = objects_get(s->opts.objects, object);
	struct work *w = symbolize_work(s, object);

	if (!o || !w || w->gone || w->waits || w->tries >= OBJECT_TRIES_MAX ||
	    now_ns < w->pause_until_ns)
		return;
	if (o->state == OBJECT_READY || o->state == OBJECT_UNNAMED)
		symbolize_set_state(s, object, OBJECT_SEEN, now_ns);
	if (!opens_put(s, object, now_ns))
		jit_put_off(s, symbolize_work(s, object), now_ns);
}

static int jit_know(struct symbolize *s, struct work *w, const struct object *o)
{
	if (w->jit)
		return 0;
	w->last = (struct cprof_announce){
		.head = { .size = sizeof(w->last), .type = CPROF_RECORD_OBJECT },
		.key = o->key,
		.start_ns = o->jit.start_ns,
		.pid = o->jit.pid,
		.uid = o->jit.uid,
		.owner = o->jit.uid,
		.exec = o->jit.exec,
	};
	w->jit = true;
	return vec_push(&s->jits, w->object);
}

/* The window ended: its map is read once more. */
static void jit_read_at_end(struct symbolize_view *v, struct work *w, uint64_t now_ns)
{
	w->pause_until_ns = 0;
	if (!w->lives || w->gone)
		return;
	w->missed |= v->bit;
	jit_read(v->s, w->object, now_ns); /* before those that may be gone */
}

bool jit_want(struct symbolize_view *v, uint32_t object, uint64_t offset, uint64_t now_ns)
{
	struct symbolize *s = v->s;
	const struct object *o = objects_get(s->opts.objects, object);
	struct work *w = symbolize_work(s, object);

	if (!o || !w || jit_know(s, w, o) < 0 || o->state == OBJECT_REFUSED)
		return false;
	if (!w->gone && view_await(v, object) && v->closed_ns > 0)
		jit_read_at_end(v, w, now_ns);
	if (o->state != OBJECT_READY) {
		w->missed |= v->bit;
		jit_read(s, object, now_ns);
		return false;
	}
	return !names_use(s->opts.names, object, offset, now_ns) || w->reading > v->readings;
}

bool symbolize_has_maps(struct symbolize *s)
{
	for (size_t i = 0; i < s->jits.cnt; i++) {
		const struct work *w = symbolize_work(s, s->jits.v[i]);

		if (w && w->jit && w->has_map && !w->gone)
			return true;
	}
	return false;
}

/* What has places without a name, or failed before, when its pause is over. */
void jit_tick(struct symbolize *s, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->jits.cnt; i++) {
		uint32_t object = s->jits.v[i];
		const struct object *o = objects_get(s->opts.objects, object);
		const struct work *w = symbolize_work(s, object);

		if (!o || !w || !w->jit || w->gone)
			continue;
		s->jits.v[kept++] = object;
		if (w->missed && o->state != OBJECT_ASKED && o->state != OBJECT_OPENED &&
		    o->state != OBJECT_REFUSED)
			jit_read(s, object, now_ns);
	}
	s->jits.cnt = kept;
}

void jit_close(struct symbolize_view *v, uint64_t now_ns)
{
	for (size_t i = 0; i < v->files.cnt; i++) {
		struct work *w = symbolize_work(v->s, v->files.v[i]);

		if (w && w->jit)
			jit_read_at_end(v, w, now_ns);
	}
}

/* A pause before the next reading; what the last one gave stays good. */
static void jit_pause(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	struct work *w = symbolize_work(s, object);

	if (!w)
		return;
	w->pause_until_ns =
		now_ns + MAX(JIT_PAUSE_NS << w->failures, JIT_COST * (now_ns - w->begun_ns));
	if (w->failures < JIT_DOUBLINGS)
		w->failures++;
}

/* It could not be read now: what an earlier reading gave stays as it is. */
static void jit_fall_back(struct symbolize *s, uint32_t object, enum object_state otherwise,
			  uint64_t now_ns)
{
	struct work *w = symbolize_work(s, object);
	uint64_t missed = w->missed;

	w->missed = 0; /* nothing new to look for */
	symbolize_set_state(s, object, w->has_map ? OBJECT_READY : otherwise, now_ns);
	w->missed = missed;
}

/* The opener's word. */
void jit_opened(struct symbolize *s, uint32_t object, const struct wire_opened *m, uint64_t now_ns)
{
	struct work *w = symbolize_work(s, object);

	if (!w || !w->jit)
		return;
	w->lives |= m->status == WIRE_OPENED_OK || m->status == WIRE_OPENED_NONE;
	w->gone = m->status == WIRE_OPENED_GONE || m->status == WIRE_OPENED_HUNG;
	switch (m->status) {
	case WIRE_OPENED_OK:
		symbolize_set_state(s, object, OBJECT_OPENED, now_ns);
		return;
	case WIRE_OPENED_REFUSED:
		s->opts.counters->v[COUNTER_perf_maps_refused]++;
		jit_fall_back(s, object, OBJECT_REFUSED, now_ns);
		break;
	default: /* the process is gone, or has none yet */
		jit_fall_back(s, object, OBJECT_GONE, now_ns);
		break;
	}
	jit_pause(s, object, now_ns);
}

/* The symbolizer's word: it read the map. */
void jit_loaded(struct symbolize *s, uint32_t object, const struct wire_object *m, uint64_t now_ns)
{
	struct work *w = symbolize_work(s, object);
	struct counters *c = s->opts.counters;

	if (!w || !w->jit)
		return;
	if (m->status == WIRE_OBJECT_READY || m->status == WIRE_OBJECT_CUT) {
		uint8_t pauses = w->failures;

		c->v[COUNTER_perf_maps_read]++;
		c->v[COUNTER_perf_maps_cut] += m->status == WIRE_OBJECT_CUT;
		w->missed = w->views; /* all their stacks are looked at again */
		w->has_map = true;
		objects_get(s->opts.objects, object)->sources |= (uint16_t)m->sources;
		w->reading = ++s->readings;
		symbolize_set_state(s, object, OBJECT_READY, now_ns);
		w->failures = pauses;
	} else {
		c->v[COUNTER_perf_maps_bad]++;
		w->has_map = false;
		symbolize_set_state(s, object, OBJECT_UNNAMED, now_ns);
	}
	jit_pause(s, object, now_ns);
}

bool jit_take_name(struct symbolize *s, const struct ask *ask, uint64_t offset, struct name *name)
{
	struct work *w = symbolize_work(s, ask->object);
	struct name old;

	if (!names_get(s->opts.names, ask->object, offset, &old)) {
		if (w && ask->view && name->function == 0)
			w->missed |= ask->view->bit; /* the next reading may tell */
		return name->function != 0;
	}
	if (old.function != name->function)
		*name = (struct name){ 0 };
	return true;
}
