/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fd — reading and writing until it is done: the kernel may take or give less than was asked for, and
 * a signal may come between. And directories and streams that close themselves.
 */

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define _cleanup_closedir_ __attribute__((__cleanup__(fd_closedirp)))
#define _cleanup_fclose_ __attribute__((__cleanup__(fd_fclosep)))

/* Until there are @sz bytes or the file ends: how many came, or -errno. */
ssize_t fd_read_upto(int fd, void *dst, size_t sz);
/* The same from @offset on; the file's own position stays. */
ssize_t fd_pread_upto(int fd, void *dst, size_t sz, uint64_t offset);
/* All of it: 0, or -errno, and then a part may be written. */
int fd_write_all(int fd, const void *src, size_t sz);

/*
 * Takes over @fd, a descriptor or -errno: the directory, to be read from its beginning, or NULL and
 * errno.
 */
DIR *fd_opendir(int fd);

static inline void fd_closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static inline void fd_fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}
