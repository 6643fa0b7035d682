/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The opener follows paths of other processes, and reads no more of them than the kernel's own texts.
 * It opens for reading alone: what it may look at it may not change. openat2(2) has its flags in memory,
 * where no filter sees them; a file that somebody made it open for writing by that could still not be
 * written to, for there is no call to write with but to standard error and sockets, and none that maps a
 * file.
 *
 * The desk starts workers, which look, and may start nothing; what it may do beyond them is their filter's
 * upper half, for a filter cannot be made weaker.
 *
 * No Landlock: whoever is in such a domain may not look into processes outside of it, and that is all
 * this role is for (ADR 32).
 */

#include "confine.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cprof/base/cleanup.h"
#include "cprof/procfs.h"
#include "cprof/sandbox.h"
#include "cprof/wire.h"

#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE)

/* glibc's fork(). */
#define FORK_FLAGS (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)

/* A worker's, of whom one question at a time is asked. */
static const struct sandbox_call confine_worker_calls[] = {
	SANDBOX_HEAP,
	SANDBOX_END,
	SANDBOX_CALL(poll),
	/* Messages: questions, answers, descriptors. */
	SANDBOX_CALL(recvmsg),
	SANDBOX_CALL(sendmsg),
	/* A file: first a handle, then what it is, then what its path is, then its bytes for another. */
	SANDBOX_CALL_IF(openat, 2, WITHOUT, OPEN_WRITES & ~O_DIRECTORY),
	SANDBOX_CALL(openat2),
	SANDBOX_CALL(close),
	SANDBOX_CALL(statx),
	SANDBOX_CALL(fstat),
	SANDBOX_CALL_IF(newfstatat, 3, EQUAL, AT_EMPTY_PATH),
	SANDBOX_CALL(readlinkat),
	SANDBOX_CALL(fstatfs),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_DUPFD_CLOEXEC),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_GETFD),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_GETFL),
	/* Texts of /proc: stat, status, maps, mountinfo. */
	SANDBOX_CALL(read),
	SANDBOX_CALL(pread64),
	SANDBOX_CALL(lseek),
	/* Which mapping holds an address, and whose a mount namespace is. */
	SANDBOX_CALL_IF(ioctl, 1, EQUAL, PROCFS_MAPS_QUERY),
	SANDBOX_CALL_IF(ioctl, 1, EQUAL, NS_GET_USERNS),
};

/* The desk's own, before those of its workers, which begin under its filter. */
static const struct sandbox_call confine_desk_calls[] = {
	/* The loop, and the sources that come with a new neighbour. */
	SANDBOX_CALL(epoll_pwait2),
	SANDBOX_CALL(epoll_ctl),
	/* Workers: started, killed, seen ending. */
	SANDBOX_CALL_IF(clone, 0, EQUAL, FORK_FLAGS),
	SANDBOX_CALL_IF(socketpair, 0, EQUAL, AF_UNIX),
	SANDBOX_CALL(pidfd_open),
	SANDBOX_CALL(kill),
	SANDBOX_CALL_IF(waitid, 0, EQUAL, P_PID),
	/* What one does before it is confined: a name, its end with ours, its two descriptors, no other process. */
	SANDBOX_CALL(set_robust_list),
	SANDBOX_CALL(getppid),
	SANDBOX_CALL_IF(prctl, 0, EQUAL, PR_SET_NAME),
	SANDBOX_CALL_IF(prctl, 0, EQUAL, PR_SET_PDEATHSIG),
	SANDBOX_CALL_IF(prctl, 0, EQUAL, PR_SET_NO_NEW_PRIVS),
	SANDBOX_CALL(dup2),
	SANDBOX_CALL(close_range),
	SANDBOX_CALL(prlimit64),
	SANDBOX_CALL_IF(seccomp, 0, EQUAL, SECCOMP_SET_MODE_FILTER),
};

static const struct sandbox_limit confine_limits[] = {
	{ RLIMIT_AS, 256u << 20 },
	{ RLIMIT_CPU, 3600 }, /* in all; another one goes on */
	{ RLIMIT_NOFILE, 128 },
};

/* Workers of several daemons and recordings may share our user. */
static const struct sandbox_limit confine_processes = { RLIMIT_NPROC, 512 };
static const struct sandbox_limit confine_no_process = { RLIMIT_NPROC, 0 };

int confine_worker(void)
{
	int r = sandbox_limit(&confine_no_process, 1);

	if (r < 0)
		return r;
	r = sandbox_only_calls(confine_worker_calls, ELEMENTSOF(confine_worker_calls));
	return r < 0 ? r : 0;
}

int confine(struct wire_sandbox *ret)
{
	struct sandbox_call all[ELEMENTSOF(confine_desk_calls) + ELEMENTSOF(confine_worker_calls)];
	int calls, r;

	*ret = (struct wire_sandbox){ .head = { .size = sizeof(*ret), .type = WIRE_SANDBOX } };
	r = sandbox_close();
	if (r < 0)
		return r;
	r = sandbox_limit(confine_limits, ELEMENTSOF(confine_limits));
	if (r < 0)
		return r;
	/* Who stayed root in a user namespace shares root's count. */
	r = geteuid() != 0 ? sandbox_limit(&confine_processes, 1) : 0;
	if (r < 0)
		return r;
	memcpy(all, confine_desk_calls, sizeof(confine_desk_calls));
	memcpy(all + ELEMENTSOF(confine_desk_calls), confine_worker_calls,
	       sizeof(confine_worker_calls));
	calls = sandbox_only_calls(all, ELEMENTSOF(all));
	if (calls < 0)
		return calls;
	*(calls ? &ret->layers : &ret->missing) |= WIRE_LAYER_CALLS;
	return 0;
}
