/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The symbolizer reads descriptors that it was sent, computes, and sends answers and memory files. It
 * opens nothing, starts nothing and talks to nobody whom it was not connected with; a library that it
 * is made to run astray shall not do so either.
 *
 * With newfstatat(2) and a path it may still learn that a file is there and how long it is: libc has no
 * other fstat(2), and Landlock is about opening.
 */

#include "confine.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "cprof/base/cleanup.h"
#include "cprof/sandbox.h"
#include "cprof/wire.h"

static const struct sandbox_call confine_calls[] = {
	SANDBOX_HEAP,
	SANDBOX_END,
	/* The loop, and the sources that come with a new neighbour. */
	SANDBOX_CALL(epoll_pwait2),
	SANDBOX_CALL(epoll_ctl),
	/* Messages; a neighbour's socket is made to hold two of the largest. */
	SANDBOX_CALL(recvmsg),
	SANDBOX_CALL(sendmsg),
	SANDBOX_CALL_IFS(getsockopt, SANDBOX_ARG(1, EQUAL, SOL_SOCKET),
			 SANDBOX_ARG(2, EQUAL, SO_SNDBUF)),
	SANDBOX_CALL_IFS(setsockopt, SANDBOX_ARG(1, EQUAL, SOL_SOCKET),
			 SANDBOX_ARG(2, EQUAL, SO_SNDBUF)),
	SANDBOX_CALL_IFS(setsockopt, SANDBOX_ARG(1, EQUAL, SOL_SOCKET),
			 SANDBOX_ARG(2, EQUAL, SO_SNDBUFFORCE)),
	/* Files as they were sent; kallsyms is no file that pread(2) could read in pieces. */
	SANDBOX_CALL(close),
	SANDBOX_CALL(read),
	SANDBOX_CALL(pread64),
	SANDBOX_CALL(lseek),
	SANDBOX_CALL(fstat),
	SANDBOX_CALL_IF(newfstatat, 3, EQUAL, AT_EMPTY_PATH),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_DUPFD_CLOEXEC),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_GETFD),
	/* Rows: a sealed memory file. No other that is open here can be written to. */
	SANDBOX_CALL(memfd_create),
	SANDBOX_CALL(write),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_ADD_SEALS),
	/* Memory= of the configuration, at any time. */
	SANDBOX_CALL_IFS(prlimit64, SANDBOX_ARG(0, EQUAL, 0), SANDBOX_ARG(1, EQUAL, RLIMIT_DATA)),
};

/*
 * Memory is bounded by RLIMIT_DATA, as configured; addresses are bounded above that, for what else can
 * be mapped. A process that has computed for an hour in all is started anew, and reads again what is in use.
 */
static const struct sandbox_limit confine_limits[] = {
	{ RLIMIT_AS, 512u << 20 },
	{ RLIMIT_CPU, 3600 },
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_NOFILE, 1024 },
	{ RLIMIT_FSIZE, WIRE_ROWS_BYTES_MAX },
};

int confine(struct wire_sandbox *ret)
{
	int paths, calls, r;

	*ret = (struct wire_sandbox){ .head = { .size = sizeof(*ret), .type = WIRE_SANDBOX } };
	(void)unsetenv("DEBUGINFOD_URLS");
	(void)signal(SIGXFSZ, SIG_IGN); /* standard error may be a file that is longer */
	r = sandbox_close();
	if (r < 0)
		return r;
	r = sandbox_limit(confine_limits, ELEMENTSOF(confine_limits));
	if (r < 0)
		return r;
	paths = sandbox_only_paths(NULL, 0);
	if (paths < 0)
		return paths;
	calls = sandbox_only_calls(confine_calls, ELEMENTSOF(confine_calls));
	if (calls < 0)
		return calls;
	*(paths ? &ret->layers : &ret->missing) |= WIRE_LAYER_PATHS;
	*(calls ? &ret->layers : &ret->missing) |= WIRE_LAYER_CALLS;
	return 0;
}
