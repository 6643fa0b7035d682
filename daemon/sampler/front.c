/* SPDX-License-Identifier: Apache-2.0 */

/*
 * front — the link to the role that talks to people (cprof/control.h).
 *
 * It is the weaker side: each of its messages is checked, one that makes no sense has it replaced, and
 * an answer that it does not take is dropped, for it asks again. Connections that it passes on become
 * recordings of their own.
 */

#include <stdio.h>
#include <sys/epoll.h>

#include "always.h"
#include "cprof/base/clock.h"
#include "cprof/base/sealed.h"
#include "cprof/base/seqpacket.h"
#include "cprof/control.h"
#include "recording.h"

/* Before clients, whom it brings: a question must not wait behind what they ask for. */
#define PRIORITY_FRONT 28

/* Of the questions; what is longer is none. */
#define FRONT_MESSAGE_MAX 64
/* In a round: a question that stands behind so many connections is answered in it. */
#define FRONT_BATCH 256

static void lose_front(struct sampler *s, bool replace)
{
	s->front = loop_remove(s->front);
	s->front_fd = fd_close(s->front_fd);
	if (replace)
		roles_replace(s, WIRE_ROLE_FRONT);
}

static int send_status(struct sampler *s, uint64_t id)
{
	_cleanup_free_ struct control_status *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	status_fill(s->always, m);
	m->head = (struct wire_head){ .size = sizeof(*m), .type = CONTROL_STATUS, .id = id };
	return seqpacket_send(s->front_fd, m, sizeof(*m), -EBADF);
}

static int send_processes(struct sampler *s, uint64_t id)
{
	const struct always_processes *p = &s->always->processes;
	/* Each asker has a file of his own: the position in it is shared with whom it is passed on to. */
	_cleanup_close_ int fd = sealed_new("cprof-processes", p->v.v, p->v.cnt * sizeof(*p->v.v));
	const struct control_processes m = {
		.head = { .size = sizeof(m), .type = CONTROL_PROCESSES, .id = id },
		.window_ns = p->window_ns,
		.from_real_ns = p->from_real_ns,
		.cnt = fd < 0 ? 0 : (uint32_t)p->v.cnt,
		.cpus = p->cpus,
	};

	return seqpacket_send(s->front_fd, &m, sizeof(m), fd);
}

static int attach_client(struct sampler *s, const struct control_client *m, int fd)
{
	const struct session_peer peer = {
		.fd = fd,
		.uid = m->uid,
		.sees_all = m->flags & CONTROL_ALL,
	};

	return session_attach(s, &peer);
}

/* What it makes no sense to answer is a lie; what cannot be sent now is asked for again. */
static int answer(struct sampler *s, const void *msg, size_t sz, int passed_fd)
{
	_cleanup_close_ int fd = passed_fd;
	const struct wire_head *head = msg;
	const struct control_client *client = msg;

	switch (control_check(msg, sz)) {
	case CONTROL_STATUS:
		return sz == sizeof(*head) ? send_status(s, head->id) : -EBADMSG;
	case CONTROL_PROCESSES:
		return sz == sizeof(*head) ? send_processes(s, head->id) : -EBADMSG;
	case CONTROL_CLIENT:
		return fd < 0 ? -EBADMSG : attach_client(s, client, TAKE_FD(fd));
	default:
		return -EBADMSG;
	}
}

/* One message; false: there is no more. */
static bool take_message(struct sampler *s)
{
	uint8_t buf[FRONT_MESSAGE_MAX] __attribute__((aligned(8)));
	int fd = -EBADF, r;
	ssize_t sz = seqpacket_recv(s->front_fd, buf, sizeof(buf), &fd);

	if (sz == -EAGAIN)
		return false;
	if (sz == 0 || sz == -ECONNRESET || sz == -EPIPE) {
		lose_front(s, false);
		return false;
	}
	r = sz < 0 ? -EBADMSG : answer(s, buf, (size_t)sz, fd);
	if (r == -EBADMSG)
		lose_front(s, true);
	return r != -EBADMSG;
}

static int on_front(struct loop_source *src, uint32_t events, void *ctx)
{
	unsigned int cnt = 0;

	while (cnt < FRONT_BATCH && take_message(ctx))
		cnt++;
	return 0;
}

void front_done(struct sampler *s)
{
	lose_front(s, false);
}

int front_attach(struct sampler *s, int fd)
{
	lose_front(s, false);
	s->front_fd = fd;
	return loop_add_io(s->loop, fd, EPOLLIN, PRIORITY_FRONT, on_front, s, &s->front);
}
