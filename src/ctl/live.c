/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One descriptor, one order of messages, nothing else to watch: a poll loop. Ctrl-C ends us as any
 * program, and the sampler with us, for its socket closes.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/clock.h"
#include "cprof/base/str.h"
#include "live.h"
#include "sampler.h"

#define LIVE_SILENCE_NS (60 * NSEC_PER_SEC) /* a sampler that says nothing for so long hangs */

static int live_failed(struct live *l, int r, const char *what, const char *next)
{
	(void)snprintf(l->why, sizeof(l->why), "%s%s%s; %s", what, r == -EPROTO ? "" : ": ",
		       r == -EPROTO ? "" : strerrordesc_np(-r), next);
	return r;
}

/* Of a daemon that does not even begin there is more to say. */
static int live_unanswered(struct live *l, int r)
{
	struct problem problem;

	sampler_explain(l->client, r == -EPROTO ? 0 : r, &problem);
	(void)snprintf(l->why, sizeof(l->why), "%s", problem.why);
	return r;
}

static bool live_is_unanswered(const struct live *l)
{
	return l->client->daemon && l->cpus == 0;
}

static void live_phase(struct live *l, bool sampling)
{
	if (!sampling && l->over)
		return;
	l->over = !sampling;
	if (l->on_phase)
		l->on_phase(l->ctx, sampling);
}

static int live_profile(struct live *l, const struct session_profile *m, int fd)
{
	_cleanup_free_ void *bytes = NULL;
	int r = session_profile_read(m, fd, &bytes);

	if (r == 0)
		r = report_add(l->acc->report, bytes, m->bytes);
	if (r < 0)
		return live_failed(l, r, "cprofd sent a profile that cannot be used",
				   "are cprofctl and cprofd of one version?");
	l->acc->received += m->samples;
	l->weight_ns += m->weight_ns;
	return 0;
}

static int live_progress(struct live *l, const struct session_progress *m)
{
	char text[160];

	if (m->phase != SESSION_SAMPLING)
		live_phase(l, false);
	progress_text(text, sizeof(text), m, l->start.duration_ns);
	progress_show(&l->progress, text);
	return 0;
}

static int live_end(struct live *l, const struct session_end *m)
{
	l->acc->end = *m;
	l->acc->ended = true;
	return 0;
}

static int live_refused(struct live *l, const struct session_failed *m)
{
	if (m->error == -EBADMSG && live_is_unanswered(l))
		return live_unanswered(l, -EBADMSG);
	(void)str_clean(l->why, sizeof(l->why), m->text,
			MIN(m->text_len, (uint32_t)SESSION_TEXT_MAX), NULL);
	if (!*l->why)
		(void)snprintf(l->why, sizeof(l->why), "cprofd failed; see its messages");
	return m->error < 0 ? m->error : -EIO;
}

static int live_dispatch(struct live *l, int type, const union session_message *m, int fd)
{
	switch (type) {
	case SESSION_STARTED:
		l->cpus = m->started.cpus;
		l->acc->hz = m->started.hz;
		live_phase(l, true);
		return 0;
	case SESSION_PROGRESS:
		return live_progress(l, &m->progress);
	case SESSION_PROFILE:
		live_phase(l, false);
		return live_profile(l, &m->profile, fd);
	case SESSION_NOTE:
		return accounting_add_note(l->acc, m->note.text, m->note.text_len);
	case SESSION_END:
		return live_end(l, &m->end);
	case SESSION_FAILED:
		return live_refused(l, &m->failed);
	default:
		return live_failed(l, -EPROTO, "cprofd sent a message out of turn",
				   "are cprofctl and cprofd of one version?");
	}
}

/* One message, or -EAGAIN. */
static int live_step(struct live *l)
{
	_cleanup_close_ int fd = -EBADF;
	union session_message m;
	int type = session_receive(l->client->fd, &m, &fd);

	if (type > 0)
		return live_dispatch(l, type, &m, fd);
	if (type == -EAGAIN)
		return type;
	if (live_is_unanswered(l) && (type == 0 || type == -EBADMSG))
		return live_unanswered(l, type == 0 ? -EPROTO : type);
	if (type == 0)
		return live_failed(l, -EPROTO, "cprofd ended before the recording did",
				   "see its messages");
	return live_failed(l, type, "cprofd does not keep the protocol",
			   "are cprofctl and cprofd of one version?");
}

static int live_wait(struct live *l)
{
	struct pollfd pfd = { .fd = l->client->fd, .events = POLLIN };
	uint64_t limit_ns = live_is_unanswered(l) ? SAMPLER_FIRST_ANSWER_NS
						  : l->start.duration_ns + LIVE_SILENCE_NS;
	int n = poll(&pfd, 1, (int)MIN(limit_ns / NSEC_PER_MSEC, (uint64_t)INT32_MAX));

	if (n < 0 && errno != EINTR)
		return live_failed(l, -errno, "cannot wait for the sampler", "try again");
	if (n == 0 && live_is_unanswered(l))
		return live_unanswered(l, -ETIMEDOUT);
	return n == 0 ? live_failed(l, -EPROTO, "the sampler does not answer", "see its messages")
		      : 0;
}

/* Only its own wait4(2) tells what the roles cost together. */
static void live_close(struct live *l)
{
	progress_clear(&l->progress);
	session_client_close(l->client);
	l->acc->cpu_ns = l->client->cprofd.cpu_ns;
	l->acc->cpu_known = l->client->cprofd.pidfd >= 0;
}

int live_run(struct live *l)
{
	int r = session_client_start(l->client, &l->start);

	/* EPIPE: it has ended already; the end of the stream tells more. */
	if (r < 0 && r != -EPIPE)
		return live_failed(l, r, "cannot speak to cprofd", "try again");
	r = 0;
	while (r == 0 && !l->acc->ended) {
		r = live_step(l);
		if (r == -EAGAIN)
			r = live_wait(l);
	}
	live_phase(l, false);
	live_close(l);
	if (r == -ENOMEM && !*l->why)
		(void)live_failed(l, r, "cannot go on", "free memory");
	return r;
}
