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
	size_t done = 0;

	while (done < sz) {
		ssize_t n = pread(fd, (char *)dst + done, sz - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}
