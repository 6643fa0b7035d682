/* SPDX-License-Identifier: Apache-2.0 */

/*
 * asks — questions to the opener, one process at a time, and its answers.
 *
 * A round takes some stacks of a process that wait, and ends when every page of theirs is known. At
 * most one question of a process is on its way, and the next round begins no sooner than a few times
 * what the last answer took: a process with 65,000 mappings makes the opener work where the kernel has
 * nothing but the text, and it must not make it work all the time.
 */

#include <string.h>

#include "remap-internal.h"

#define FRESH_NS 1000000000ull /* for so long a mapping is believed to be the same */
#define PACE 4		       /* times the answer's time is the pause behind it */
#define PACE_MAX_NS 1000000000ull
#define ROUND_PAGES 1024 /* stacks with so many pages are enough for a round */
#define RANGES_MAX 4096	 /* of a process, kept for the next round */
#define RANGES_ALL_MAX 65536
#define PAGE ((uint64_t)4096)
#define USER_BITS 47 /* no mapping lies above */

static int compare_pages(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return CMP(*x, *y);
}

static void pages_unique(struct remap *r)
{
	size_t kept = 0;

	if (r->pages.cnt > 0)
		qsort(r->pages.v, r->pages.cnt, sizeof(*r->pages.v), compare_pages);
	for (size_t i = 0; i < r->pages.cnt; i++) {
		if (kept == 0 || r->pages.v[kept - 1] != r->pages.v[i])
			r->pages.v[kept++] = r->pages.v[i];
	}
	r->pages.cnt = kept;
}

/* The pages of a stack that are not known. */
static int pages_add(struct remap *r, const struct process *p, const struct window_stack *s)
{
	for (uint32_t i = 0; i < s->cnt; i++) {
		const struct window_frame *f = &s->frames[i];
		const struct range *range;
		int e;

		if (f->object != CPROF_OBJECT_NONE || f->offset >> USER_BITS)
			continue;
		range = ranges_find(&p->ranges, f->offset);
		if (range && range->at_ns >= p->fresh_ns)
			continue;
		e = vec_push(&r->pages, f->offset & ~(PAGE - 1));
		if (e < 0)
			return e;
	}
	return 0;
}

static void forget_ranges(struct remap *r, struct process *p)
{
	r->ranges_cnt -= p->ranges.v.cnt;
	ranges_clear(&p->ranges);
}

/* What is kept of mappings is bounded: nothing of it is lost but the time to ask again. */
static void make_room(struct remap *r, struct process *p)
{
	if (p->ranges.v.cnt > RANGES_MAX)
		forget_ranges(r, p);
	if (r->ranges_cnt <= RANGES_ALL_MAX)
		return;
	for (size_t i = 0; i < r->processes.cnt; i++) {
		if (r->processes.v[i].round == 0)
			forget_ranges(r, &r->processes.v[i]);
	}
}

/* Which stacks, and r->pages: what is to be asked for them. */
static int round_begin(struct remap *r, const struct window *w, struct process *p, uint64_t now_ns)
{
	uint32_t cnt = 0;

	make_room(r, p);
	p->fresh_ns = now_ns > FRESH_NS ? now_ns - FRESH_NS : 0;
	while (cnt < p->waiting.cnt && r->pages.cnt < ROUND_PAGES) {
		int e = pages_add(r, p, &w->stacks.v[p->waiting.v[cnt]]);

		if (e < 0)
			return e;
		cnt++;
	}
	p->round = cnt;
	return 0;
}

static int round_resume(struct remap *r, const struct window *w, const struct process *p)
{
	for (uint32_t i = 0; i < p->round; i++) {
		int e = pages_add(r, p, &w->stacks.v[p->waiting.v[i]]);

		if (e < 0)
			return e;
	}
	return 0;
}

