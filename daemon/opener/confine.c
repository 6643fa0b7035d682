/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The opener follows paths of other processes, and reads no more of them than the kernel's own texts.
 * It opens for reading alone: what it may look at it may not change. openat2(2) has its flags in memory,
 * where no filter sees them; a file that somebody made it open for writing by that could still not be
 * written to, for there is no call to write with but to standard error and sockets, and none that maps a
 * file.
 *
 * No Landlock: whoever is in such a domain may not look into processes outside of it, and that is all
 * this role is for (ADR 32).
 */

#include "confine.h"

#include <fcntl.h>
#include <linux/nsfs.h>

#include "cprof/base/cleanup.h"
#include "cprof/procfs.h"
#include "cprof/sandbox.h"
#include "cprof/wire.h"

#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE)

static const struct sandbox_call confine_calls[] = {
	SANDBOX_HEAP,
	SANDBOX_END,
	/* The loop, and the sources that come with a new neighbour. */
	SANDBOX_CALL(epoll_pwait2),
	SANDBOX_CALL(epoll_ctl),
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

static const struct sandbox_limit confine_limits[] = {
	{ RLIMIT_AS, 256u << 20 },
	{ RLIMIT_CPU, 3600 }, /* in all; another one goes on */
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_NOFILE, 64 },
};

int confine(struct wire_sandbox *ret)
{
	int calls, r;

	*ret = (struct wire_sandbox){ .head = { .size = sizeof(*ret), .type = WIRE_SANDBOX } };
	r = sandbox_close();
	if (r < 0)
		return r;
	r = sandbox_limit(confine_limits, ELEMENTSOF(confine_limits));
	if (r < 0)
		return r;
	calls = sandbox_only_calls(confine_calls, ELEMENTSOF(confine_calls));
	if (calls < 0)
		return calls;
	*(calls ? &ret->layers : &ret->missing) |= WIRE_LAYER_CALLS;
	return 0;
}
