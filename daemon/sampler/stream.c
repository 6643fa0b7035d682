/* SPDX-License-Identifier: Apache-2.0 */

/*
 * stream — a collection from its first run to its last, by timers and readable rings.
 *
 * Every 100 ms the rings are consumed and names are asked for; at random times the rates are drawn
 * anew (not in step with the consumption, or our own work would never be hit by a tick).
 *
 * A wake-up costs more than the samples that it fetches. So the daemon's stream is calm while it meets
 * no file that is new: then the rings are consumed when the rates are drawn, just before it, and all else
 * is looked after once a second, at another time: what runs just after a rate is drawn is never hit
 * either. On a machine where nothing runs even that would be most of what does: after some looks in
 * vain the stream sleeps, looks once a second, leaves the rates alone, and is woken by the next sample.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cprof/base/clock.h"
#include "cprof/base/rng.h"
#include "cprof/symbolize_kernel.h"
#include "stream.h"

#define TICK_NS (100 * NSEC_PER_MSEC)
#define TICK_PROC_NS (20 * NSEC_PER_MSEC) /* where /proc is asked: while a process lives */
/* A question wakes the symbolizer, which looks a whole unit of debugging information through for it. */
#define NAMES_NS (400 * NSEC_PER_MSEC) /* while somebody watches, or run-time code is new */
#define NAMES_JIT_NS \
	(2 *         \
	 NSEC_PER_SEC) /* for so long it is: its process may be gone soon, and the map with it */
/* Of files whose processes ended: below the time that such a file is held for its lines. */
#define NAMES_ENDED_NS (1900 * NSEC_PER_MSEC)
/* Run-time code has names: before its memory has others. */
#define NAMES_MAPS_NS (7900 * NSEC_PER_MSEC)
#define NAMES_ALL_NS (89900 * NSEC_PER_MSEC) /* never in a window of a minute, whose end asks */
#define NAMES_MANY_NS \
	(27900 * NSEC_PER_MSEC) /* one that has many stacks would wait for all their names */
#define NAMES_MANY 16384
#define RETRY_NS (400 * NSEC_PER_MSEC)
#define RETRY_CALM_NS (7900 * NSEC_PER_MSEC)
#define MAINTAIN_NS (900 * NSEC_PER_MSEC)
#define STIRRED_NS NSEC_PER_SEC /* after a new file, before it is calm again */
#define QUIET_TICKS 3		/* in vain, then it sleeps */
#define EXITS_LATE_NS (150 * NSEC_PER_MSEC)
#define RING_PER_CPU (512u << 10)
#define RING_MIN (1u << 20)
#define RING_MAX (16u << 20)
#define RING_COUNTED 8

/* The walk of mappings checks itself; tests are built with other figures than these. */
#ifndef CPROF_CHECK_EVERY
#define CPROF_CHECK_EVERY 1024
#endif
#ifndef CPROF_WALK_SKEW
#define CPROF_WALK_SKEW 0
#endif
#ifndef CPROF_WALK_OFF
#define CPROF_WALK_OFF false
#endif
#ifndef CPROF_WALK_TRUSTED
#define CPROF_WALK_TRUSTED false
#endif

static size_t ring_bytes(const struct stream_opts *opts)
{
	size_t want = (size_t)RING_PER_CPU * (size_t)sysconf(_SC_NPROCESSORS_CONF), sz = RING_MIN;

	if (opts->ring_bytes)
		return opts->ring_bytes;
	if (opts->keep_all) /* each sample takes as much as a hundred */
		return RING_MAX;
	if (opts->event_count) /* no clock bounds their rate: page faults come by the 100,000 */
		want *= RING_COUNTED;
	while (sz < want && sz < RING_MAX)
		sz *= 2;
	return sz;
}

/* Once, as soon as it is so. */
static void tell_walk(struct stream *st)
{
	const char *why = collect_walk_why(st->collect);
	char text[512];

	if (!why || st->walk_told || !st->opts.on_note)
		return;
	(void)snprintf(text, sizeof(text),
		       "the kernel's trees of mappings are not walked: %s; user frames are located "
		       "by /proc afterwards, so those of processes that are gone may stay unknown",
		       why);
	st->walk_told = st->opts.on_note(text, st->opts.ctx); /* or tried again */
}

static void maintain_events(struct stream *st)
{
	struct collect_failure failure = { 0 };
	uint32_t opened;

	if (collect_maintain(st->collect, &opened, &failure) < 0 && st->opts.on_note)
		(void)st->opts.on_note(failure.text, st->opts.ctx);
	st->counters.v[COUNTER_events_reopened] += opened;
}

