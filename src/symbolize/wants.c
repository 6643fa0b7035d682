/* SPDX-License-Identifier: Apache-2.0 */

/*
 * wants — which places of a view's window have no name yet and could have one.
 *
 * Stacks are only ever added, so each is looked at once, and again only when its files become ready:
 * those with files still on their way stand in a list for some seconds. What becomes ready later than
 * that, or came back after it was gone, has all stacks looked at again; that is done rarely, the more
 * rarely the more there are, or else somebody who brings new files all the time would keep us at it.
 */

#include "symbolize-internal.h"

#define AWAIT_NS 5000000000ull
#define RESCAN_FRAME_NS 2000ull /* of pause for each frame looked at: 40 times what it took */
#define RESCAN_MIN_NS 500000000ull
#define RESCAN_MAX_NS 2000000000ull
#define LIMITED_MAX 65536 /* 1 MiB */
#define SEEN_SHIFT 9

/*
 * One look at stacks. They share most of their frames: places that were just met, and need no second look, are
 * told by a table with one entry for each. An empty entry is a place without an object, of which nothing is wanted.
 */
struct scan {
	struct symbolize_view *v;
	uint64_t now_ns;
	struct want seen[1 << SEEN_SHIFT];
};

static bool want_possible(struct symbolize *s, uint32_t object, const struct object *o)
{
	if (object == CPROF_OBJECT_KERNEL || object == CPROF_OBJECT_VDSO) {
		const struct work *w = symbolize_work(s, object);

		return !*symbolize_tried(s, object) && w && w->tries < OBJECT_TRIES_MAX;
	}
	return o && object >= CPROF_OBJECT_FIRST && o->state == OBJECT_READY;
}

static int want_compare(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	return x->object != y->object ? CMP(x->object, y->object) : CMP(x->offset, y->offset);
}

bool wants_is_limited(struct symbolize_view *v, uint32_t object, uint64_t offset)
{
	const struct want place = { .object = object, .offset = offset };

	if (v->limited.cnt == 0)
		return false;
	if (!v->limited_sorted)
		qsort(v->limited.v, v->limited.cnt, sizeof(*v->limited.v), want_compare);
	v->limited_sorted = true;
	return bsearch(&place, v->limited.v, v->limited.cnt, sizeof(place), want_compare);
}

/* Those beyond LIMITED_MAX are asked for, and counted, again. */
void wants_limit(struct symbolize_view *v, uint32_t object, uint64_t offset)
{
	const struct want place = { .object = object, .offset = offset };

	v->s->opts.counters->v[COUNTER_names_limited]++;
	if (v->limited.cnt < LIMITED_MAX && vec_push(&v->limited, place) == 0)
		v->limited_sorted = false;
}

/* Marks what cannot be named now, for whoever becomes ready; true when it may come soon. */
static bool may_come(struct symbolize_view *v, uint32_t object, bool is_last_look)
{
	const struct object *o = objects_get(v->s->opts.objects, object);
	bool soon;

	if (!o || object < CPROF_OBJECT_FIRST)
		return false;
	soon = o->state == OBJECT_SEEN || o->state == OBJECT_ASKED || o->state == OBJECT_OPENED;
	if (!soon && o->state != OBJECT_GONE)
		return false;
	if (soon && !is_last_look) {
		(void)view_await(v, object);
		return true;
	}
	view_await_all(v, object);
	return false;
}

/* Of the kernel, outside of its own text: what is there may have changed. */
static bool is_rechecked(struct symbolize_view *v, const struct want *want)
{
	struct symbolize *s = v->s;

	if (want->object != CPROF_OBJECT_KERNEL || !kernel_is_outside(s, want->offset))
		return false;
	s->kernel_outside = true;
	return s->kernel_reading > v->readings;
}

static struct want *seen_place(struct scan *sc, const struct want *want)
{
	const uint64_t mixed =
		(want->offset ^ (uint64_t)want->object << 40) * 0x9e3779b97f4a7c15ull;

	return &sc->seen[mixed >> (64 - SEEN_SHIFT)];
}

/* 1: its file may come soon; 0 or -ENOMEM. */
static int want_place(struct scan *sc, const struct want *want, bool is_last_look)
{
	struct symbolize_view *v = sc->v;
	struct symbolize *s = v->s;
	const struct object *o = objects_get(s->opts.objects, want->object);

	if (o && o->kind == OBJECT_JIT) {
		if (!jit_want(v, want->object, want->offset, sc->now_ns))
			return 0;
	} else if (!want_possible(s, want->object, o)) {
		return may_come(v, want->object, is_last_look);
	} else if (!is_rechecked(v, want) &&
		   names_use(s->opts.names, want->object, want->offset, sc->now_ns)) {
		return 0;
	}
	if (wants_is_limited(v, want->object, want->offset))
		return 0;
	if (o && o->lined && lines_want(v, want->object, sc->now_ns))
		return 1;
	return vec_push(&v->wants, *want);
}

/* 1: some of its files may come soon; 0 or -ENOMEM. */
static int want_stack(struct scan *sc, const struct window_stack *stack, bool is_last_look)
{
	int later = 0;

	for (uint32_t i = 0; i < stack->cnt; i++) {
		const struct window_frame *f = &stack->frames[i];
		const struct want want = {
			.object = f->object,
			.offset = names_offset(f->offset, f->flags),
		};
		struct want *seen = seen_place(sc, &want);
		int r;

		if (want_compare(seen, &want) == 0)
			continue;
		r = want_place(sc, &want, is_last_look);
		if (r < 0)
			return r;
		later |= r;
		if (r == 0)
			*seen = want;
	}
	return later;
}

