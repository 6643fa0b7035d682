/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Landlock by its three system calls. A ruleset says what kinds of access it is about, and what is
 * among them and no rule allows is refused: so it is about all that the running kernel knows, by the
 * version that it tells, and an older kernel leaves out what it has no name for.
 *
 * The numbers are written down here, for they come with the kernel's headers one by one, and what is
 * built with old ones is to do its best on a new kernel, too.
 *
 * Source: Documentation/userspace-api/landlock.rst, include/uapi/linux/landlock.h (ABI 1 to 6).
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/sandbox.h"

#define CREATE_VERSION 1u
#define RULE_PATH_BENEATH 1

#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR (UINT64_C(1) << 7)
#define FS_MAKE_REG (UINT64_C(1) << 8)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_TRUNCATE (UINT64_C(1) << 14)

#define FS_WRITE                                                                                 \
	(FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | \
	 FS_TRUNCATE)

/* Of ABI 6; a kernel that knows less takes fewer of its bytes. */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* All that the version knows: the lowest bits, and how many bytes say so. */
static size_t ruleset_of(int version, struct ruleset *ret)
{
	*ret = (struct ruleset){ .fs = (UINT64_C(1) << 13) - 1 };
	if (version >= 2)
		ret->fs |= FS_REFER;
	if (version >= 3)
		ret->fs |= FS_TRUNCATE;
	if (version >= 4)
		ret->net = 3; /* bind and connect by TCP */
	if (version >= 5)
		ret->fs |= UINT64_C(1) << 15; /* ioctl() of devices */
	if (version >= 6)
		ret->scoped = 3; /* abstract sockets, signals */
	if (version < 4)
		return sizeof(ret->fs);
	return version < 6 ? sizeof(ret->fs) + sizeof(ret->net) : sizeof(*ret);
}

static int add_path(int ruleset, const struct sandbox_path *path, uint64_t known)
{
	struct path_beneath rule = { .fd = path->fd };

	if (path->fd < 0)
		return 0;
	rule.allowed = FS_READ_DIR;
	if (path->access >= SANDBOX_READ)
		rule.allowed |= FS_READ_FILE;
	if (path->access == SANDBOX_WRITE)
		rule.allowed |= FS_WRITE;
	rule.allowed &= known;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
		return -errno;
	return 0;
}

/* A sanitizer's run time reads /proc to find threads and leaks, and programs to name what it found. */
static int add_instrumented(int ruleset, uint64_t known)
{
	_cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct sandbox_path all = { .fd = fd, .access = SANDBOX_READ };

	return sandbox_is_instrumented() ? add_path(ruleset, &all, known) : 0;
}

/* 0 where it is not built in, not switched on, or hidden from us. */
static int landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return version > 0 ? (int)version : 0;
}

int sandbox_only_paths(const struct sandbox_path *paths, size_t cnt)
{
	const int version = landlock_version();
	_cleanup_close_ int fd = -EBADF;
	struct ruleset all;
	size_t sz;
	int r;

	if (version == 0)
		return 0;
	sz = ruleset_of(version, &all);
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, sz, 0);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < cnt; i++) {
		r = add_path(fd, &paths[i], all.fs);
		if (r < 0)
			return r;
	}
	r = add_instrumented(fd, all.fs);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -errno;
	return 1;
}