static void arm(struct stream *st)
{
	loop_timer_set(st->tick, MIN(st->look_ns, st->redraw_ns));
}

/* Something is new: short processes are to be looked at soon. */
static void stir(struct stream *st, uint64_t now_ns)
{
	st->calm_ns = now_ns + STIRRED_NS;
	if (!st->running || st->asleep)
		return;
	st->look_ns = MIN(st->look_ns, now_ns + TICK_NS);
	arm(st);
}

static bool is_calm(const struct stream *st, uint64_t now_ns)
{
	return st->opts.may_sleep && now_ns >= st->calm_ns && !collect_walk_is_off(st->collect);
}

static int consume_events(struct stream *st)
{
	st->announced = false;
	(void)collect_consume_events(st->collect);
	return st->announced;
}

static int on_events(struct loop_source *src, uint32_t events, void *ctx)
{
	struct stream *st = ctx;

	if (consume_events(st))
		stir(st, clock_mono_ns());
	return 0;
}

static void wake(struct stream *st, uint64_t now_ns)
{
	st->quiet = 0;
	if (!st->asleep)
		return;
	st->asleep = false;
	st->look_ns = now_ns + TICK_NS;
	st->redraw_ns = collect_next_redraw(st->collect, now_ns);
	arm(st);
}

/* The ring fills faster than the timer fetches, or the first sample came after a while. */
static int on_samples(struct loop_source *src, uint32_t events, void *ctx)
{
	struct stream *st = ctx;

	(void)collect_consume(st->collect);
	if (st->running)
		wake(st, clock_mono_ns());
	return 0;
}

/* @fetched samples were there now. */
static void sleep_or_wake(struct stream *st, int fetched, uint64_t now_ns)
{
	if (collect_walk_is_off(st->collect))
		return;
	if (fetched != 0)
		wake(st, now_ns);
	else
		st->quiet++;
	if (st->opts.may_sleep && st->quiet >= QUIET_TICKS)
		st->asleep = collect_sleep(st->collect) == 0;
	if (st->asleep)
		st->redraw_ns = UINT64_MAX;
}

static uint64_t next_look(const struct stream *st, uint64_t now_ns)
{
	if (collect_walk_is_off(st->collect))
		return now_ns + TICK_PROC_NS;
	/* With what else is due once a second: always.c. */
	if (st->asleep || is_calm(st, now_ns))
		return clock_next_second(now_ns);
	return now_ns + TICK_NS;
}

/* The kernel's names are needed everywhere, and take longest: the first of them are asked for at once. */
static uint64_t names_pause(const struct stream *st)
{
	if (!st->opts.may_sleep || !symbolize_kernel_is_begun(st->sampler->symbolize))
		return NAMES_NS;
	return st->open->window->stacks.cnt < NAMES_MANY ? NAMES_ALL_NS : NAMES_MANY_NS;
}

/* Of what may be too late soon, and only of that. */
static uint64_t urgent_pause(const struct stream *st, uint64_t now_ns)
{
	struct symbolize *s = st->sampler->symbolize;

	if (now_ns < st->jit_ns + NAMES_JIT_NS)
		return NAMES_NS;
	if (symbolize_lets_go(s))
		return NAMES_ENDED_NS;
	return symbolize_has_maps(s) ? NAMES_MAPS_NS : NAMES_ALL_NS;
}

/* By processes that are gone there is nothing to be had, so with those that come. */
static void try_again(struct stream *st, uint64_t now_ns)
{
	if (now_ns < st->retry_ns)
		return;
	symbolize_retry(st->sampler->symbolize, now_ns);
	st->retry_ns = now_ns + (is_calm(st, now_ns) ? RETRY_CALM_NS : RETRY_NS);
}

/* Of what comes without end nobody waits for a name. */
static void ask_for_names(struct stream *st, uint64_t now_ns)
{
	if (st->names_wait) {
		interval_tick_places(st->open, now_ns);
	} else if (now_ns >= MAX(st->names_ns, st->open->begun_ns) + names_pause(st)) {
		interval_tick(st->open, now_ns);
		st->names_ns = st->urgent_ns = now_ns;
	} else if (now_ns >= st->urgent_ns + urgent_pause(st, now_ns)) {
		interval_tick_urgent(st->open, now_ns);
		st->urgent_ns = now_ns;
	} else {
		interval_tick_places(st->open, now_ns);
	}
}

