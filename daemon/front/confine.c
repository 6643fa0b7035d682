/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The front accepts connections on two sockets that it was given, reads /proc to find out whose a process
 * is, and lists the spool in a process of its own. It makes no connection, and writes to no file but
 * memory files.
 *
 * libmicrohttpd's own threads, polls and listening are not used, so its calls are few: these are of
 * version 0.9.75.
 */

#include "confine.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/seqpacket.h"
#include "cprof/sandbox.h"
#include "cprof/wire.h"

/* fork() of libc; no thread, no namespace. */
#define FORK_FLAGS (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)
#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE)

static const struct sandbox_call confine_calls[] = {
	SANDBOX_HEAP,
	SANDBOX_END,
	/* Two loops, ours and the library's. */
	SANDBOX_CALL(epoll_pwait2),
	SANDBOX_CALL(epoll_wait),
	SANDBOX_CALL(epoll_ctl),
	/* The sampler's and the launcher's messages, and how many of ours wait to be read. */
	SANDBOX_CALL(recvmsg),
	SANDBOX_CALL(sendmsg),
	SANDBOX_CALL_IF(ioctl, 1, EQUAL, SIOCOUTQ),
	/* Connections: who is there, what he wants, the answer. The library asks for options of TCP. */
	SANDBOX_CALL(accept4),
	SANDBOX_CALL_IF(getsockopt, 1, EQUAL, SOL_SOCKET),
	SANDBOX_CALL_IF(setsockopt, 1, EQUAL, IPPROTO_TCP),
	SANDBOX_CALL(recvfrom),
	SANDBOX_CALL(sendto),
	SANDBOX_CALL(sendfile),
	SANDBOX_CALL(shutdown),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_GETFL),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_SETFL),
	/* A recording that is answered by HTTP: its session's two ends. */
	SANDBOX_CALL_IF(socketpair, 0, EQUAL, AF_UNIX),
	/* Answers of the sampler, and files of the spool on their way to who asked. */
	SANDBOX_CALL_IFS(mmap, SANDBOX_ARG(2, EQUAL, PROT_READ),
			 SANDBOX_ARG(3, EQUAL, MAP_PRIVATE)),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_GET_SEALS),
	SANDBOX_CALL(read),
	SANDBOX_CALL(pread64),
	SANDBOX_CALL(lseek),
	SANDBOX_CALL(close),
	/* Whose a process is, and whether there is one that /proc hides. */
	SANDBOX_CALL_IF(openat, 2, WITHOUT, OPEN_WRITES & ~O_DIRECTORY),
	SANDBOX_CALL(fstat),
	SANDBOX_CALL(newfstatat),
	SANDBOX_CALL_IF(kill, 1, EQUAL, 0),
	/* The lister: started, ended when it takes too long, and its end waited for. */
	SANDBOX_CALL_IF(clone, 0, EQUAL, FORK_FLAGS),
	SANDBOX_CALL(pidfd_open),
	SANDBOX_CALL_IF(kill, 1, EQUAL, SIGKILL),
	SANDBOX_CALL(wait4),
	/* What it does: a few descriptors in their places, directories, and a text of what is there. */
	SANDBOX_CALL(set_robust_list),
	SANDBOX_CALL(getppid),
	SANDBOX_CALL_IF(prctl, 0, EQUAL, PR_SET_PDEATHSIG),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_DUPFD_CLOEXEC),
	SANDBOX_CALL(dup2),
	SANDBOX_CALL(close_range),
	SANDBOX_CALL(getdents64),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_SETFD),
	SANDBOX_CALL(memfd_create),
	SANDBOX_CALL(write),
};

/* Others of this user may run: those of other daemons, and listers. Whoever is root in a container shares it. */
static const struct sandbox_limit confine_limits[] = {
	{ RLIMIT_AS, 1u << 30 },
	{ RLIMIT_NOFILE, 1024 },
	{ RLIMIT_FSIZE, 1u << 30 }, /* a listing */
};
static const struct sandbox_limit confine_processes = { RLIMIT_NPROC, 256 };

static int confine_paths(int spool)
{
	_cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct sandbox_path paths[] = {
		{ .fd = proc, .access = SANDBOX_READ },
		{ .fd = spool, .access = SANDBOX_READ },
	};

	return sandbox_only_paths(paths, ELEMENTSOF(paths));
}

int confine(int spool)
{
	struct wire_sandbox m = { .head = { .size = sizeof(m), .type = WIRE_SANDBOX } };
	int r, paths, calls;

	tzset();			/* it is read once */
	(void)signal(SIGXFSZ, SIG_IGN); /* standard error may be a file that is longer */
	r = sandbox_close();
	if (r == 0)
		r = sandbox_limit(confine_limits, ELEMENTSOF(confine_limits));
	if (r == 0 && getuid() != 0)
		r = sandbox_limit(&confine_processes, 1);
	if (r < 0)
		return r;
	paths = confine_paths(spool);
	if (paths < 0)
		return paths;
	calls = sandbox_only_calls(confine_calls, ELEMENTSOF(confine_calls));
	if (calls < 0)
		return calls;
	*(paths ? &m.layers : &m.missing) |= WIRE_LAYER_PATHS;
	*(calls ? &m.layers : &m.missing) |= WIRE_LAYER_CALLS;
	/* A launcher that does not hear it is gone, as the loop will see. */
	(void)seqpacket_send(WIRE_CONTROL_FD, &m, sizeof(m), -EBADF);
	return 0;
}
