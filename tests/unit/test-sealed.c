/* SPDX-License-Identifier: Apache-2.0 */

/* sealed: what is made stays as it is, and only a sealed file of exactly the announced size passes. */

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/sealed.h"

static int memory(const char *text, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Whoever holds it may try: by writing, cutting, lengthening, mapping, or more seals. */
static void check_fixed(int fd, const char *text)
{
	const off_t sz = (off_t)strlen(text);
	char bytes[8];

	CHECK_EQ(pwrite(fd, "x", 1, 0), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(ftruncate(fd, sz - 1), -1);
	CHECK_EQ(ftruncate(fd, sz + 1), -1);
	CHECK(mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	CHECK_EQ(sealed_check(fd, (uint64_t)sz), 0);
	CHECK_EQ(pread(fd, bytes, sizeof(bytes), 0), sz);
	CHECK_EQ(memcmp(bytes, text, (size_t)sz), 0);
}

TEST(new)
{
	_cleanup_close_ int fd = sealed_new("test", "text", 4);
	_cleanup_close_ int empty = sealed_new("test", NULL, 0);

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	check_fixed(fd, "text");
	CHECK(empty >= 0);
	CHECK_EQ(sealed_check(empty, 0), 0);
}

TEST(new_fails)
{
	char name[300];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK_EQ(sealed_new(name, "text", 4), -EINVAL);
	CHECK_EQ(sealed_new("test", (const void *)1, 4), -EFAULT);
}

TEST(finish)
{
	_cleanup_close_ int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	_cleanup_close_ int bare = memfd_create("test", MFD_CLOEXEC);

	CHECK_EQ(write(fd, "text", 4), 4);
	CHECK_EQ(sealed_finish(fd), 0);
	check_fixed(fd, "text");
	CHECK_EQ(sealed_finish(bare), -EPERM);
	CHECK_EQ(sealed_finish(-1), -EBADF);
}

TEST(check)
{
	_cleanup_close_ int sealed = memory("text", F_SEAL_WRITE | F_SEAL_SHRINK);
	_cleanup_close_ int writable = memory("text", F_SEAL_SHRINK | F_SEAL_GROW);
	_cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct {
		int fd;
		uint64_t bytes;
		int r;
	} cases[] = {
		{ sealed, 4, 0 },	   { sealed, 3, -EBADMSG },
		{ sealed, 5, -EBADMSG },   { sealed, UINT64_MAX, -EBADMSG },
		{ writable, 4, -EBADMSG }, { file, (uint64_t)lseek(file, 0, SEEK_END), -EBADMSG },
		{ -1, 4, -EBADMSG },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		CHECK_EQ(sealed_check(cases[i].fd, cases[i].bytes), cases[i].r);
}

TEST(map)
{
	_cleanup_close_ int sealed = memory("text", F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	_cleanup_close_ int may_shrink = memory("text", F_SEAL_WRITE);
	_cleanup_close_ int writable = memory("text", F_SEAL_SHRINK);
	_cleanup_close_ int empty = memory("", F_SEAL_WRITE | F_SEAL_SHRINK);
	const void *p;

	CHECK_EQ(sealed_map(may_shrink, 4, &p), -EBADMSG);
	CHECK_EQ(sealed_map(writable, 4, &p), -EBADMSG);
	CHECK_EQ(sealed_map(empty, 0, &p), -EBADMSG);
	CHECK_EQ(sealed_map(-1, 4, &p), -EBADMSG);
	CHECK_EQ(sealed_map(sealed, 5, &p), -EBADMSG);
	CHECK_EQ(sealed_map(sealed, 4, &p), 0);
	CHECK_EQ(memcmp(p, "text", 4), 0);
	CHECK_EQ(munmap((void *)(uintptr_t)p, 4), 0);
}

TEST(read)
{
	_cleanup_close_ int fd = memory("text", F_SEAL_WRITE);
	char text[8] = "";

	CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
	CHECK_EQ(sealed_read(fd, text, 4), 0);
	CHECK_EQ(memcmp(text, "text", 4), 0);
	CHECK_EQ(sealed_read(fd, text, 5), -EBADMSG);
	CHECK_EQ(sealed_read(-1, text, 1), -EBADF);
}

CHECK_MAIN
