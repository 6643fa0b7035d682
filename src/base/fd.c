/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One loop for each of the three calls: EINTR is no answer, 0 is the end of a file, and less than asked
 * for is a reason to ask again (files of /proc come in pieces).
 */

#include "cprof/base/fd.h"

#include <errno.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"

/* From @offset on, or from where the file stands: NULL. */
static ssize_t read_upto(int fd, char *dst, size_t sz, const uint64_t *offset)
{
	size_t done = 0;

	while (done < sz) {
		ssize_t n = offset ? pread(fd, dst + done, sz - done, (off_t)(*offset + done))
				   : read(fd, dst + done, sz - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t fd_read_upto(int fd, void *dst, size_t sz)
{
	return read_upto(fd, dst, sz, NULL);
}

ssize_t fd_pread_upto(int fd, void *dst, size_t sz, uint64_t offset)
{
	return read_upto(fd, dst, sz, &offset);
}

int fd_write_all(int fd, const void *src, size_t sz)
{
	size_t done = 0;

	while (done < sz) {
		ssize_t n = write(fd, (const char *)src + done, sz - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO; /* 0 would go on for ever */
		done += (size_t)n;
	}
	return 0;
}

DIR *fd_opendir(int fd)
{
	_cleanup_close_ int own = fd;
	DIR *dir;

	if (own < 0) {
		errno = -own;
		return NULL;
	}
	dir = fdopendir(own);
	if (dir)
		(void)TAKE_FD(own);
	return dir;
}
