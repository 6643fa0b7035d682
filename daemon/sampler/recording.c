/* SPDX-License-Identifier: Apache-2.0 */

/*
 * recording — from START to the last profile: begins sampling, consumes on time, ends it.
 *
 * Timers: every 100 ms the ring is consumed and names are asked for; at random times the rates are
 * drawn anew (not in step with the consumption, or our own work would never be hit by a tick).
 */

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/rng.h"
#include "cprof/base/seqpacket.h"
#include "sampler.h"

#define PRIORITY_TICK 25
#define TICK_NS (100 * NSEC_PER_MSEC)
#define TICK_PROC_NS (20 * NSEC_PER_MSEC) /* where /proc is asked: while a process lives */
#define TICK_NAMING_NS (5 * NSEC_PER_MSEC)
#define EXITS_LATE_NS (150 * NSEC_PER_MSEC)
#define DRAIN_MAX_NS (200 * NSEC_PER_MSEC)
#define RING_PER_CPU (512u << 10)
#define RING_MIN (1u << 20)
#define RING_MAX (16u << 20)

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

static size_t ring_bytes(const struct session_start *m)
{
	size_t want = (size_t)RING_PER_CPU * (size_t)sysconf(_SC_NPROCESSORS_CONF), sz = RING_MIN;

	if (m->ring_bytes)
		return m->ring_bytes;
	while (sz < want && sz < RING_MAX)
		sz *= 2;
	return sz;
}

static int on_events(struct loop_source *src, uint32_t events, void *ctx)
{
	struct sampler *s = ctx;

	if (s->collect)
		(void)collect_consume_events(s->collect);
	return 0;
}

/* The ring fills faster than the timer fetches. */
static int on_samples(struct loop_source *src, uint32_t events, void *ctx)
{
	struct sampler *s = ctx;

	if (s->collect)
		(void)collect_consume(s->collect);
	return 0;
}

/* Once, as soon as it is so. */
static void tell_walk(struct sampler *s)
{
	const char *why = collect_walk_why(s->collect);
	char text[512];

	if (!why || s->walk_told)
		return;
	(void)snprintf(text, sizeof(text),
		       "the kernel's trees of mappings are not walked: %s; user frames are located "
		       "by /proc afterwards, so those of processes that are gone may stay unknown",
		       why);
	s->walk_told = session_note(s, text); /* or tried again */
}

static void maintain_events(struct sampler *s)
{
	struct collect_failure failure = { 0 };
	uint32_t opened;

	if (collect_maintain(s->collect, &opened, &failure) < 0)
		(void)session_note(s, failure.text);
	s->counters.v[COUNTER_events_reopened] += opened;
}

static void tick_sampling(struct sampler *s, uint64_t now_ns)
{
	tell_walk(s);
	(void)collect_consume_events(s->collect); /* those that woke nobody */
	(void)collect_consume(s->collect);
	naming_tick(s, now_ns);
	if (now_ns >= s->progress_at_ns) {
		maintain_events(s);
		session_progress(s);
		s->progress_at_ns += NSEC_PER_SEC;
	}
	if (s->start.duration_ns && now_ns - s->begun_ns >= s->start.duration_ns)
		recording_end(s, SESSION_ENDED_TIME);
	else if (s->roots_gone && tree_is_gone(s))
		recording_end(s, SESSION_ENDED_GONE);
}

int recording_books(struct sampler *s, struct counters *ret_counters, struct books *ret_books)
{
	int r;

	*ret_counters = s->counters;
	r = collect_counters(s->collect, ret_counters);
	counters_books(ret_counters, 0, ret_books);
	return r;
}

/*
 * Has all that ran arrived? A record that another CPU is still writing (an exit) holds up the samples
 * behind it for a moment, so one look at the ring is not enough.
 */
static bool is_drained(struct sampler *s, uint64_t now_ns)
{
	struct counters c;
	struct books books;

	(void)collect_consume(s->collect);
	/* The kernel tells of an exit some time after it; what was asked for often ends with the window. */
	if (!(s->start.flags & SESSION_ALL) && now_ns < s->ended_ns + EXITS_LATE_NS)
		return false;
	if (now_ns > s->ended_ns + DRAIN_MAX_NS || recording_books(s, &c, &books) < 0)
		return true;
	return books.delivered >= books.runs - books.dropped;
}

