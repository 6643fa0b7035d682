/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A fork of the desk with a filter of its own beneath the desk's. It keeps the socket to the symbolizer and its
 * link, so that one that hangs for ever holds nothing else of ours: whoever waits for the end of a socket
 * of the desk's does not wait for it.
 */

#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "serve.h"

/* Where its two descriptors are: the desk's control socket has the first number. */
#define WORKER_LINK WIRE_CONTROL_FD
#define WORKER_SYMBOLIZER (WIRE_CONTROL_FD + 1)

static int arrange(int link, int symbolizer)
{
	if (dup2(link, WORKER_LINK) < 0)
		return -errno;
	if (symbolizer < 0)
		(void)close(WORKER_SYMBOLIZER);
	else if (dup2(symbolizer, WORKER_SYMBOLIZER) < 0)
		return -errno;
	return close_range(WORKER_SYMBOLIZER + 1, ~0U, 0) < 0 ? -errno : 0;
}

/* Until the desk has no more questions: the exit status. */
static int live(struct server *s)
{
	union question q;
	union reply reply;

	for (;;) {
		struct pollfd wait = { .fd = WORKER_LINK, .events = POLLIN };
		ssize_t n = seqpacket_recv(WORKER_LINK, &q, sizeof(q), NULL);

		if (n == -EAGAIN) {
			(void)poll(&wait, 1, -1);
			continue;
		}
		if (n <= 0)
			return n < 0;
		if (wire_check(&q, (size_t)n) < 0)
			return EXIT_FAILURE;
		serve(s, &q, &reply);
		if (seqpacket_send(WORKER_LINK, &reply, reply.head.size, -EBADF) < 0)
			return EXIT_FAILURE;
	}
}

/* A name of its own: who looks for the opener by name finds the desk. */
static _Noreturn void begin(int link, int symbolizer, pid_t desk)
{
	struct server s = { .root = ROOT_INIT, .symbolizer = -EBADF };
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != desk)
		_exit(EXIT_FAILURE);
	(void)prctl(PR_SET_NAME, "cprofd-looker");
	r = arrange(link, symbolizer);
	if (r == 0)
		r = root_open(&s.root, "/");
	if (r == 0)
		r = confine_worker();
	if (r < 0) {
		log_error(r, "a worker cannot begin: %m");
		_exit(EXIT_FAILURE);
	}
	if (symbolizer >= 0)
		s.symbolizer = WORKER_SYMBOLIZER;
	_exit(live(&s));
}

int worker_start(int symbolizer, struct worker_process *ret)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	pid_t desk = getpid(), pid;
	int fds[2], r, pidfd;

	r = seqpacket_pair(fds);
	if (r < 0)
		return r;
	ours = fds[0];
	theirs = fds[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		begin(theirs, symbolizer, desk);
	/* It cannot be anybody else's pid: nobody waited for it yet. */
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		r = -errno;
		(void)kill(pid, SIGKILL);
		return r;
	}
	*ret = (struct worker_process){ .pid = pid, .pidfd = pidfd, .link = TAKE_FD(ours) };
	return 0;
}