/* Files of what was put off may have been forgotten meanwhile, or are to be opened again. */
static void patient_possible(struct symbolize_view *v)
{
	struct objects *objects = v->s->opts.objects;
	bool possible = false;
	size_t kept = 0;

	for (size_t i = 0; i < v->patient.cnt; i++) {
		const struct want want = v->patient.v[i];

		if (i == 0 || want.object != v->patient.v[i - 1].object) {
			possible =
				want_possible(v->s, want.object, objects_get(objects, want.object));
			if (!possible)
				(void)may_come(v, want.object, true);
		}
		if (possible)
			v->patient.v[kept++] = want;
	}
	v->patient.cnt = kept;
}

/* Both are sorted: from the end, in place. */
static int wants_merge(struct symbolize_view *v)
{
	size_t wants = v->wants.cnt, patient = v->patient.cnt, at = wants + patient;
	int r = vec_reserve(&v->wants, patient);

	if (r < 0)
		return r;
	v->wants.cnt = at;
	while (patient > 0) {
		const struct want *b = &v->patient.v[patient - 1];

		if (wants > 0 && want_compare(&v->wants.v[wants - 1], b) > 0) {
			v->wants.v[--at] = v->wants.v[--wants];
		} else {
			v->wants.v[--at] = *b;
			patient--;
		}
	}
	v->patient.cnt = 0;
	return 0;
}

static void wants_unique(struct symbolize_view *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->wants.cnt; i++) {
		if (kept == 0 || want_compare(&v->wants.v[kept - 1], &v->wants.v[i]) != 0)
			v->wants.v[kept++] = v->wants.v[i];
	}
	v->wants.cnt = kept;
}

/* With what was put off: that is sorted already, and may be far more than what is new. */
static int wants_gather(struct symbolize_view *v)
{
	int r;

	if (v->wants.cnt > 0)
		qsort(v->wants.v, v->wants.cnt, sizeof(*v->wants.v), want_compare);
	patient_possible(v);
	r = wants_merge(v);
	wants_unique(v);
	return r;
}

/* What can be asked as well with a later question is put off. */
static int put_off(struct symbolize_view *v)
{
	size_t kept = 0;
	int r = vec_reserve(&v->patient, v->wants.cnt);

	if (r < 0)
		return r;
	for (size_t i = 0; i < v->wants.cnt; i++) {
		const struct want want = v->wants.v[i];
		const struct work *w = symbolize_work(v->s, want.object);

		if (w && (w->user_gone || w->jit))
			v->wants.v[kept++] = want;
		else
			v->patient.v[v->patient.cnt++] = want;
	}
	v->wants.cnt = kept;
	return 0;
}

/* Looks at the stacks from @from on; the number of frames, or -ENOMEM. */
static int64_t scan_new(struct scan *sc, size_t from)
{
	struct symbolize_view *v = sc->v;
	int64_t frames = 0;

	for (size_t i = from; i < v->w->stacks.cnt; i++) {
		struct awaiting a = { .stack = (uint32_t)i, .until_ns = sc->now_ns + AWAIT_NS };
		int r = want_stack(sc, &v->w->stacks.v[i], false);

		if (r > 0)
			r = vec_push(&v->awaiting, a);
		if (r < 0)
			return r;
		frames += v->w->stacks.v[i].cnt;
	}
	return frames;
}

static int scan_awaiting(struct scan *sc)
{
	struct symbolize_view *v = sc->v;
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < v->awaiting.cnt; i++) {
		const struct awaiting a = v->awaiting.v[i];

		if (r >= 0)
			r = want_stack(sc, &v->w->stacks.v[a.stack], sc->now_ns >= a.until_ns);
		if (r != 0)
			v->awaiting.v[kept++] = a;
	}
	v->awaiting.cnt = kept;
	return MIN(r, 0);
}

/* Of executables, which may be in no stack, the path is wanted. */
static void scan_processes(struct symbolize_view *v)
{
	for (; v->processes < v->w->processes.cnt; v->processes++)
		(void)may_come(v, v->w->processes.v[v->processes].exe, false);
}

int wants_scan(struct symbolize_view *v, bool urgent, uint64_t now_ns)
{
	bool again = v->rescan && now_ns >= v->rescan_ns;
	bool whole = again || !v->begun;
	struct scan sc = { .v = v, .now_ns = now_ns };
	int64_t frames;
	int r = 0;

	v->wants.cnt = 0;
	v->wants_next = 0;
	view_settle(v);
	scan_processes(v);
	if (whole)
		v->awaiting.cnt = 0;
	else if (v->ready)
		r = scan_awaiting(&sc);
	if (r < 0)
		return r;
	frames = scan_new(&sc, whole ? 0 : v->scanned);
	if (frames < 0)
		return (int)frames;
	if (again)
		v->rescan_ns = now_ns + MIN(MAX((uint64_t)frames * RESCAN_FRAME_NS, RESCAN_MIN_NS),
					    RESCAN_MAX_NS);
	if (whole) {
		v->rescan = false;
		v->readings = v->s->readings;
	}
	v->begun = true;
	v->ready = false;
	v->scanned = v->w->stacks.cnt;
	r = wants_gather(v);
	return r == 0 && urgent ? put_off(v) : r;
}
