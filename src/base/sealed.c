/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whoever sends a memfd may keep it and write to it, or cut it short under a reader that mapped it. So
 * it must be sealed against the first, and it is read with pread(2), which no shrinking turns into a
 * SIGBUS, or it is sealed against that, too.
 */

#include "cprof/base/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int sealed_finish(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

int sealed_new(const char *name, const void *bytes, size_t sz)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, bytes, sz);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	r = sealed_finish(fd);
	return r < 0 ? r : TAKE_FD(fd);
}

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

int sealed_map(int fd, uint64_t bytes, const void **ret)
{
	int r = sealed_check(fd, bytes);
	void *p;

	if (r < 0)
		return r;
	if (bytes == 0 || !(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK))
		return -EBADMSG;
	/* Private: kernels before 6.7 map nothing shared that is sealed against writing. */
	p = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

int sealed_read(int fd, void *dst, size_t sz)
{
	ssize_t n = fd_pread_upto(fd, dst, sz, 0);

	if (n < 0)
		return (int)n;
	return (size_t)n == sz ? 0 : -EBADMSG;
}
