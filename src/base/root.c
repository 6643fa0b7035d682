/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A directory descriptor and openat(2). Symbolic links are followed as everywhere else: a recorded
 * tree is the tester's own, and below the real root the magic links of /proc must work.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/base/root.h"

int root_open(struct root *root, const char *path)
{
	int fd;

	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	root->fd = fd;
	return 0;
}

void root_done(struct root *root)
{
	root->fd = fd_close(root->fd);
}

int root_open_file(const struct root *root, const char *path, int flags)
{
	int fd;

	assert(path[0] != '/');

	do
		fd = openat(root->fd, path, flags | O_CLOEXEC | O_NOCTTY);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int root_read(const struct root *root, const char *path, char *dst, size_t dst_sz)
{
	_cleanup_close_ int fd = -EBADF;
	ssize_t len;

	assert(dst_sz > 0 && dst_sz <= INT_MAX);

	fd = root_open_file(root, path, O_RDONLY);
	if (fd < 0)
		return fd;
	len = fd_read_upto(fd, dst, dst_sz - 1);
	if (len < 0)
		return (int)len;
	dst[len] = '\0';
	return (int)len;
}