static int on_tick(struct loop_source *src, uint64_t now_ns, void *ctx)
{
	struct sampler *s = ctx;
	uint64_t next = now_ns + TICK_NS;

	(void)session_send_notes(s);
	if (s->phase == PHASE_SAMPLING) {
		tick_sampling(s, now_ns);
		now_ns = MAX(now_ns, s->ended_ns); /* what is measured from the end began in it */
		if (collect_walk_is_off(s->collect))
			next = now_ns + TICK_PROC_NS;
		if (s->start.duration_ns)
			next = MIN(next, s->begun_ns + s->start.duration_ns);
	}
	if (s->phase == PHASE_NAMING) {
		next = now_ns + TICK_NAMING_NS;
		if (is_drained(s, now_ns) && naming_is_done(s, now_ns))
			finish_begin(s);
	}
	if (s->phase == PHASE_WRITING) {
		next = now_ns + TICK_NAMING_NS;
		if (finish_step(s) < 0) {
			session_lost(s);
			return 0;
		}
	}
	if (s->phase != PHASE_DONE) /* else this timer is gone */
		loop_timer_set(src, next);
	return 0;
}

static int on_redraw(struct loop_source *src, uint64_t now_ns, void *ctx)
{
	struct sampler *s = ctx;

	if (s->phase != PHASE_SAMPLING)
		return 0;
	collect_redraw(s->collect);
	loop_timer_set(src, collect_next_redraw(s->collect, now_ns));
	return 0;
}

/* The client knows the table too; but it is not to be believed. */
static int choose_event(struct sampler *s)
{
	s->event = event_find(s->start.event);
	if (!s->event || event_check_count(s->event, s->start.event_count) < 0) {
		(void)session_fail(s, -EINVAL,
				   "no such event, or no such count: is cprofctl of another "
				   "version? install both from one");
		return -EINVAL;
	}
	s->hz = s->start.event_count ? 0 : s->start.hz;
	return 0;
}

static int open_collect(struct sampler *s)
{
	const struct collect_opts opts = {
		.event = s->event,
		.event_count = s->start.event_count,
		.hz = s->start.hz,
		.ring_bytes = ring_bytes(&s->start),
		.frames_max = CPROF_USER_FRAMES_MAX,
		.all = s->start.flags & SESSION_ALL,
		.tree = s->start.flags & SESSION_TREE,
		.groups = s->start.flags & SESSION_UNIT,
		.check_every = CPROF_CHECK_EVERY,
		.walk_off = CPROF_WALK_OFF,
		.walk_trusted = CPROF_WALK_TRUSTED,
		.walk_skew = CPROF_WALK_SKEW,
		.rng = { .state = rng_seed() },
		.root = &s->root,
		.on_sample = pipeline_on_sample,
		.on_event = pipeline_on_event,
		.ctx = s,
	};
	struct collect_failure failure = { 0 };
	int r = collect_new(&opts, &s->collect, &failure);

	if (r < 0)
		(void)session_fail(s, r, failure.text);
	return r;
}

static int arm_loop(struct sampler *s)
{
	int r;

	r = loop_add_io(s->loop, collect_event_fd(s->collect), EPOLLIN, PRIORITY_EVENTS, on_events,
			s, &s->events);
	if (r < 0)
		return r;
	r = loop_add_io(s->loop, collect_sample_fd(s->collect), EPOLLIN, PRIORITY_EVENTS,
			on_samples, s, &s->samples);
	if (r < 0)
		return r;
	r = loop_add_timer(s->loop, PRIORITY_TICK, on_tick, s, &s->tick);
	if (r < 0)
		return r;
	return loop_add_timer(s->loop, PRIORITY_TICK, on_redraw, s, &s->redraw);
}

