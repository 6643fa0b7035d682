/* SPDX-License-Identifier: Apache-2.0 */

/* recording — a client's session from START to END: on a stream of its own, until its files are sent. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "recording.h"

#define TICK_NS (100 * NSEC_PER_MSEC)
#define TICK_NAMING_NS (5 * NSEC_PER_MSEC)
/* What a raw file's log may take of memory. */
#define RAW_LOG_MAX (256ULL << 20)
#define RAW_LOG_SMALL_MAX (32ULL << 20)
#define RAW_MEMORY_MAX (768ULL << 20)
#define RAW_MEMORY_SMALL_MAX (64ULL << 20)
/* Samples a second on each CPU, for one who sees his own processes only. */
#define OWN_HZ_MAX 1000

bool recording_is_under_way(const struct recording *rec)
{
	return rec->phase != PHASE_NONE && rec->phase != PHASE_DONE;
}

static uint64_t tick_sampling(struct recording *rec, uint64_t now_ns)
{
	const uint64_t duration_ns = rec->start.duration_ns;

	if (now_ns >= rec->progress_at_ns) {
		session_progress(rec);
		rec->progress_at_ns += NSEC_PER_SEC;
	}
	if (duration_ns && now_ns - rec->begun_ns >= duration_ns)
		recording_end(rec, SESSION_ENDED_TIME);
	else if (rec->roots_gone && tree_is_gone(rec))
		recording_end(rec, SESSION_ENDED_GONE);
	return duration_ns ? MIN(now_ns + TICK_NS, rec->begun_ns + duration_ns) : now_ns + TICK_NS;
}

static void tick_naming(struct recording *rec, uint64_t now_ns)
{
	struct interval *iv = rec->stream->open;
	bool is_drained = stream_is_drained(rec->stream, now_ns);

	naming_tick(rec->sampler, now_ns);
	interval_tick(iv, now_ns);
	if (is_drained && interval_is_named(iv, now_ns))
		finish_begin(rec);
}

void recording_tick(struct recording *rec, uint64_t now_ns)
{
	uint64_t next_ns = now_ns + TICK_NAMING_NS;

	(void)session_send_notes(rec);
	if (rec->phase == PHASE_SAMPLING)
		next_ns = tick_sampling(rec, now_ns);
	if (rec->phase == PHASE_NAMING) {
		now_ns = MAX(now_ns, rec->ended_ns); /* what is measured from the end began in it */
		next_ns = now_ns + TICK_NAMING_NS;
		tick_naming(rec, now_ns);
	}
	if (rec->phase == PHASE_WRITING && finish_step(rec) < 0) {
		session_lost(rec);
		return;
	}
	loop_timer_set(rec->tick, rec->phase == PHASE_DONE ? now_ns : next_ns);
}

/* The client knows the table too; but it is not to be believed. */
static int choose_event(struct recording *rec)
{
	rec->event = event_find(rec->start.event);
	if (rec->event && event_check_count(rec->event, rec->start.event_count) == 0)
		return 0;
	(void)session_fail(rec, -EINVAL,
			   "no such event, or no such count: is cprofctl of another "
			   "version? install both from one");
	return -EINVAL;
}

/* What others pay for is bounded: every sample of the machine is taken, whoever may see it. */
static bool is_too_much(const struct recording *rec)
{
	const struct session_start *m = &rec->start;

	if (rec->sees_all)
		return false;
	if (m->event_count == 0)
		return m->hz > OWN_HZ_MAX;
	if (rec->event->kind == EVENT_CLOCK)
		return m->event_count < NSEC_PER_SEC / OWN_HZ_MAX;
	return m->pids_cnt == 0;
}

static int check_rate(struct recording *rec)
{
	char text[192];

	if (!is_too_much(rec))
		return 0;
	(void)snprintf(text, sizeof(text),
		       "too many samples: you see your own processes only; ask for at most %d a "
		       "second, or, of an event by its count, for some processes",
		       OWN_HZ_MAX);
	(void)session_fail(rec, -EPERM, text);
	return -EPERM;
}

/* Who sees all processes sees what they do, not what they hold. */
static int check_memory(struct recording *rec)
{
	if (!(rec->start.flags & SESSION_MEMORY) || rec->uid == 0)
		return 0;
	(void)session_fail(rec, -EPERM,
			   "memory of processes is for root alone; run it with sudo, or leave "
			   "--with-memory out");
	return -EPERM;
}

int recording_check(struct recording *rec)
{
	int r = choose_event(rec);

	if (r == 0)
		r = check_rate(rec);
	return r < 0 ? r : check_memory(rec);
}

static bool on_note(const char *text, void *ctx)
{
	return session_note(ctx, text);
}

