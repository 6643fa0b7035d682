/* SPDX-License-Identifier: Apache-2.0 */

/*
 * wants — which places of the window have no name yet and could have one.
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

static bool want_possible(struct symbolize *s, uint32_t object)
{
	struct object *o = objects_get(s->opts.objects, object);

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

bool wants_is_limited(struct symbolize *s, uint32_t object, uint64_t offset)
{
	const struct want place = { .object = object, .offset = offset };

	if (s->limited.cnt == 0)
		return false;
	if (!s->limited_sorted)
		qsort(s->limited.v, s->limited.cnt, sizeof(*s->limited.v), want_compare);
	s->limited_sorted = true;
	return bsearch(&place, s->limited.v, s->limited.cnt, sizeof(place), want_compare);
}

/* Those beyond LIMITED_MAX are asked for, and counted, again. */
void wants_limit(struct symbolize *s, uint32_t object, uint64_t offset)
{
	const struct want place = { .object = object, .offset = offset };

	s->opts.counters->v[COUNTER_names_limited]++;
	if (s->limited.cnt < LIMITED_MAX && vec_push(&s->limited, place) == 0)
		s->limited_sorted = false;
}

/* Marks what cannot be named now, for on_ready(); true when it may come soon. */
static bool may_come(struct symbolize *s, uint32_t object, bool is_last_look)
{
	const struct object *o = objects_get(s->opts.objects, object);
	struct work *w;
	bool soon;

	if (!o || object < CPROF_OBJECT_FIRST)
		return false;
	soon = o->state == OBJECT_SEEN || o->state == OBJECT_ASKED || o->state == OBJECT_OPENED;
	if (!soon && o->state != OBJECT_GONE)
		return false;
	if (soon && !is_last_look)
		return true;
	w = symbolize_work(s, object);
	if (w)
		w->missed = true;
	return false;
}

/* Of the kernel, outside of its own text: what is there may have changed. */
static bool is_rechecked(struct symbolize *s, const struct want *want)
{
	if (want->object != CPROF_OBJECT_KERNEL || !kernel_is_outside(s, want->offset))
		return false;
	s->kernel_outside = true;
	return s->kernel_recheck;
}

/* 1: some of its files may come soon; 0 or -ENOMEM. */
static int want_stack(struct symbolize *s, const struct window_stack *stack, uint64_t now_ns,
		      bool is_last_look)
{
	int later = 0;

	for (uint32_t i = 0; i < stack->cnt; i++) {
		const struct window_frame *f = &stack->frames[i];
		struct want want = {
			.object = f->object,
			.offset = names_offset(f->offset, f->flags),
		};
		int r;

		if (jit_is(s, f->object)) {
			if (!jit_want(s, want.object, want.offset, now_ns))
				continue;
		} else if (!want_possible(s, f->object)) {
			later |= may_come(s, f->object, is_last_look);
			continue;
		} else if (!is_rechecked(s, &want) &&
			   names_use(s->opts.names, want.object, want.offset, now_ns)) {
			continue;
		}
		if (wants_is_limited(s, want.object, want.offset))
			continue;
		r = vec_push(&s->wants, want);
		if (r < 0)
			return r;
	}
	return later;
}

static void wants_unique(struct symbolize *s)
{
	size_t kept = 0;

	if (s->wants.cnt == 0)
		return;
	qsort(s->wants.v, s->wants.cnt, sizeof(*s->wants.v), want_compare);
	for (size_t i = 0; i < s->wants.cnt; i++) {
		if (kept == 0 || want_compare(&s->wants.v[kept - 1], &s->wants.v[i]) != 0)
			s->wants.v[kept++] = s->wants.v[i];
	}
	s->wants.cnt = kept;
}

/* Looks at the stacks from @from on; the number of frames, or -ENOMEM. */
static int64_t scan_new(struct symbolize *s, const struct window *w, size_t from, uint64_t now_ns)
{
	int64_t frames = 0;

	for (size_t i = from; i < w->stacks.cnt; i++) {
		struct awaiting a = { .stack = (uint32_t)i, .until_ns = now_ns + AWAIT_NS };
		int r = want_stack(s, &w->stacks.v[i], now_ns, false);

		if (r > 0)
			r = vec_push(&s->awaiting, a);
		if (r < 0)
			return r;
		frames += w->stacks.v[i].cnt;
	}
	return frames;
}

static int scan_awaiting(struct symbolize *s, const struct window *w, uint64_t now_ns)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < s->awaiting.cnt; i++) {
		const struct awaiting a = s->awaiting.v[i];

		if (r >= 0)
			r = want_stack(s, &w->stacks.v[a.stack], now_ns, now_ns >= a.until_ns);
		if (r != 0)
			s->awaiting.v[kept++] = a;
	}
	s->awaiting.cnt = kept;
	return MIN(r, 0);
}

int wants_scan(struct symbolize *s, const struct window *w, uint64_t now_ns)
{
	bool again = s->rescan && now_ns >= s->rescan_ns;
	bool is_new = s->scanned_window != w || w->stacks.cnt < s->scanned;
	int64_t frames;
	int r = 0;

	s->wants.cnt = 0;
	s->wants_next = 0;
	if (is_new && s->scanned_window) {
		s->closed_ns = 0;
		s->limited.cnt = 0;
	}
	if (again || is_new)
		s->awaiting.cnt = 0;
	else if (s->ready)
		r = scan_awaiting(s, w, now_ns);
	if (r < 0)
		return r;
	frames = scan_new(s, w, again || is_new ? 0 : s->scanned, now_ns);
	if (frames < 0)
		return (int)frames;
	if (again)
		s->rescan_ns = now_ns + MIN(MAX((uint64_t)frames * RESCAN_FRAME_NS, RESCAN_MIN_NS),
					    RESCAN_MAX_NS);
	if (again || is_new) {
		s->rescan = false;
		jit_scanned(s);
		s->kernel_recheck = false;
	}
	s->ready = false;
	s->scanned_window = w;
	s->scanned = w->stacks.cnt;
	wants_unique(s);
	return 0;
}
