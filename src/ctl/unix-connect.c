/* SPDX-License-Identifier: Apache-2.0 */

/*
 * connect(2) to a socket whose queue is full fails at once with EAGAIN, and poll(2) cannot wait for it,
 * so that this is tried again in short pauses.
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "unix-connect.h"

#define CONNECT_PAUSE_NS (20 * NSEC_PER_MSEC)

int unix_connect(const char *path, int type, uint64_t patience_ns)
{
	const struct timespec pause = { .tv_nsec = CONNECT_PAUSE_NS };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	uint64_t until = clock_mono_ns() + patience_ns;
	_cleanup_close_ int fd = -EBADF;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int r = -errno;

		if (r != -EAGAIN && r != -EINTR)
			return r;
		if (clock_mono_ns() >= until)
			return -EAGAIN;
		(void)nanosleep(&pause, NULL);
	}
	return TAKE_FD(fd);
}
