/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The sampler gets one end of a socketpair as if a client had connected, and speaks the session protocol
 * to us over the other. One merged profile is expected, and none when there was no sample. The order of
 * its messages is held against the protocol; a recording that ends neither way within its time is given
 * up. Whatever went wrong becomes one sentence for the client, with a status that fits.
 */

#include "recording.h"

#include <string.h>
#include <sys/epoll.h>

#include "cprof/base/clock.h"
#include "cprof/base/seqpacket.h"

#define RECORDING_PRIORITY 2
#define RECORDING_PATIENCE_NS (60 * NSEC_PER_SEC) /* to start, to name and to write */

struct recording {
	struct recording_opts opts;
	struct loop_source *source;
	struct loop_source *timer;
	int fd;
	bool started;
	struct recording_result result;
};

struct recording *recording_free(struct recording *r)
{
	if (!r)
		return NULL;
	r->source = loop_remove(r->source);
	r->timer = loop_remove(r->timer);
	(void)fd_close(r->fd);
	(void)fd_close(r->result.fd);
	free(r);
	return NULL;
}

/* The callee frees the recording. */
static int recording_end(struct recording *r, int error)
{
	r->source = loop_remove(r->source);
	r->timer = loop_remove(r->timer);
	r->result.error = error;
	r->opts.fn(&r->result, r->opts.ctx);
	return 0;
}

static int recording_break(struct recording *r, const char *why)
{
	return recording_end(
		r, refuse(&r->result.refusal, 503, "the recording broke off: %s; try again", why));
}

static unsigned int status_of(int error)
{
	switch (error) {
	case -EPERM:
	case -EACCES:
		return 403;
	case -ESRCH:
	case -ENOENT:
		return 404;
	case -EINVAL:
	case -ERANGE:
	case -EOPNOTSUPP:
		return 400;
	case -EBUSY:
	case -EUSERS:
	case -EAGAIN:
	case -EMFILE:
		return 429;
	default:
		return 503;
	}
}

static int on_failed(struct recording *r, const struct session_failed *m)
{
	int e = refuse(&r->result.refusal, status_of(m->error), "%.*s", (int)m->text_len, m->text);

	r->result.refusal.retry_s = m->retry_s;
	return recording_end(r, e);
}

static int on_profile(struct recording *r, const struct session_profile *m, int *fd)
{
	if (r->result.fd >= 0 || m->kind != SESSION_PROFILE_MERGED ||
	    session_profile_check(m, *fd) < 0)
		return recording_break(r, "the sampler sent something else than one profile");
	r->result.fd = TAKE_FD(*fd);
	r->result.bytes = m->bytes;
	return 0;
}

static int on_message(struct recording *r, int type, const union session_message *m, int *fd)
{
	switch (type) {
	case SESSION_STARTED:
		r->started = true;
		r->result.from_real_ns = m->started.from_real_ns;
		r->result.hz = m->started.hz;
		return 0;
	case SESSION_PROGRESS:
	case SESSION_NOTE:
		return 0;
	case SESSION_FAILED:
		return on_failed(r, &m->failed);
	case SESSION_PROFILE:
		if (r->started)
			return on_profile(r, &m->profile, fd);
		break;
	case SESSION_END:
		if (!r->started)
			break;
		r->result.duration_ns = m->end.duration_ns;
		return recording_end(r, 0);
	}
	return recording_break(r, "the sampler sent a message out of turn");
}

static int recording_on_socket(struct loop_source *s, uint32_t events, void *ctx)
{
	struct recording *r = ctx;
	_cleanup_close_ int fd = -EBADF;
	union session_message m;
	int type = session_receive(r->fd, &m, &fd);

	if (type == -EAGAIN)
		return 0;
	if (type > 0)
		return on_message(r, type, &m, &fd);
	return recording_break(r, type == 0 ? "the sampler is gone"
					    : "the sampler sent a message that makes no sense");
}

static int recording_on_timer(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	return recording_break(ctx, "the sampler said nothing for too long");
}

static int recording_open(struct recording *r)
{
	_cleanup_close_ int theirs = -EBADF;
	int ends[2], e;

	e = seqpacket_pair(ends);
	if (e < 0)
		return e;
	r->fd = ends[0];
	theirs = ends[1];
	e = link_send_client(r->opts.link, &r->opts.client, theirs);
	if (e < 0)
		return e;
	return seqpacket_send(r->fd, &r->opts.start, sizeof(r->opts.start), -EBADF);
}

static int recording_watch(struct recording *r, uint64_t now_ns)
{
	int e;

	e = loop_add_io(r->opts.loop, r->fd, EPOLLIN, RECORDING_PRIORITY, recording_on_socket, r,
			&r->source);
	if (e < 0)
		return e;
	e = loop_add_timer(r->opts.loop, RECORDING_PRIORITY, recording_on_timer, r, &r->timer);
	if (e < 0)
		return e;
	loop_timer_set(r->timer, now_ns + r->opts.start.duration_ns + RECORDING_PATIENCE_NS);
	return 0;
}

int recording_start(const struct recording_opts *opts, uint64_t now_ns, struct recording **ret)
{
	struct recording *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	r->opts = *opts;
	r->opts.start.head =
		(struct wire_head){ .size = sizeof(r->opts.start), .type = SESSION_START };
	r->opts.client.head =
		(struct wire_head){ .size = sizeof(r->opts.client), .type = CONTROL_CLIENT };
	r->fd = -EBADF;
	r->result.fd = -EBADF;
	e = recording_open(r);
	if (e == 0)
		e = recording_watch(r, now_ns);
	if (e < 0) {
		(void)recording_free(r);
		return e;
	}
	*ret = r;
	return 0;
}