static int ask_send(struct remap *r, const struct window *w, uint32_t process, uint64_t now_ns)
{
	const struct window_process *wp = &w->processes.v[process];
	const struct object *exe = objects_get(r->opts.objects, wp->exe);
	uint32_t cnt = (uint32_t)MIN(r->pages.cnt, (size_t)WIRE_MAPS_MAX);
	struct {
		struct wire_maps head;
		uint64_t addresses[WIRE_MAPS_MAX];
	} m = {
		.head = { .head = { .size = (uint32_t)(sizeof(m.head) + cnt * sizeof(uint64_t)),
				    .type = WIRE_MAPS,
				    .id = r->next_id },
			  .start_ns = wp->start_ns,
			  .pid = wp->pid,
			  .cnt = cnt },
	};
	struct ask *ask = &r->asks[r->asks_cnt];
	int e;

	if (exe && wp->exe >= CPROF_OBJECT_FIRST)
		m.head.exe = exe->key;
	memcpy(m.addresses, r->pages.v, cnt * sizeof(uint64_t));
	e = r->opts.ask(&m.head, r->opts.ctx);
	if (e < 0)
		return e;
	if (r->asks_cnt++ == 0)
		r->heard_ns = now_ns; /* it owes from now on */
	ask->id = r->next_id++;
	ask->asked_ns = now_ns;
	ask->process = process;
	ask->cnt = cnt;
	memcpy(ask->addresses, m.addresses, cnt * sizeof(uint64_t));
	r->processes.v[process].asking = true;
	return 0;
}

/* Places for the stacks of a round (how many), or a question if it is time for one (0), or -errno. */
static int advance(struct remap *r, struct window *w, uint32_t process, uint64_t now_ns)
{
	struct process *p = &r->processes.v[process];
	int e;

	r->pages.cnt = 0;
	e = p->round == 0 ? round_begin(r, w, p, now_ns) : round_resume(r, w, p);
	if (e < 0)
		return e;
	pages_unique(r);
	if (r->pages.cnt > 0 && (p->asking || now_ns < p->next_ns))
		return 0;
	if (r->pages.cnt > 0)
		return ask_send(r, w, process, now_ns);
	e = settle_waiting(r, w, p, p->round);
	p->round = 0;
	return e;
}

/* All that can be done now for the stacks of a process that wait: how many got their places. */
static int serve(struct remap *r, struct window *w, uint32_t process, uint64_t now_ns)
{
	struct process *p = &r->processes.v[process];
	int settled = 0;

	if (p->gone)
		return settle_waiting(r, w, p, (uint32_t)p->waiting.cnt);
	while (p->waiting.cnt > 0) {
		int e = advance(r, w, process, now_ns);

		if (e <= 0)
			return e < 0 && settled == 0 ? e : settled;
		settled += e;
	}
	return settled;
}

/* Takes the first process from the queue. */
static uint32_t queue_pop(struct remap *r)
{
	uint32_t process = r->queue.v[0];

	memmove(r->queue.v, r->queue.v + 1, --r->queue.cnt * sizeof(*r->queue.v));
	r->processes.v[process].queued = false;
	return process;
}

/* There is room: it was taken from there. */
static void queue_push(struct remap *r, uint32_t process)
{
	r->queue.v[r->queue.cnt++] = process;
	r->processes.v[process].queued = true;
}

/* In turn, so that a process which always has something to ask keeps nobody else waiting. */
int asks_pump(struct remap *r, struct window *w, uint64_t now_ns)
{
	int settled = 0;

	for (size_t turns = r->queue.cnt; turns > 0 && r->asks_cnt < ASKS_MAX; turns--) {
		uint32_t process = queue_pop(r);
		int e = r->processes.v[process].asking ? 0 : serve(r, w, process, now_ns);

		if (r->processes.v[process].waiting.cnt > 0)
			queue_push(r, process);
		if (e < 0)
			break; /* no memory, or no room on the way: later */
		settled += e;
	}
	return settled;
}

