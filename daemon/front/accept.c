/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whoever connects is taken in, were it only to be sent away: a connection that stays in the kernel's
 * queue is one that root must stand behind. When the system has no descriptor left, the socket is not
 * looked at until the next tick, for it would be readable all the time.
 */

#include "accept.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "cprof/base/cleanup.h"
#include "rights.h"

#define ACCEPT_BATCH 64

static int acceptor_on_ready(struct loop_source *s, uint32_t events, void *ctx)
{
	struct acceptor *a = ctx;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct peer peer = { .uid = UINT32_MAX };
		int r;

		if (fd < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
			a->source = loop_remove(a->source);
			a->starved(a->ctx);
		}
		/* Anything else is of one connection, or nothing there. */
		if (fd < 0)
			return 0;
		r = rights_of(fd, a->control_gid, &peer);
		a->fn(fd, &peer, r, a->ctx);
	}
	return 0;
}

void acceptor_resume(struct acceptor *a)
{
	if (a->fd >= 0 && !a->source)
		(void)loop_add_io(a->loop, a->fd, EPOLLIN, a->priority, acceptor_on_ready, a,
				  &a->source);
}

int acceptor_listen(struct acceptor *a, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	acceptor_done(a);
	a->fd = fd;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return loop_add_io(a->loop, a->fd, EPOLLIN, a->priority, acceptor_on_ready, a, &a->source);
}

void acceptor_done(struct acceptor *a)
{
	a->source = loop_remove(a->source);
	a->fd = fd_close(a->fd);
}
