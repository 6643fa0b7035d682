/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A round: wait for descriptors until the nearest timer, collect what is ready (descriptors and due
 * timers alike), sort by priority, dispatch. Programs have a dozen sources, so timers are searched
 * linearly and no heap has to be kept in step. The wait is epoll_pwait2(2) with nanoseconds, which
 * every supported kernel has.
 *
 * A callback may remove any source, also one that is still to be dispatched in this round: it is
 * taken off epoll at once and marked, and its memory is given back when the round is over.
 */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/loop.h"
#include "cprof/base/vec.h"

struct loop_source {
	struct loop *loop;
	int fd; /* borrowed; -EBADF: a timer */
	int priority;
	uint64_t seq;	 /* order among equals: first added, first served */
	uint32_t events; /* pending in this round */
	uint64_t at_ns;	 /* of a timer; UINT64_MAX: not armed */
	bool removed;
	loop_io_fn io_fn;
	loop_timer_fn timer_fn;
	void *ctx;
};

struct loop {
	int epoll_fd;
	uint64_t seq;
	bool running, exiting;
	int exit_code;
	VEC(struct loop_source *) sources;
	VEC(struct loop_source *) ready;
	VEC(struct epoll_event) events;
};

static void drop_removed(struct loop *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->sources.cnt; i++) {
		if (l->sources.v[i]->removed)
			free(l->sources.v[i]);
		else
			l->sources.v[kept++] = l->sources.v[i];
	}
	l->sources.cnt = kept;
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	assert(!l->running);

	for (size_t i = 0; i < l->sources.cnt; i++)
		free(l->sources.v[i]);
	vec_done(&l->sources);
	vec_done(&l->ready);
	vec_done(&l->events);
	l->epoll_fd = fd_close(l->epoll_fd);
	free(l);
	return NULL;
}

DEFINE_CLEANUP(struct loop *, loop_free);

int loop_new(struct loop **ret)
{
	_cleanup_(loop_freep) struct loop *l = NULL;

	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return -errno;
	*ret = TAKE_PTR(l);
	return 0;
}

/* Adds a source of which nothing but the priority is known yet. */
static int source_new(struct loop *l, int priority, void *ctx, struct loop_source **ret)
{
	struct loop_source *s;
	int r;

	r = vec_reserve(&l->sources, 1);
	if (r < 0)
		return r;
	/* Room for every source at once: a busy one of low priority must not hide an urgent one. */
	r = vec_reserve(&l->events, l->sources.cnt + 1);
	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->loop = l;
	s->fd = -EBADF;
	s->priority = priority;
	s->seq = l->seq++;
	s->at_ns = UINT64_MAX;
	s->ctx = ctx;
	*ret = s;
	return 0;
}

int loop_add_io(struct loop *l, int fd, uint32_t events, int priority, loop_io_fn fn, void *ctx,
		struct loop_source **ret)
{
	_cleanup_free_ struct loop_source *s = NULL;
	int r;

	r = source_new(l, priority, ctx, &s);
	if (r < 0)
		return r;
	s->io_fn = fn;
	s->fd = fd;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd,
		      &(struct epoll_event){ .events = events, .data.ptr = s }) < 0)
		return -errno;
	if (ret)
		*ret = s;
	l->sources.v[l->sources.cnt++] = TAKE_PTR(s);
	return 0;
}

int loop_add_timer(struct loop *l, int priority, loop_timer_fn fn, void *ctx,
		   struct loop_source **ret)
{
	struct loop_source *s;
	int r;

	r = source_new(l, priority, ctx, &s);
	if (r < 0)
		return r;
	s->timer_fn = fn;
	l->sources.v[l->sources.cnt++] = s;
	*ret = s;
	return 0;
}

void loop_timer_set(struct loop_source *s, uint64_t at_ns)
{
	assert(s->timer_fn && !s->removed);

	s->at_ns = at_ns;
}

struct loop_source *loop_remove(struct loop_source *s)
{
	if (!s)
		return NULL;
	assert(!s->removed);

	if (s->io_fn) {
		int r;

		/*
		 * Fails when the descriptor was closed before its source was removed; a copy of it
		 * elsewhere would then keep on reporting events for freed memory.
		 */
		r = epoll_ctl(s->loop->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
		assert(r == 0);
		(void)r;
	}
	s->removed = true;
	if (!s->loop->running)
		drop_removed(s->loop);
	return NULL;
}

static uint64_t nearest_timer(const struct loop *l)
{
	uint64_t at = UINT64_MAX;

	for (size_t i = 0; i < l->sources.cnt; i++)
		at = MIN(at, l->sources.v[i]->at_ns);
	return at;
}

/* Marks the sources whose descriptors are ready. */
static int wait_events(struct loop *l)
{
	const uint64_t at = nearest_timer(l), now = clock_mono_ns();
	struct timespec timeout = { 0 };
	int n;

	/* What loop_exit() left undelivered in the last round is old. */
	for (size_t i = 0; i < l->sources.cnt; i++)
		l->sources.v[i]->events = 0;
	if (at > now) {
		timeout.tv_sec = (time_t)((at - now) / NSEC_PER_SEC);
		timeout.tv_nsec = (long)((at - now) % NSEC_PER_SEC);
	}
	n = epoll_pwait2(l->epoll_fd, l->events.v, (int)l->events.cap,
			 at == UINT64_MAX ? NULL : &timeout, NULL);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct loop_source *s = l->events.v[i].data.ptr;

		s->events = l->events.v[i].events;
	}
	return 0;
}

static int compare_sources(const void *a, const void *b)
{
	const struct loop_source *x = *(struct loop_source *const *)a;
	const struct loop_source *y = *(struct loop_source *const *)b;

	return x->priority != y->priority ? CMP(x->priority, y->priority) : CMP(x->seq, y->seq);
}

static int collect_ready(struct loop *l, uint64_t now_ns)
{
	l->ready.cnt = 0;
	for (size_t i = 0; i < l->sources.cnt; i++) {
		struct loop_source *s = l->sources.v[i];
		int r;

		if (s->events == 0 && s->at_ns > now_ns)
			continue;
		r = vec_push(&l->ready, s);
		if (r < 0)
			return r;
	}
	if (l->ready.cnt > 1)
		qsort(l->ready.v, l->ready.cnt, sizeof(*l->ready.v), compare_sources);
	return 0;
}

static int dispatch(struct loop_source *s, uint64_t now_ns)
{
	uint32_t events = s->events;

	s->events = 0;
	if (s->removed)
		return 0;
	if (s->io_fn)
		return s->io_fn(s, events, s->ctx);
	/* A callback before this one may have put it off. */
	if (s->at_ns > now_ns)
		return 0;
	s->at_ns = UINT64_MAX;
	return s->timer_fn(s, now_ns, s->ctx);
}

static int run_round(struct loop *l)
{
	uint64_t now_ns;
	int r;

	r = wait_events(l);
	if (r < 0)
		return r;
	now_ns = clock_mono_ns();
	r = collect_ready(l, now_ns);
	if (r < 0)
		return r;
	for (size_t i = 0; i < l->ready.cnt && !l->exiting; i++) {
		r = dispatch(l->ready.v[i], now_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

int loop_run(struct loop *l)
{
	int r = 0;

	assert(!l->running);

	l->running = true;
	while (r >= 0 && !l->exiting) {
		r = run_round(l);
		drop_removed(l);
	}
	l->running = false;
	if (r >= 0)
		r = l->exit_code;
	l->exiting = false;
	return r;
}

void loop_exit(struct loop *l, int code)
{
	l->exiting = true;
	l->exit_code = code;
}
