/* SPDX-License-Identifier: Apache-2.0 */

/*
 * fd: all that was asked for, whatever the kernel gives at a time. The calls are wrapped: on a file they
 * would never be short, and no signal comes when it is wanted.
 */

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"

static const char text[] = "twenty letters, then";

/* What the next calls do: EINTR, then @piece bytes at most at a time, and @error instead of the last. */
static struct {
	int interrupts;
	size_t piece;
	int error;
	int calls;
} kernel;

static ssize_t kernel_begin(size_t *sz)
{
	kernel.calls++;
	if (kernel.interrupts > 0) {
		kernel.interrupts--;
		errno = EINTR;
		return -1;
	}
	if (kernel.error && kernel.calls > 2) {
		errno = kernel.error;
		return -1;
	}
	if (kernel.piece > 0)
		*sz = MIN(*sz, kernel.piece);
	return 0;
}

#define WRAP(name, params, args)                                                 \
	ssize_t __real_##name params;                                            \
	ssize_t __wrap_##name params;                                            \
	ssize_t __wrap_##name params                                             \
	{                                                                        \
		return kernel_begin(&sz) < 0 ? (ssize_t)-1 : __real_##name args; \
	}

WRAP(read, (int fd, void *dst, size_t sz), (fd, dst, sz))
WRAP(pread64, (int fd, void *dst, size_t sz, off_t at), (fd, dst, sz, at))
WRAP(write, (int fd, const void *src, size_t sz), (fd, src, sz))

static void kernel_set(int interrupts, size_t piece, int error)
{
	kernel.interrupts = interrupts;
	kernel.piece = piece;
	kernel.error = error;
	kernel.calls = 0;
}

static int file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	CHECK(fd >= 0);
	kernel_set(1, 3, 0);
	CHECK_EQ(fd_write_all(fd, text, strlen(text)), 0);
	CHECK_EQ(kernel.calls, 8);
	CHECK_EQ(lseek(fd, 0, SEEK_END), (off_t)strlen(text));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

TEST(read)
{
	_cleanup_close_ int fd = file();
	char got[32] = "";

	kernel_set(2, 4, 0);
	CHECK_EQ(fd_read_upto(fd, got, 10), 10);
	CHECK_EQ(memcmp(got, text, 10), 0);
	CHECK_EQ(got[10], 0);
	CHECK_EQ(fd_read_upto(fd, got + 10, sizeof(got) - 10), 10);
	CHECK_STR(got, text);
	CHECK_EQ(fd_read_upto(fd, got, sizeof(got)), 0);
	CHECK_EQ(fd_read_upto(fd, got, 0), 0);
	CHECK_EQ(fd_read_upto(-1, got, 1), -EBADF);
}

TEST(pread)
{
	_cleanup_close_ int fd = file();
	char got[32] = "";

	kernel_set(2, 4, 0);
	CHECK_EQ(fd_pread_upto(fd, got, 7, 7), 7);
	CHECK_STR(got, "letters");
	CHECK_EQ(fd_pread_upto(fd, got, sizeof(got), 16), 4);
	CHECK_STR(got, "theners");
	CHECK_EQ(fd_pread_upto(fd, got, 1, 100), 0);
	CHECK_EQ(fd_pread_upto(-1, got, 1, 0), -EBADF);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
}

/* An error behind two good pieces is the answer. */
TEST(error)
{
	_cleanup_close_ int fd = file();
	char got[32];

	kernel_set(0, 4, EIO);
	CHECK_EQ(fd_read_upto(fd, got, 10), -EIO);
	kernel_set(0, 4, EIO);
	CHECK_EQ(fd_pread_upto(fd, got, 10, 0), -EIO);
	kernel_set(0, 4, ENOSPC);
	CHECK_EQ(fd_write_all(fd, text, 10), -ENOSPC);
	kernel_set(0, 0, 0);
	CHECK_EQ(fd_write_all(-1, text, 1), -EBADF);
	CHECK_EQ(fd_write_all(-1, text, 0), 0);
}

TEST(directory)
{
	_cleanup_closedir_ DIR *dir = fd_opendir(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	CHECK(dir && readdir(dir));
	CHECK(!fd_opendir(-ENOTDIR));
	CHECK_EQ(errno, ENOTDIR);
	CHECK(!fd_opendir(fd));
	CHECK_EQ(errno, ENOTDIR);
	CHECK_EQ(fcntl(fd, F_GETFD), -1); /* taken over all the same */
	(void)TAKE_FD(fd);
}

CHECK_MAIN