/* Code that a process made itself has an object of its own, and keeps its addresses. */
static int jit_object(struct remap *r, const struct window_process *p, struct range *range)
{
	const struct object_jit jit = {
		.start_ns = p->start_ns, .pid = p->pid, .exec = p->exec, .uid = p->euid
	};
	int e = objects_intern_jit(r->opts.objects, &jit, &range->object);

	if (e == -ENOSPC)
		range->object = CPROF_OBJECT_ANON;
	else if (e < 0)
		return e;
	range->base = range->start;
	return 0;
}

/* A hole, or what could not be looked at: nobody knows how far it reaches. */
static bool is_page_only(const struct wire_range *m)
{
	return m->kind == WIRE_RANGE_NONE || m->kind == WIRE_RANGE_UNKNOWN;
}

/* The answer for the address at @i. */
static int take_range(struct remap *r, const struct window *w, const struct ask *ask, uint32_t i,
		      const struct wire_range *m)
{
	struct range range = {
		.start = m->start, .end = m->end, .base = m->pgoff, .at_ns = r->heard_ns
	};
	const uint64_t address = ask->addresses[i];
	int e = 0;

	if (!is_page_only(m) &&
	    (address < m->start || address >= m->end || m->start % PAGE != 0 || m->end % PAGE != 0))
		return -EBADMSG;
	if (is_page_only(m)) {
		range.start = address;
		range.end = address + PAGE;
		range.unknown = m->kind == WIRE_RANGE_UNKNOWN;
	} else if (m->kind == WIRE_RANGE_FILE) {
		e = files_object(r, w, ask->process, m, &range.object);
	} else if (m->kind == WIRE_RANGE_ANON) {
		e = jit_object(r, &w->processes.v[ask->process], &range);
	} else {
		range.object = CPROF_OBJECT_VDSO;
	}
	if (e == 0)
		e = ranges_put(&r->processes.v[ask->process].ranges, &range);
	if (e == -ENOMEM)
		return e;
	r->ranges_cnt += (size_t)(ptrdiff_t)e;
	return 0;
}

static int take_ranges(struct remap *r, const struct window *w, const struct ask *ask,
		       const struct wire_mapped *m)
{
	const struct wire_range *ranges = (const void *)(m + 1);

	if (m->cnt != ask->cnt)
		return -EBADMSG;
	for (uint32_t i = 0; i < m->cnt; i++) {
		int e = take_range(r, w, ask, i, &ranges[i]);

		if (e < 0)
			return e;
	}
	return 0;
}

/* Now; 0, or -EBADMSG. */
static int take_answer(struct remap *r, const struct window *w, const struct ask *ask,
		       const struct wire_mapped *m)
{
	struct process *p = &r->processes.v[ask->process];
	uint64_t took_ns = r->heard_ns - ask->asked_ns;
	int e;

	p->asking = false;
	p->next_ns = r->heard_ns + WIRE_OPENED_AGAIN_NS;
	if (m->status != WIRE_OPENED_OK) {
		p->tries++;
		p->gone = m->status == WIRE_OPENED_GONE || p->tries >= TRIES_MAX;
		return 0;
	}
	e = take_ranges(r, w, ask, m);
	if (e < 0)
		return e == -EBADMSG ? e : 0; /* no memory: asked for again */
	p->next_ns = 0;
	if (took_ns > NSEC_PER_MSEC)
		p->next_ns = r->heard_ns + MIN(PACE * took_ns, PACE_MAX_NS);
	return 0;
}

int remap_on_mapped(struct remap *r, struct window *w, const struct wire_mapped *m, uint64_t now_ns)
{
	struct ask ask;
	unsigned int i = 0;
	int e;

	if (r->finished)
		return m->head.id < r->next_id ? 0 : -EBADMSG;
	while (i < r->asks_cnt && r->asks[i].id != m->head.id)
		i++;
	if (i == r->asks_cnt)
		return -EBADMSG;
	ask = r->asks[i];
	r->asks[i] = r->asks[--r->asks_cnt];
	r->heard_ns = now_ns;
	e = take_answer(r, w, &ask, m);
	if (e < 0)
		return e;
	return asks_pump(r, w, now_ns);
}
