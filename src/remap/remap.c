/* SPDX-License-Identifier: Apache-2.0 */

/*
 * remap — the object: which stacks wait for places, and whose they are.
 *
 * A stack with frames that were not located waits at its process until all its pages are known, then
 * all its frames get their places at once (settle.c), and it is never looked at again.
 */

#include <string.h>

#include "remap-internal.h"

int remap_new(const struct remap_opts *opts, uint64_t seed, struct remap **ret)
{
	struct remap *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->opts = *opts;
	r->seed = seed;
	r->process_map = r->file_map = MAP_INIT;
	r->next_id = opts->first_id;
	*ret = r;
	return 0;
}

struct remap *remap_free(struct remap *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->processes.cnt; i++) {
		ranges_clear(&r->processes.v[i].ranges);
		vec_done(&r->processes.v[i].waiting);
	}
	vec_done(&r->processes);
	vec_done(&r->files);
	vec_done(&r->queue);
	vec_done(&r->pages);
	map_done(&r->process_map);
	map_done(&r->file_map);
	free(r);
	return NULL;
}

static struct window_owner owner_of(const struct window_process *p)
{
	return (struct window_owner){ .start_ns = p->start_ns, .pid = p->pid, .exec = p->exec };
}

static bool process_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct window *w = ctx;
	const struct window_owner have = owner_of(&w->processes.v[value]);

	return memcmp(&have, key, sizeof(have)) == 0;
}

static int take_processes(struct remap *r, const struct window *w)
{
	while (r->processes.cnt < w->processes.cnt) {
		const struct window_process *wp = &w->processes.v[r->processes.cnt];
		const struct window_owner owner = owner_of(wp);
		int e = vec_reserve(&r->processes, 1);

		if (e == 0)
			e = map_add(&r->process_map, hash_bytes(&owner, sizeof(owner), r->seed),
				    (uint32_t)r->processes.cnt);
		if (e < 0)
			return e;
		/* Without a number in our namespace there is nothing to look up in /proc. */
		r->processes.v[r->processes.cnt++] = (struct process){ .gone = wp->pid == 0 };
	}
	return 0;
}

static struct process *find_process(struct remap *r, const struct window *w,
				    const struct window_owner *owner, uint32_t *ret)
{
	if (!map_find(&r->process_map, hash_bytes(owner, sizeof(*owner), r->seed), owner,
		      process_eq, w, ret))
		return NULL;
	return &r->processes.v[*ret];
}

/* 1: it got its places; 0: it waits, or needs none. */
static int take_stack(struct remap *r, struct window *w, uint32_t stack)
{
	const struct window_stack *s = &w->stacks.v[stack];
	struct process *p;
	uint32_t process;
	int e;

	if (!settle_is_open(s))
		return 0;
	p = find_process(r, w, &s->owner, &process);
	if (!p || p->gone) {
		settle_stack(r, w, p, stack);
		return 1;
	}
	e = vec_reserve(&r->queue, 1);
	if (e == 0)
		e = vec_push(&p->waiting, stack);
	if (e < 0)
		return e;
	r->waiting++;
	if (!p->queued)
		r->queue.v[r->queue.cnt++] = process;
	p->queued = true;
	return 0;
}

int remap_window(struct remap *r, struct window *w, uint64_t now_ns)
{
	int settled = 0, e = take_processes(r, w);

	while (e >= 0 && r->scanned < w->stacks.cnt) {
		e = take_stack(r, w, r->scanned);
		if (e < 0)
			break;
		settled += e;
		r->scanned++;
	}
	if (e < 0 && settled == 0)
		return e;
	return settled + asks_pump(r, w, now_ns);
}

void remap_opener_heard(struct remap *r, uint64_t now_ns)
{
	r->heard_ns = now_ns;
}

static const struct ask *oldest_ask(const struct remap *r)
{
	const struct ask *oldest = NULL;

	for (unsigned int i = 0; i < r->asks_cnt; i++) {
		if (!oldest || r->asks[i].asked_ns < oldest->asked_ns)
			oldest = &r->asks[i];
	}
	return oldest;
}

uint64_t remap_opener_owes_ns(const struct remap *r)
{
	const struct ask *oldest = oldest_ask(r);

	return oldest ? oldest->asked_ns : UINT64_MAX;
}

void remap_opener_lost(struct remap *r, uint64_t others_ns)
{
	const struct ask *oldest = oldest_ask(r);

	for (unsigned int i = 0; i < r->asks_cnt; i++)
		r->processes.v[r->asks[i].process].asking = false;
	/* It serves in order: that one it was busy with. In one tick, ours are asked first. */
	if (oldest && oldest->asked_ns <= others_ns) {
		struct process *p = &r->processes.v[oldest->process];

		p->gone = ++p->tries >= TRIES_MAX;
	}
	r->asks_cnt = 0;
}

void remap_opener_waited(struct remap *r, uint64_t ns)
{
	r->heard_ns += ns;
}

bool remap_opener_is_stuck(const struct remap *r, uint64_t now_ns, uint64_t limit_ns)
{
	return r->asks_cnt > 0 && r->heard_ns + limit_ns < now_ns;
}

unsigned int remap_pending(const struct remap *r)
{
	return r->waiting;
}

void remap_finish(struct remap *r, struct window *w)
{
	for (size_t i = 0; i < r->processes.cnt; i++) {
		struct process *p = &r->processes.v[i];

		p->gone = true;
		settle_waiting(r, w, p, (uint32_t)p->waiting.cnt);
	}
	r->queue.cnt = 0;
	r->asks_cnt = 0;
	r->finished = true;
	/* Those that could not even be taken: no memory. */
	for (; r->scanned < w->stacks.cnt; r->scanned++) {
		if (settle_is_open(&w->stacks.v[r->scanned]))
			settle_stack(r, w, NULL, r->scanned);
	}
	window_recount(w);
}
