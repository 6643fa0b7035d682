/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whoever sends a memfd may keep it and write to it, or cut it short under a reader that mapped it. So
 * it must be sealed against the first, and it is read with pread(2), which no shrinking turns into a
 * SIGBUS.
 */

#include "cprof/base/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/fd.h"

int sealed_check(int fd, uint64_t bytes)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_WRITE))
		return -EBADMSG;
	if (fstat(fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size == bytes ? 0 : -EBADMSG;
}

int sealed_read(int fd, void *dst, size_t sz)
{
	ssize_t n = fd_pread_upto(fd, dst, sz, 0);

	if (n < 0)
		return (int)n;
	return (size_t)n == sz ? 0 : -EBADMSG;
}
