/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Children. Gate and error report share one socketpair: we send a byte, the child sends an errno or
 * its end closes by exec. A socket and not two pipes, because a write to a child that was killed
 * must be an error (MSG_NOSIGNAL) and not a SIGPIPE.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cprof/base/clock.h"
#include "cprof/wire.h"

#define CHILD_KILLED_MS 2000  /* one that hangs in the kernel is abandoned */
#define CHILD_EXIT_UNUSED 127 /* nobody is told: the errno went through the gate */

/* Puts the descriptors of a helper in place; *gate moves out of the way. */
static int child_arrange(int control_fd, int *gate)
{
	_cleanup_close_ int null = -EBADF;
	int moved;

	if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return -errno;
	moved = fcntl(*gate, F_DUPFD_CLOEXEC, WIRE_CONTROL_FD + 1);
	if (moved < 0)
		return -errno;
	*gate = moved;
	/* dup2() onto itself would leave close-on-exec set. */
	moved = fcntl(control_fd, F_DUPFD_CLOEXEC, WIRE_CONTROL_FD + 1);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (moved < 0 || null < 0)
		return -errno;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    dup2(moved, WIRE_CONTROL_FD) < 0)
		return -errno;
	/* What our caller left open without close-on-exec is no business of a helper. */
	if (close_range(WIRE_CONTROL_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	return 0;
}

__attribute__((noreturn)) static void child_main(const struct child_setup *setup, int gate)
{
	char byte;
	int error = 0;

	if (setup->control_fd >= 0)
		error = -child_arrange(setup->control_fd, &gate);
	if (error == 0) {
		if (TEMP_FAILURE_RETRY(read(gate, &byte, 1)) != 1)
			_exit(CHILD_EXIT_UNUSED);
		(void)sigprocmask(SIG_SETMASK, setup->mask, NULL);
		if (setup->search)
			(void)execvp(setup->argv[0], setup->argv);
		else
			(void)execv(setup->argv[0], setup->argv);
		error = errno;
	}
	(void)send(gate, &error, sizeof(error), MSG_NOSIGNAL);
	_exit(CHILD_EXIT_UNUSED);
}

int child_fork(struct child *c, const struct child_setup *setup)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	ours = ends[0];
	theirs = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)close(ours);
		child_main(setup, theirs);
	}
	*c = CHILD_INIT;
	c->pid = pid;
	c->gate = TAKE_FD(ours);
	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return c->pidfd < 0 ? -errno : 0;
}

int child_release(struct child *c)
{
	int error = 0;
	ssize_t n;

	assert(c->gate >= 0);
	/* A child that is gone already is seen by the read. */
	(void)send(c->gate, "", 1, MSG_NOSIGNAL);
	n = TEMP_FAILURE_RETRY(read(c->gate, &error, sizeof(error)));
	c->gate = fd_close(c->gate);
	if (n != (ssize_t)sizeof(error))
		return 0;
	child_finish(c, 1000, false);
	return -error;
}

bool child_reap(struct child *c)
{
	struct rusage ru;
	pid_t pid;

	if (c->pid == 0)
		return true;
	pid = TEMP_FAILURE_RETRY(wait4(c->pid, &c->status, WNOHANG, &ru));
	if (pid == 0)
		return false;
	c->pid = 0;
	if (pid > 0)
		c->cpu_ns = ((uint64_t)ru.ru_utime.tv_sec + (uint64_t)ru.ru_stime.tv_sec) *
				    NSEC_PER_SEC +
			    ((uint64_t)ru.ru_utime.tv_usec + (uint64_t)ru.ru_stime.tv_usec) * 1000;
	return true;
}

/* True when it ended within @timeout_ms. */
static bool child_wait(struct child *c, int timeout_ms)
{
	struct pollfd pfd = { .fd = c->pidfd, .events = POLLIN };
	uint64_t until = clock_mono_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC;

	while (!child_reap(c)) {
		uint64_t now = clock_mono_ns();

		if (now >= until)
			return false;
		(void)poll(&pfd, 1, (int)((until - now) / NSEC_PER_MSEC) + 1);
	}
	return true;
}

void child_finish(struct child *c, int timeout_ms, bool group)
{
	if (child_wait(c, timeout_ms))
		return;
	/* Its number is its own until we reap it. */
	(void)kill(group ? -c->pid : c->pid, SIGKILL);
	(void)child_wait(c, CHILD_KILLED_MS);
}

void child_done(struct child *c)
{
	c->gate = fd_close(c->gate);
	c->pidfd = fd_close(c->pidfd);
}

int child_exit_status(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}
