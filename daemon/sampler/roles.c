/* SPDX-License-Identifier: Apache-2.0 */

/*
 * roles — the link to the launcher: it brings the ends of sockets to our neighbours, at the start and
 * whenever one of them was restarted, and we tell it which one hangs or lies.
 */

#include <errno.h>
#include <sys/epoll.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "always.h"
#include "recording.h"

#define PRIORITY_CONTROL 0
#define PRIORITY_NEIGHBOUR 20

static int take_opener(struct sampler *s, int fd, uint32_t pid)
{
	s->opener = loop_remove(s->opener);
	naming_set_opener(s, fd);
	naming_meet(s, &s->opener_at, pid);
	return loop_add_io(s->loop, fd, EPOLLIN, PRIORITY_NEIGHBOUR, naming_on_opener, s,
			   &s->opener);
}

static int take_symbolizer(struct sampler *s, int fd, uint32_t pid)
{
	s->symbolizer = loop_remove(s->symbolizer);
	symbolize_set_symbolizer(s->symbolize, fd, clock_mono_ns());
	naming_meet(s, &s->symbolizer_at, pid);
	return loop_add_io(s->loop, fd, EPOLLIN, PRIORITY_NEIGHBOUR, naming_on_symbolizer, s,
			   &s->symbolizer);
}

/* The client whose private sampler we are: it runs with root's rights, or in root's stead. */
static int take_client(struct sampler *s, int fd)
{
	const struct session_peer peer = { .fd = fd, .sees_all = true };

	s->is_private = true;
	return session_attach(s, &peer);
}

/* Takes the descriptor over in every case. */
static int take_peer(struct sampler *s, const struct wire_peer *m, int peer_fd)
{
	_cleanup_close_ int fd = peer_fd;
	int r;

	if (fd < 0)
		return 0;
	r = confine(s, -EBADF);
	if (r < 0)
		return r;
	switch (m->role) {
	case WIRE_ROLE_OPENER:
		return take_opener(s, TAKE_FD(fd), m->pid);
	case WIRE_ROLE_SYMBOLIZER:
		return take_symbolizer(s, TAKE_FD(fd), m->pid);
	case WIRE_ROLE_CLIENT:
		return take_client(s, TAKE_FD(fd));
	case WIRE_ROLE_FRONT:
		return s->always ? front_attach(s, TAKE_FD(fd)) : 0;
	default:
		return 0;
	}
}

/* The first makes us the daemon's. */
static int take_config(struct sampler *s, const struct wire_config *m)
{
	int r = 0;

	if (!s->always)
		r = always_new(s, &s->always);
	return r < 0 ? r : always_configure(s->always, m);
}

static int take_spool(struct sampler *s, int dir_fd)
{
	_cleanup_close_ int fd = dir_fd;
	int r;

	if (!s->always || fd < 0)
		return 0;
	r = confine(s, fd); /* its thread is to be born into it */
	return r < 0 ? r : always_set_spool(s->always, TAKE_FD(fd));
}

/* Recordings keep what they can hand over until the last window is on the disk. */
static void take_stop(struct sampler *s)
{
	const bool waits = session_stop_all(s);

	if (s->always)
		always_stop(s->always);
	else if (!waits)
		loop_exit(s->loop, 0);
}

/* Of a launcher of another version: it would wait for us to begin. */
static bool is_strange_config(const void *msg, ssize_t sz)
{
	const struct wire_head *head = msg;

	if (sz == -EMSGSIZE)
		return head->type == WIRE_CONFIG;
	return sz >= (ssize_t)sizeof(*head) && head->type == WIRE_CONFIG &&
	       wire_check(msg, (size_t)sz) < 0;
}

/* Whoever it was, it may have been the symbolizer, taken over by a file. */
static void take_violations(struct sampler *s, const struct wire_sandbox *m)
{
	__u64 *cnt = &s->counters.v[COUNTER_sandbox_violations];

	if (m->violations > *cnt)
		naming_disbelieve(s);
	*cnt = m->violations;
}

static int on_control(struct loop_source *src, uint32_t events, void *ctx)
{
	struct sampler *s = ctx;
	uint8_t buf[sizeof(struct wire_config)] __attribute__((aligned(8)));
	_cleanup_close_ int fd = -EBADF;
	ssize_t sz = seqpacket_recv(WIRE_CONTROL_FD, buf, sizeof(buf), &fd);

	if (sz == -EAGAIN)
		return 0;
	if (is_strange_config(buf, sz)) {
		always_refuse(s->always);
		return 0;
	}
	if (sz <= 0) {
		loop_exit(s->loop, 0); /* the launcher is gone, and so are we */
		return 0;
	}
	switch (wire_check(buf, (size_t)sz)) {
	case WIRE_PEER:
		return take_peer(s, (const void *)buf, TAKE_FD(fd));
	case WIRE_CONFIG:
		return take_config(s, (const void *)buf);
	case WIRE_SPOOL:
		return take_spool(s, TAKE_FD(fd));
	case WIRE_ROLES:
		if (s->always)
			always_set_roles(s->always, (const void *)buf);
		return 0;
	case WIRE_SANDBOX:
		take_violations(s, (const void *)buf);
		return 0;
	case WIRE_STOP:
		take_stop(s);
		return 0;
	default:
		return 0;
	}
}

int roles_begin(struct sampler *s)
{
	const struct wire_head ready = { .size = sizeof(ready), .type = WIRE_READY };
	int r;

	r = loop_add_io(s->loop, WIRE_CONTROL_FD, EPOLLIN, PRIORITY_CONTROL, on_control, s,
			&s->control);
	if (r < 0)
		return log_error(r, "no launcher on descriptor %d: %m", WIRE_CONTROL_FD);
	return seqpacket_send(WIRE_CONTROL_FD, &ready, sizeof(ready), -EBADF);
}

void roles_replace(struct sampler *s, enum wire_role role)
{
	const struct wire_peer m = {
		.head = { .size = sizeof(m), .type = WIRE_PEER },
		.role = role,
	};

	(void)seqpacket_send(WIRE_CONTROL_FD, &m, sizeof(m), -EBADF);
}
