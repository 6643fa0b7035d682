/* SPDX-License-Identifier: Apache-2.0 */

/* root: a recorded tree and the real one, files longer than the buffer, what is not there. */

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/root.h"

static void write_file(int dir, const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
}

TEST(recorded_tree)
{
	char dir[] = "/tmp/test-root-XXXXXX", buf[64];
	struct root root = ROOT_INIT;
	_cleanup_close_ int dir_fd = -EBADF;
	int fd;

	CHECK(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(mkdirat(dir_fd, "proc", 0700), 0);
	write_file(dir_fd, "proc/version", "Linux 6.1\n");
	write_file(dir_fd, "proc/empty", "");

	CHECK_EQ(root_open(&root, dir), 0);
	CHECK_EQ(root_read(&root, "proc/version", buf, sizeof(buf)), 10);
	CHECK_STR(buf, "Linux 6.1\n");
	CHECK_EQ(root_read(&root, "proc/version", buf, 6), 5);
	CHECK_STR(buf, "Linux");
	CHECK_EQ(root_read(&root, "proc/version", buf, 1), 0);
	CHECK_STR(buf, "");
	CHECK_EQ(root_read(&root, "proc/empty", buf, sizeof(buf)), 0);
	CHECK_STR(buf, "");
	CHECK_EQ(root_read(&root, "proc/nothing", buf, sizeof(buf)), -ENOENT);
	CHECK_EQ(root_read(&root, "proc", buf, sizeof(buf)), -EISDIR);

	fd = root_open_file(&root, "proc/version", O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(fd);

	root_done(&root);
	CHECK_EQ(root.fd, -EBADF);
	root_done(&root);
	CHECK_EQ(unlinkat(dir_fd, "proc/version", 0), 0);
	CHECK_EQ(unlinkat(dir_fd, "proc/empty", 0), 0);
	CHECK_EQ(unlinkat(dir_fd, "proc", AT_REMOVEDIR), 0);
	CHECK_EQ(rmdir(dir), 0);
}

TEST(real_root)
{
	struct root root = ROOT_INIT;
	char buf[4096], expect[64];
	int fd;

	CHECK_EQ(root_open(&root, "/"), 0);
	CHECK(root_read(&root, "proc/self/stat", buf, sizeof(buf)) > 0);
	snprintf(expect, sizeof(expect), "%d (test-root)", (int)getpid());
	buf[strlen(expect)] = '\0';
	CHECK_STR(buf, expect);
	/* A magic link. */
	fd = root_open_file(&root, "proc/self/exe", O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	root_done(&root);
}

TEST(not_a_directory)
{
	struct root root = ROOT_INIT;

	CHECK_EQ(root_open(&root, "/proc/self/stat"), -ENOTDIR);
	CHECK_EQ(root_open(&root, "/nonexistent"), -ENOENT);
	CHECK_EQ(root.fd, -EBADF);
}

CHECK_MAIN
