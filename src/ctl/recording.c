/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The state machine of a recording. STARTING until STARTED comes, SAMPLING until the time is over
 * (the sampler ends it) or we send STOP (Ctrl-C, the command's exit, all processes gone), FINISHING
 * while profiles come, OVER after END or a fault. It then runs on only for a command that is still
 * there: a fault of ours is no reason to kill the user's program or to forget its exit status. The
 * sampler is let go at once: nothing of ours stays in the kernel for as long as a command likes.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/str.h"
#include "recording.h"
#include "recording-profile.h"

#define WATCHDOG_NS (60 * NSEC_PER_SEC) /* a sampler that says nothing for so long hangs */
#define GRACE_NS NSEC_PER_SEC		/* the sampler sees by itself that all processes are gone */
#define RECEIVED_KEPT "profiles already received are kept"

static void recording_leave(struct recording *rec)
{
	if (rec->phase == RECORDING_OVER && (!rec->command || rec->command->pid == 0))
		loop_exit(rec->loop, 0);
}

static void recording_over(struct recording *rec)
{
	progress_clear(&rec->progress);
	rec->phase = RECORDING_OVER;
	rec->session = loop_remove(rec->session);
	session_client_hang_up(rec->client);
	loop_timer_set(rec->watchdog, UINT64_MAX);
	loop_timer_set(rec->grace, UINT64_MAX);
	/* One that never ran ends now. */
	if (rec->command && !rec->ran)
		rec->command->gate = fd_close(rec->command->gate);
	recording_leave(rec);
}

static void recording_broken(struct recording *rec, int error, const char *what, const char *next)
{
	progress_clear(&rec->progress);
	rec->failed = true;
	if (error < 0)
		log_error(error, "record: %s: %m; %s", what, next);
	else
		log_error(0, "record: %s; %s", what, next);
	recording_over(rec);
}

/* It did not come to a recording, or the daemon is another one than we think. */
static void recording_explain(struct recording *rec, int error)
{
	struct problem problem;

	progress_clear(&rec->progress);
	rec->failed = true;
	sampler_explain(rec->client, error, &problem);
	log_error(0, "record: %s", problem.why);
	recording_over(rec);
}

/* The sampler's silence has a limit, except while it has to sample until we say stop. */
static void recording_watchdog_arm(struct recording *rec)
{
	uint64_t now = clock_mono_ns();

	if (rec->phase == RECORDING_STARTING && rec->client->daemon)
		loop_timer_set(rec->watchdog, now + SAMPLER_FIRST_ANSWER_NS);
	else if (rec->phase != RECORDING_SAMPLING)
		loop_timer_set(rec->watchdog, now + WATCHDOG_NS);
	else if (rec->args->duration_ns)
		loop_timer_set(rec->watchdog, now + rec->args->duration_ns + WATCHDOG_NS);
	else
		loop_timer_set(rec->watchdog, UINT64_MAX);
}

static void recording_stop(struct recording *rec)
{
	int r;

	if (rec->phase != RECORDING_SAMPLING)
		return;
	rec->phase = RECORDING_FINISHING;
	loop_timer_set(rec->grace, UINT64_MAX);
	recording_watchdog_arm(rec);
	r = session_client_stop(rec->client);
	/* It may have ended by itself just now: END or the end of the stream are still to be read. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		recording_broken(rec, r, "cannot stop the sampler", RECEIVED_KEPT);
}

static void on_started(struct recording *rec, const struct session_started *m)
{
	rec->phase = RECORDING_SAMPLING;
	rec->acc->hz = m->hz;
	rec->acc->event = event_find(m->event) ?: rec->args->event;
	rec->acc->event_count = rec->args->event_count;
	log_debug("record: %s on %" PRIu32 " CPUs", m->event, m->cpus);
	recording_watchdog_arm(rec);
	if (!rec->command)
		return;
	rec->exec_error = child_release(rec->command);
	rec->ran = rec->exec_error == 0;
	if (!rec->ran)
		recording_over(rec);
}

/* It is checked to be clean. */
static void on_note(struct recording *rec, const struct session_note *m)
{
	progress_clear(&rec->progress);
	log_warning(0, "record: %.*s", (int)m->text_len, m->text);
	if (accounting_add_note(rec->acc, m->text, m->text_len) < 0)
		rec->failed = true;
}

static void on_progress(struct recording *rec, const struct session_progress *m)
{
	char text[160];

	if (rec->phase == RECORDING_SAMPLING && m->phase != SESSION_SAMPLING)
		rec->phase = RECORDING_FINISHING;
	if (rec->phase == RECORDING_FINISHING)
		recording_watchdog_arm(rec);
	/* The terminal is the command's while it runs. */
	if (rec->command && rec->command->pid != 0)
		return;
	progress_text(text, sizeof(text), m, rec->args->duration_ns);
	progress_show(&rec->progress, text);
}

static void on_end(struct recording *rec, const struct session_end *m)
{
	struct accounting *acc = rec->acc;

	progress_clear(&rec->progress);
	acc->end = *m;
	acc->ended = true;
	rec->failed =
		rec->failed || m->books.difference != 0 || acc->received != m->books.in_profiles;
	if (m->books.difference != 0)
		log_error(0,
			  "record: THE BOOKS DO NOT BALANCE: %llu samples are unaccounted for; "
			  "this is "
			  "a fault of cprofd, please report it",
			  (unsigned long long)m->books.difference);
	if (rec->raw && !rec->raw->written)
		rec->failed = true; /* it was said why */
	if (rec->raw && m->counters.v[COUNTER_raw_lost] > 0)
		log_warning(0,
			    "record: %llu samples are not in the raw file, which would have become "
			    "too large; record for a shorter time",
			    (unsigned long long)m->counters.v[COUNTER_raw_lost]);
	if (rec->raw && m->counters.v[COUNTER_raw_memory_lost] > 0)
		log_warning(0,
			    "record: the memory of %llu stacks is not in the raw file, which would "
			    "have become too large; record for a shorter time",
			    (unsigned long long)m->counters.v[COUNTER_raw_memory_lost]);
	if (acc->received != m->books.in_profiles)
		log_error(0,
			  "record: THE PROFILES HOLD %" PRIu64
			  " SAMPLES, the books say %llu; this is "
			  "a fault of cprofd, please report it",
			  acc->received, (unsigned long long)m->books.in_profiles);
	recording_over(rec);
	if (rec->command && rec->command->pid != 0)
		log_info("record: the recording is over; waiting for the command to exit");
}

static void on_failed(struct recording *rec, const struct session_failed *m)
{
	char text[SESSION_TEXT_MAX + 1];

	/* It does not understand us: its version tells more than its words. */
	if (m->error == -EBADMSG && rec->client->daemon) {
		recording_explain(rec, -EBADMSG);
		return;
	}
	(void)str_clean(text, sizeof(text), m->text, MIN(m->text_len, (uint32_t)SESSION_TEXT_MAX),
			NULL);
	progress_clear(&rec->progress);
	rec->failed = true;
	log_error(0, "record: %s", *text ? text : "cprofd failed; see its messages");
	recording_over(rec);
}

static void on_profile(struct recording *rec, const struct session_profile *m, int fd)
{
	int r;

	if (rec->phase == RECORDING_SAMPLING)
		rec->phase = RECORDING_FINISHING;
	recording_watchdog_arm(rec);
	r = recording_profile(rec, m, fd);
	if (r < 0)
		recording_broken(rec, r, "cprofd sent a profile that cannot be used",
				 RECEIVED_KEPT);
}

static void recording_dispatch(struct recording *rec, int type, const union session_message *m,
			       int fd)
{
	bool starting = rec->phase == RECORDING_STARTING;

	if (type == SESSION_STARTED && starting)
		on_started(rec, &m->started);
	else if (type == SESSION_PROGRESS)
		on_progress(rec, &m->progress);
	else if (type == SESSION_PROFILE && !starting)
		on_profile(rec, &m->profile, fd);
	else if (type == SESSION_END && !starting)
		on_end(rec, &m->end);
	else if (type == SESSION_FAILED)
		on_failed(rec, &m->failed);
	else if (type == SESSION_NOTE)
		on_note(rec, &m->note);
	else
		recording_broken(rec, 0, "cprofd sent a message out of turn", RECEIVED_KEPT);
}

static int on_session(struct loop_source *s, uint32_t events, void *ctx)
{
	struct recording *rec = ctx;
	_cleanup_close_ int fd = -EBADF;
	union session_message m;
	int type = session_receive(rec->client->fd, &m, &fd);

	if (type > 0)
		recording_dispatch(rec, type, &m, fd);
	else if (type == 0 && rec->phase == RECORDING_STARTING)
		recording_explain(rec, 0);
	else if (type == 0)
		recording_broken(rec, 0, "the sampler died", RECEIVED_KEPT);
	else if (type == -EBADMSG && (rec->phase == RECORDING_STARTING || rec->client->daemon))
		recording_explain(rec, type);
	else if (type != -EAGAIN)
		recording_broken(rec, type, "cprofd does not keep the protocol", RECEIVED_KEPT);
	return 0;
}

static int on_command(struct loop_source *s, uint32_t events, void *ctx)
{
	struct recording *rec = ctx;

	if (!child_reap(rec->command))
		return 0;
	(void)loop_remove(s);
	if (rec->phase == RECORDING_STARTING)
		recording_broken(rec, 0, "the command was killed before it began",
				 "nothing was recorded");
	else if (rec->phase == RECORDING_SAMPLING)
		recording_stop(rec);
	recording_leave(rec);
	return 0;
}

/* What it cost is known from here on; it is no zombie beside a command that runs for days. */
static int on_cprofd(struct loop_source *s, uint32_t events, void *ctx)
{
	struct recording *rec = ctx;

	if (child_reap(&rec->client->cprofd))
		(void)loop_remove(s);
	return 0;
}

static int on_target(struct loop_source *s, uint32_t events, void *ctx)
{
	const struct recording_watch *w = ctx;
	struct recording *rec = w->rec;

	(void)loop_remove(s);
	rec->gone++;
	if (rec->phase > RECORDING_SAMPLING)
		return 0;
	progress_clear(&rec->progress);
	log_info("record: process %d has exited; what was sampled of it is kept", w->target->pid);
	/* Those who descend from them may live on: the sampler knows when the last one is gone. */
	if (rec->gone == rec->targets->cnt && !rec->args->children)
		loop_timer_set(rec->grace, clock_mono_ns() + GRACE_NS);
	return 0;
}

static int on_grace(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	struct recording *rec = ctx;

	if (rec->phase == RECORDING_STARTING)
		loop_timer_set(rec->grace, now_ns + GRACE_NS);
	recording_stop(rec);
	return 0;
}

static int on_watchdog(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	struct recording *rec = ctx;

	if (rec->phase == RECORDING_STARTING)
		recording_explain(rec, -ETIMEDOUT);
	else
		recording_broken(rec, 0, "the sampler does not answer", RECEIVED_KEPT);
	return 0;
}

static void recording_interrupt(struct recording *rec)
{
	if (rec->phase == RECORDING_STARTING) {
		recording_broken(rec, 0, "interrupted before the recording began", "run it again");
	} else if (rec->interrupted) {
		recording_broken(rec, 0, "interrupted twice", RECEIVED_KEPT);
	} else {
		rec->interrupted = true;
		progress_show(&rec->progress, "stopping");
		recording_stop(rec);
	}
}

static int on_signal(struct loop_source *s, uint32_t events, void *ctx)
{
	struct recording *rec = ctx;
	struct signalfd_siginfo si;

	if (read(rec->signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return errno == EAGAIN || errno == EINTR ? 0 : -EIO;
	if (!rec->command || rec->command->pid == 0) {
		recording_interrupt(rec);
		return 0;
	}
	/* The terminal has told the command too; what was sent to us alone is passed on. */
	if (si.ssi_code != SI_KERNEL)
		(void)kill(rec->command->pid, (int)si.ssi_signo);
	return 0;
}

static int recording_watch_targets(struct recording *rec)
{
	rec->watches = calloc(MAX(rec->targets->cnt, (size_t)1), sizeof(*rec->watches));
	if (!rec->watches)
		return -ENOMEM;
	for (size_t i = 0; i < rec->targets->cnt; i++) {
		struct recording_watch *w = &rec->watches[i];
		int r;

		*w = (struct recording_watch){ rec, &rec->targets->v[i] };
		r = loop_add_io(rec->loop, w->target->pidfd, EPOLLIN, 1, on_target, w, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

static int recording_prepare(struct recording *rec)
{
	int r;

	r = loop_new(&rec->loop);
	if (r < 0)
		return r;
	r = loop_add_io(rec->loop, rec->client->fd, EPOLLIN, 0, on_session, rec, &rec->session);
	if (r < 0)
		return r;
	r = loop_add_io(rec->loop, rec->signal_fd, EPOLLIN, 0, on_signal, rec, NULL);
	if (r < 0)
		return r;
	r = loop_add_timer(rec->loop, 2, on_watchdog, rec, &rec->watchdog);
	if (r < 0)
		return r;
	r = loop_add_timer(rec->loop, 2, on_grace, rec, &rec->grace);
	if (r < 0)
		return r;
	if (rec->command) {
		r = loop_add_io(rec->loop, rec->command->pidfd, EPOLLIN, 1, on_command, rec, NULL);
		if (r < 0)
			return r;
	}
	if (rec->client->cprofd.pid != 0) {
		r = loop_add_io(rec->loop, rec->client->cprofd.pidfd, EPOLLIN, 1, on_cprofd, rec,
				NULL);
		if (r < 0)
			return r;
	}
	return recording_watch_targets(rec);
}

int recording_run(struct recording *rec)
{
	int r = recording_prepare(rec);

	if (r == 0) {
		recording_watchdog_arm(rec);
		r = loop_run(rec->loop);
	}
	progress_clear(&rec->progress);
	rec->loop = loop_free(rec->loop);
	free(rec->watches);
	rec->watches = NULL;
	return r;
}