static bool has_new_objects(struct stream *st, uint64_t now_ns)
{
	const uint32_t before = st->objects;
	const uint64_t jits = objects_jits(st->sampler->objects);

	st->objects = objects_cnt(st->sampler->objects);
	if (jits != st->jits)
		st->jit_ns = now_ns;
	st->jits = jits;
	return st->objects != before;
}

/* What is in the rings, and what follows from it. */
static void look(struct stream *st, bool is_due, uint64_t now_ns)
{
	const bool announced = consume_events(st); /* those that woke nobody */
	const int fetched = collect_consume(st->collect);
	const bool is_new = has_new_objects(st, now_ns);

	if (announced || is_new)
		stir(st, now_ns);
	naming_tick(st->sampler, now_ns);
	try_again(st, now_ns);
	if (is_due || is_new)
		ask_for_names(st, now_ns);
	else
		interval_tick_places(st->open, now_ns);
	if (is_due && now_ns >= st->maintain_ns) {
		maintain_events(st);
		st->maintain_ns = now_ns + MAINTAIN_NS;
	}
	sleep_or_wake(st, fetched, now_ns);
}

static int on_tick(struct loop_source *src, uint64_t now_ns, void *ctx)
{
	struct stream *st = ctx;
	const bool is_due = now_ns >= st->look_ns;

	if (!st->running)
		return 0;
	tell_walk(st);
	if (is_due || is_calm(st, now_ns))
		look(st, is_due, now_ns);
	if (is_due)
		st->look_ns = next_look(st, now_ns);
	if (now_ns >= st->redraw_ns) {
		collect_redraw(st->collect);
		st->redraw_ns = collect_next_redraw(st->collect, now_ns);
	}
	arm(st);
	return 0;
}

static int open_collect(struct stream *st, struct collect_failure *failure)
{
	const struct stream_opts *o = &st->opts;
	struct collect_opts opts = {
		.event = o->event,
		.event_count = o->event_count,
		.hz = o->hz,
		.ring_bytes = ring_bytes(o),
		.frames_max = o->frames_max ?: CPROF_USER_FRAMES_MAX,
		.all = o->all,
		.tree = o->tree,
		.groups = o->groups,
		.keep_all = o->keep_all,
		.steady = o->may_sleep,
		.check_every = CPROF_CHECK_EVERY,
		.walk_off = CPROF_WALK_OFF,
		.walk_trusted = CPROF_WALK_TRUSTED,
		.walk_skew = CPROF_WALK_SKEW,
		.rng = { .state = rng_seed() },
		.root = &st->sampler->root,
		.on_sample = pipeline_on_sample,
		.on_event = pipeline_on_event,
		.ctx = st,
	};
	int r;

	r = unwinding_begin(st->sampler, failure);
	if (r < 0)
		return r;
	opts.pool = st->sampler->unwinding.maps;
	return collect_new(&opts, &st->collect, failure);
}

static int arm_loop(struct stream *st)
{
	struct loop *loop = st->sampler->loop;
	int r;

	r = loop_add_io(loop, collect_event_fd(st->collect), EPOLLIN, PRIORITY_EVENTS, on_events,
			st, &st->events);
	if (r < 0)
		return r;
	r = loop_add_io(loop, collect_sample_fd(st->collect), EPOLLIN, PRIORITY_EVENTS, on_samples,
			st, &st->samples);
	if (r < 0)
		return r;
	return loop_add_timer(loop, PRIORITY_TICK, on_tick, st, &st->tick);
}

static int take_slot(struct stream *st)
{
	struct sampler *s = st->sampler;

	for (unsigned int i = 0; i < SAMPLER_STREAMS_MAX; i++) {
		if (s->streams[i])
			continue;
		s->streams[i] = st;
		st->slot = i;
		return 0;
	}
	return -EBUSY;
}

int stream_new(const struct stream_opts *opts, struct stream **ret, struct collect_failure *failure)
{
	_cleanup_(stream_freep) struct stream *st = calloc(1, sizeof(*st));
	int r;

	(void)snprintf(failure->text, sizeof(failure->text), "out of memory");
	if (!st)
		return -ENOMEM;
	st->opts = *opts;
	st->sampler = opts->sampler;
	st->slot = SAMPLER_STREAMS_MAX;
	st->before = opts->sampler->counters;
	st->hz = opts->event_count ? 0 : opts->hz;
	r = take_slot(st);
	if (r < 0)
		(void)snprintf(failure->text, sizeof(failure->text),
			       "too many collections at once; wait until one has ended");
	if (r == 0)
		r = open_collect(st, failure);
	if (r == 0)
		r = arm_loop(st);
	if (r < 0)
		return r;
	failure->text[0] = '\0';
	forget_begin(st);
	/* Events tell of groups from now on; what was there before is walked. Without: no units. */
	(void)cgroups_scan(st->sampler->cgroups, &st->sampler->root);
	*ret = TAKE_PTR(st);
	return 0;
}

