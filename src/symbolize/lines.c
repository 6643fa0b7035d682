/* SPDX-License-Identifier: Apache-2.0 */

/*
 * lines — files that tell of their source are open at the symbolizer while they are sampled, and some seconds
 * beyond: whoever unmounts their file system must not wait for us.
 *
 * When one is sampled again at a place that nobody asked about before, the process that was met there last has
 * it mapped, so the opener finds it there. Its names wait for that, but not for long: they are in the
 * symbolizer's table, and only the lines are not.
 *
 * Large files are open for their names as well, of which the symbolizer then reads those that it is asked for. It
 * reads all of them when it has to let go of one, so that nothing is opened for them again. That is much, and so
 * it waits while the process that was met there last lives, or for a minute. Files whose rows come by the page
 * (pages.c) are open for those, too, and as long.
 */

#include "symbolize-internal.h"

#define HOLD_NS 4000000000ull /* with a look each second, five at most */
/* While a process has it: longer than from one question to the next. */
#define HOLD_MAPPED_NS 62000000000ull
#define AWAIT_LINES_NS 1000000000ull
#define LINES_COST_NS 5000000ull /* of a user's bucket of openings */
#define TICK_NS 1000000000ull
#define REREAD_NS 60000000000ull

/* Names wait no more. */
static void settle(struct symbolize *s, struct work *w)
{
	if (w->lines_await_ns == 0)
		return;
	w->lines_await_ns = 0;
	views_ready(s, w);
}

void lines_told(struct symbolize *s, uint32_t object, uint32_t lined, uint64_t now_ns)
{
	struct object *o = objects_get(s->opts.objects, object);
	struct work *w = symbolize_work(s, object);

	if (!o || !w)
		return;
	o->lined = (lined & WIRE_LINED) != 0;
	w->lean = (lined & WIRE_LINED_NAMES) != 0;
	w->lined_by_debug = false;
	w->lines_used_ns = now_ns;
	settle(s, w);
	if (lined == 0 || w->held)
		return;
	w->held = vec_push(&s->held, object) ==
		  0; /* without memory until it is forgotten, or many others come */
}

void lines_hold(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	struct work *w = symbolize_work(s, object);

	if (!w)
		return;
	w->pages_open = true;
	w->lines_used_ns = now_ns;
	if (!w->held)
		w->held = vec_push(&s->held, object) == 0; /* as above */
}

/* True: it is asked for, and names wait for it. */
static bool open_again(struct symbolize *s, uint32_t object, struct work *w, uint64_t now_ns)
{
	const struct object *o = objects_get(s->opts.objects, object);
	struct wire_open m = {
		.head = { .size = sizeof(m), .type = WIRE_OPEN, .id = object },
		.key = o->key,
		.start_ns = w->user_start_ns,
		.pid = w->user_pid,
		.owner = o->owner,
		.kind = WIRE_FILE_LINES,
	};

	if (w->user_pid == 0 || s->opener_fd < 0 || s->symbolizer_fd < 0 || s->deferred ||
	    !opens_spend(s, w, LINES_COST_NS, now_ns) ||
	    seqpacket_send(s->opener_fd, &m, sizeof(m), -EBADF) < 0)
		return false;
	s->opts.counters->v[COUNTER_lines_opened]++;
	w->held = vec_push(&s->held, object) == 0;
	return true;
}

void lines_debug(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	struct work *w = symbolize_work(s, object);

	lines_told(s, object, WIRE_LINED, now_ns);
	if (!w)
		return;
	w->lined_by_debug = true;
	names_doubt(s->opts.names, object);
	views_look_again(s);
}

/* With all that goes with it, so that its debug file is found again. */
static bool read_again(struct symbolize_view *v, uint32_t object, struct work *w, uint64_t now_ns)
{
	if (now_ns < w->reread_ns || v->s->deferred)
		return false;
	w->reread_ns = now_ns + REREAD_NS;
	symbolize_read_again(v->s, object, now_ns);
	view_await_all(v, object);
	return true;
}

bool lines_want(struct symbolize_view *v, uint32_t object, uint64_t now_ns)
{
	struct symbolize *s = v->s;
	struct work *w = symbolize_work(s, object);

	if (!w)
		return false;
	if (!w->held && w->lined_by_debug)
		return read_again(v, object, w, now_ns);
	if (!w->held && w->lines_await_ns == 0 && open_again(s, object, w, now_ns))
		w->lines_await_ns = now_ns + AWAIT_LINES_NS;
	if (w->lines_await_ns == 0)
		return false;
	(void)view_await(v, object);
	return true;
}

void lines_opened(struct symbolize *s, uint32_t object, const struct wire_opened *m)
{
	struct work *w = symbolize_work(s, object);

	if (w && w->lines_await_ns > 0 && m->status != WIRE_OPENED_OK)
		lines_closed(s, object);
}

void lines_closed(struct symbolize *s, uint32_t object)
{
	struct work *w = symbolize_work(s, object);

	for (size_t i = 0; w && w->held && i < s->held.cnt; i++) {
		if (s->held.v[i] != object)
			continue;
		s->held.v[i] = s->held.v[--s->held.cnt];
		break;
	}
	if (!w)
		return;
	w->held = false;
	w->lean = false;
	w->pages_open = false;
	settle(s, w);
}

/* A process that still has it mapped keeps its file system as it is anyhow. */
static uint64_t hold_ns(const struct work *w)
{
	return w->user_pid == 0 || w->user_gone ? HOLD_NS : HOLD_MAPPED_NS;
}

void symbolize_gone(struct symbolize *s, uint32_t pid, uint64_t start_ns)
{
	for (size_t i = 0; i < s->held.cnt; i++) {
		struct work *w = symbolize_work(s, s->held.v[i]);

		if (!w || w->user_start_ns != start_ns || (pid != 0 && w->user_pid != pid))
			continue;
		/* It was last met some time ago, and what it was met with may not have been asked for yet. */
		w->user_gone = true;
		w->met = true;
	}
}

bool symbolize_lets_go(struct symbolize *s)
{
	for (size_t i = 0; i < s->held.cnt; i++) {
		const struct work *w = symbolize_work(s, s->held.v[i]);

		if (w && w->user_gone)
			return true;
	}
	return false;
}

void lines_tick(struct symbolize *s, uint64_t now_ns)
{
	struct wire_head m = { .size = sizeof(m), .type = WIRE_RELEASE };

	if (now_ns < s->lines_tick_ns || s->symbolizer_fd < 0)
		return;
	s->lines_tick_ns = now_ns + TICK_NS;
	for (size_t i = 0; i < s->held.cnt;) {
		uint32_t object = s->held.v[i];
		struct work *w = symbolize_work(s, object);

		m.id = object;
		if (w && w->met)
			w->lines_used_ns = now_ns;
		if (w)
			w->met = false;
		if (w && w->lines_await_ns > 0 && now_ns >= w->lines_await_ns)
			settle(s, w);
		if (w && w->held && now_ns < w->lines_used_ns + hold_ns(w)) {
			i++;
			continue;
		}
		/* Of one that was forgotten FORGET was sent. */
		if (w && w->held && seqpacket_send(s->symbolizer_fd, &m, sizeof(m), -EBADF) < 0)
			return;
		if (w && w->held)
			lines_closed(s, object);
		else
			s->held.v[i] = s->held.v[--s->held.cnt];
	}
}

/* All files come again. */
void lines_lost(struct symbolize *s)
{
	while (s->held.cnt > 0) {
		struct work *w = symbolize_work(s, s->held.v[--s->held.cnt]);

		if (w)
			w->held = false;
	}
}