static int open_stream(struct recording *rec)
{
	const struct session_start *m = &rec->start;
	const bool is_private = rec->sampler->is_private;
	struct stream_opts opts = {
		.sampler = rec->sampler,
		.event = rec->event,
		.event_count = m->event_count,
		.hz = m->hz,
		.ring_bytes = is_private ? m->ring_bytes : 0,
		.all = m->flags & SESSION_ALL,
		.tree = m->flags & SESSION_TREE,
		.groups = m->flags & SESSION_UNIT,
		.keep_all = m->flags & SESSION_MEMORY,
		.is_small = !is_private,
		.own_only = !rec->sees_all,
		.uid = rec->uid,
		.on_kept = raw_keep,
		.on_memory = memory_keep,
		.on_cgroup = targets_on_cgroup,
		.on_note = on_note,
		.ctx = rec,
	};
	struct collect_failure failure = { 0 };
	int r = stream_new(&opts, &rec->stream, &failure);

	if (r < 0)
		(void)session_fail(rec, r, failure.text);
	return r;
}

static int open_logs(struct recording *rec)
{
	const bool is_private = rec->sampler->is_private;
	int r = 0;

	if (rec->start.flags & SESSION_RAW)
		r = raw_new(is_private ? RAW_LOG_MAX : RAW_LOG_SMALL_MAX, &rec->raw);
	if (r == 0 && rec->start.flags & SESSION_MEMORY)
		r = memory_new(is_private ? RAW_MEMORY_MAX : RAW_MEMORY_SMALL_MAX, &rec->memory);
	return r;
}

/* @failure: what does not work as it should, where it works at all. */
static int start_sampling(struct recording *rec, struct collect_failure *failure)
{
	int r;

	if (open_logs(rec) < 0) {
		(void)session_fail(rec, -ENOMEM, "out of memory");
		return -ENOMEM;
	}
	r = stream_start(rec->stream, failure);
	if (r < 0) {
		(void)session_fail(rec, r, failure->text);
		return r;
	}
	rec->begun_ns = rec->stream->open->begun_ns;
	rec->phase = PHASE_SAMPLING;
	rec->progress_at_ns = rec->begun_ns + NSEC_PER_SEC;
	loop_timer_set(rec->tick, rec->begun_ns + TICK_NS);
	return 0;
}

int recording_begin(struct recording *rec)
{
	struct session_started started = {
		.head = { .size = sizeof(started), .type = SESSION_STARTED },
	};
	struct collect_failure degraded = { 0 };
	const struct stream *st;

	/* Where one of them fails, the client was told. */
	if (open_stream(rec) < 0 || targets_add_unit(rec) < 0 || targets_add_pids(rec) < 0 ||
	    tree_begin(rec) < 0 || start_sampling(rec, &degraded) < 0)
		return 0;
	st = rec->stream;
	started.from_real_ns = st->open->window->from_real_ns;
	started.hz = st->hz;
	started.cpus = st->cpus;
	(void)snprintf(started.event, sizeof(started.event), "%s", st->opts.event->name);
	(void)seqpacket_send(rec->client_fd, &started, sizeof(started), -EBADF);
	if (degraded.text[0])
		(void)session_note(rec, degraded.text);
	log_debug("sampling at %" PRIu32 " Hz on %u CPUs", rec->start.hz, st->cpus);
	return 0;
}

/* No new run is counted from here; what the rings hold is fetched, and the books close. */
void recording_end(struct recording *rec, enum session_ended why)
{
	const struct stream *st = rec->stream;

	stream_stop(rec->stream);
	rec->ended_ns = st->open->ended_ns;
	rec->ended_by = why;
	rec->phase = PHASE_NAMING;
	session_progress(rec);
	loop_timer_set(rec->tick, rec->ended_ns);
	log_debug("sampled for %" PRIu64 " ms: %" PRIu64 " samples of %zu processes",
		  (uint64_t)((rec->ended_ns - rec->begun_ns) / NSEC_PER_MSEC),
		  (uint64_t)st->counters.v[COUNTER_delivered], st->open->window->processes.cnt);
}

void recording_drop(struct recording *rec)
{
	for (size_t i = 0; i < rec->pid_sources.cnt; i++)
		rec->pid_sources.v[i] = loop_remove(rec->pid_sources.v[i]);
	for (size_t i = 0; i < rec->pidfds.cnt; i++)
		rec->pidfds.v[i] = fd_close(rec->pidfds.v[i]);
	vec_done(&rec->pid_sources);
	vec_done(&rec->pidfds);
	vec_done(&rec->tree);
	writing_done(&rec->writing);
	rec->stream = stream_free(rec->stream);
	rec->raw = raw_free(rec->raw);
	rec->memory = memory_free(rec->memory);
	session_drop_notes(rec);
	rec->phase = PHASE_DONE;
}