static void leave_intervals(struct stream *st)
{
	struct sampler *s = st->sampler;

	for (size_t i = 0; i < s->intervals.cnt; i++) {
		if (s->intervals.v[i]->stream == st)
			s->intervals.v[i]->stream = NULL;
	}
}

struct stream *stream_free(struct stream *st)
{
	if (!st)
		return NULL;
	st->events = loop_remove(st->events);
	st->samples = loop_remove(st->samples);
	st->tick = loop_remove(st->tick);
	st->open = interval_free(st->open);
	leave_intervals(st);
	st->collect = collect_free(st->collect);
	if (st->slot < SAMPLER_STREAMS_MAX) {
		forget_end(st);
		st->sampler->streams[st->slot] = NULL;
	}
	vec_done(&st->seqs);
	free(st);
	return NULL;
}

static int open_interval(struct stream *st, struct interval **ret)
{
	_cleanup_(interval_freep) struct interval *iv = NULL;
	int r = interval_new(st->sampler, &st->counters, &iv);

	if (r < 0)
		return r;
	iv->stream = st;
	iv->is_small = st->opts.is_small;
	r = interval_open(iv, st->hz);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(iv);
	return 0;
}

int stream_start(struct stream *st, struct collect_failure *failure)
{
	int r = open_interval(st, &st->open);

	if (r < 0) {
		(void)snprintf(failure->text, sizeof(failure->text), "out of memory");
		return r;
	}
	r = collect_start(st->collect, &st->cpus, failure);
	if (r < 0)
		return r;
	st->running = true;
	st->maintain_ns = st->open->begun_ns + NSEC_PER_SEC;
	st->redraw_ns = collect_next_redraw(st->collect, st->open->begun_ns);
	st->look_ns = UINT64_MAX;
	stir(st, st->open->begun_ns);
	return 0;
}

static void fetch(struct stream *st)
{
	(void)collect_consume_events(st->collect);
	(void)collect_consume(st->collect);
}

int stream_cut(struct stream *st, struct interval **ret)
{
	struct interval *next, *last = st->open;
	int r;

	r = open_interval(st, &next);
	if (r < 0)
		return r;
	/* What ran before is in it, also when it arrives later: pipeline.c. */
	last->window->to_boot_ns = next->window->from_boot_ns;
	st->open = next;
	fetch(st);
	interval_end(last, next, next->begun_ns);
	stir(st, next->begun_ns); /* records of it may still come */
	*ret = last;
	return 0;
}

void stream_stop(struct stream *st)
{
	uint64_t now_ns;

	collect_stop(st->collect);
	st->running = false;
	now_ns = clock_mono_ns();
	st->open->window->to_boot_ns = clock_boot_ns();
	fetch(st);
	interval_end(st->open, NULL, now_ns);
	tell_walk(st);
}

/*
 * A record that another CPU is still writing (an exit) holds up the samples behind it for a moment, so
 * one look at the ring is not enough.
 */
bool stream_is_drained(struct stream *st, uint64_t now_ns)
{
	uint64_t ended_ns = st->open->ended_ns;
	struct counters c;
	struct books books;

	(void)collect_consume(st->collect);
	/* The kernel tells of an exit some time after it; what was asked for often ends with the window. */
	if (!st->opts.all && now_ns < ended_ns + EXITS_LATE_NS)
		return false;
	if (now_ns > ended_ns + STREAM_DRAIN_MAX_NS || stream_books(st, &c, &books) < 0)
		return true;
	return books.delivered >= books.runs - books.dropped;
}

static uint64_t open_samples(const struct stream *st)
{
	const struct sampler *s = st->sampler;
	uint64_t sum = 0;

	for (size_t i = 0; i < s->intervals.cnt; i++) {
		if (s->intervals.v[i]->stream == st)
			sum += s->intervals.v[i]->samples;
	}
	return sum;
}

int stream_books(const struct stream *st, struct counters *ret_counters, struct books *ret_books)
{
	int r;

	*ret_counters = st->counters;
	for (size_t i = 0; i < COUNTER_MAX; i++)
		ret_counters->v[i] += st->sampler->counters.v[i] - st->before.v[i];
	r = collect_counters(st->collect, ret_counters);
	counters_books(ret_counters, open_samples(st), ret_books);
	return r;
}