/* @failure: what does not work as it should, where it works at all. */
static int start_sampling(struct sampler *s, struct collect_failure *failure)
{
	int r;

	s->window = window_new(clock_boot_ns(), clock_real_ns(), rng_seed());
	if (!s->window || symbolize_view_new(s->symbolize, s->window, &s->view) < 0)
		return session_fail(s, -ENOMEM, "out of memory");
	s->window->hz = s->hz;
	if (s->start.flags & SESSION_RAW && raw_new(&s->raw) < 0)
		return session_fail(s, -ENOMEM, "out of memory");
	(void)cputime_baseline(s); /* without it cpu_true_ns stays unknown */
	s->begun_ns = clock_mono_ns();
	r = collect_start(s->collect, &s->cpus, failure);
	if (r < 0)
		return session_fail(s, r, failure->text);
	s->phase = PHASE_SAMPLING;
	s->progress_at_ns = s->begun_ns + NSEC_PER_SEC;
	loop_timer_set(s->tick, s->begun_ns + TICK_NS);
	loop_timer_set(s->redraw, collect_next_redraw(s->collect, s->begun_ns));
	return 0;
}

int recording_begin(struct sampler *s)
{
	struct session_started started = {
		.head = { .size = sizeof(started), .type = SESSION_STARTED },
	};
	struct collect_failure degraded = { 0 };
	int r;

	if (choose_event(s) < 0 || open_collect(s) < 0)
		return 0; /* the client was told */
	r = remapping_begin(s);
	if (r < 0)
		return r;
	/* Events tell of groups from now on; what was there before is walked. Without: no units. */
	(void)cgroups_scan(s->cgroups, &s->root);
	if (targets_add_unit(s) < 0 || targets_add_pids(s) < 0 || tree_begin(s) < 0)
		return 0;
	r = arm_loop(s);
	if (r < 0)
		return r;
	r = start_sampling(s, &degraded);
	if (r < 0 || s->phase != PHASE_SAMPLING)
		return r;
	started.from_real_ns = s->window->from_real_ns;
	started.hz = s->hz;
	started.cpus = s->cpus;
	(void)snprintf(started.event, sizeof(started.event), "%s", s->event->name);
	(void)seqpacket_send(s->client_fd, &started, sizeof(started), -EBADF);
	if (degraded.text[0])
		(void)session_note(s, degraded.text);
	tell_walk(s);
	log_debug("sampling at %" PRIu32 " Hz on %u CPUs, a ring of %zu bytes", s->start.hz,
		  s->cpus, ring_bytes(&s->start));
	return 0;
}

/* No new run is counted from here; what the rings hold is fetched, and the books close. */
void recording_end(struct sampler *s, enum session_ended why)
{
	collect_stop(s->collect);
	s->ended_ns = clock_mono_ns();
	s->window->to_boot_ns = clock_boot_ns();
	s->ended_by = why;
	(void)collect_consume_events(s->collect);
	(void)collect_consume(s->collect);
	cputime_read(s);
	symbolize_close_window(s->view, s->ended_ns);
	s->phase = PHASE_NAMING;
	s->naming_since_ns = s->ended_ns;
	s->naming_owed = UINT_MAX;
	s->naming_began_ns = s->ended_ns;
	tell_walk(s);
	session_progress(s);
	loop_timer_set(s->tick, s->ended_ns);
	log_debug("sampled for %" PRIu64 " ms: %" PRIu64 " samples of %zu processes",
		  (uint64_t)((s->ended_ns - s->begun_ns) / NSEC_PER_MSEC),
		  (uint64_t)s->counters.v[COUNTER_delivered], s->window->processes.cnt);
}

void recording_drop(struct sampler *s)
{
	s->events = loop_remove(s->events);
	s->samples = loop_remove(s->samples);
	s->tick = loop_remove(s->tick);
	s->redraw = loop_remove(s->redraw);
	for (size_t i = 0; i < s->pid_sources.cnt; i++)
		s->pid_sources.v[i] = loop_remove(s->pid_sources.v[i]);
	for (size_t i = 0; i < s->pidfds.cnt; i++)
		s->pidfds.v[i] = fd_close(s->pidfds.v[i]);
	vec_done(&s->pid_sources);
	vec_done(&s->pidfds);
	vec_done(&s->tree);
	vec_done(&s->baseline);
	vec_done(&s->seqs);
	s->collect = collect_free(s->collect);
	forget_collect(s);
	s->remap = remap_free(s->remap);
	s->view = symbolize_view_free(s->view);
	s->window = window_free(s->window);
	parcels_done(s);
	s->raw = raw_free(s->raw);
	session_drop_notes(s);
	s->profile_fd = fd_close(s->profile_fd);
	s->phase = PHASE_DONE;
}
