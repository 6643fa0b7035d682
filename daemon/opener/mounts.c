/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A file's st_dev is not always its superblock's device (btrfs subvolumes, overlay layers), but the
 * key holds the latter. The mount that a descriptor came through is known by its id (statx), and
 * mountinfo gives the superblock's device and the type of every mount of a namespace. Both are the
 * kernel's word: a process cannot forge them, and asking costs no round trip to a file system's
 * server (fstatfs does). A process can make its list long, though: up to fs.mount-max = 100,000
 * lines, so reading has an end.
 *
 * Who may mount in a namespace is who has CAP_SYS_ADMIN in the user namespace that owns it
 * (ioctl_ns(2), mount_namespaces(7)). Where that is our own one, its mounts are an administrator's,
 * whichever mount namespace they are in: a service's private one, a container of root's.
 */

#include "mounts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "cprof/base/cleanup.h"

#define MOUNTS_LINES_MAX 16384

typedef bool (*mount_match_fn)(const struct procfs_mount *m, const struct procfs_mount *wanted);

static inline FILE *mounts_close(FILE *f)
{
	(void)fclose(f);
	return NULL;
}

DEFINE_CLEANUP(FILE *, mounts_close);

/* @process: the directory /proc/PID, so that all that is asked is of one process. */
static int mounts_open(const struct root *process, FILE **ret)
{
	_cleanup_close_ int fd = root_open_file(process, "mountinfo", O_RDONLY);
	FILE *f;

	if (fd < 0)
		return fd;
	f = fdopen(fd, "re");
	if (!f)
		return -errno;
	(void)TAKE_FD(fd);
	*ret = f;
	return 0;
}

static int mounts_search(const struct root *process, const struct procfs_mount *wanted,
			 mount_match_fn match, struct procfs_mount *ret)
{
	_cleanup_(mounts_closep) FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;
	struct procfs_mount m;
	int r;

	r = mounts_open(process, &f);
	if (r < 0)
		return r;
	for (int i = 0; i < MOUNTS_LINES_MAX && getline(&line, &cap, f) >= 0; i++) {
		if (procfs_mount_parse(line, &m) && match(&m, wanted)) {
			*ret = m;
			return 1;
		}
	}
	return 0;
}

/* The directory of @pid (0: our own); a descriptor or -errno. */
static int mounts_process(const struct root *root, uint32_t pid)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "proc/self");
	if (pid != 0)
		(void)snprintf(path, sizeof(path), "proc/%" PRIu32, pid);
	return root_open_file(root, path, O_PATH | O_DIRECTORY);
}

static int mounts_search_of(const struct root *root, uint32_t pid,
			    const struct procfs_mount *wanted, mount_match_fn match,
			    struct procfs_mount *ret)
{
	_cleanup_close_ int fd = mounts_process(root, pid);

	if (fd < 0)
		return fd;
	return mounts_search(&(struct root){ .fd = fd }, wanted, match, ret);
}

static bool mount_has_id(const struct procfs_mount *m, const struct procfs_mount *wanted)
{
	return m->id == wanted->id;
}

static bool mount_has_superblock(const struct procfs_mount *m, const struct procfs_mount *wanted)
{
	return m->major == wanted->major && m->minor == wanted->minor &&
	       strcmp(m->type, wanted->type) == 0;
}

bool mount_is_overlay(const struct procfs_mount *m)
{
	return strcmp(m->type, "overlay") == 0;
}

bool mount_is_local(const struct procfs_mount *m)
{
	static const char *const types[] = { "ext2",	 "ext3",  "ext4",     "btrfs",
					     "xfs",	 "f2fs",  "tmpfs",    "ramfs",
					     "squashfs", "erofs", "bcachefs", "zfs",
					     "iso9660",	 "vfat",  "rootfs",   "hugetlbfs" };

	for (size_t i = 0; i < ELEMENTSOF(types); i++) {
		if (strcmp(m->type, types[i]) == 0)
			return true;
	}
	return false;
}

int mount_find(const struct root *root, uint32_t pid, uint32_t id, struct procfs_mount *ret)
{
	struct procfs_mount wanted = { .id = id };

	return mounts_search_of(root, pid, &wanted, mount_has_id, ret);
}

static bool mounts_same_namespace(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_ino == other.st_ino &&
	       one.st_dev == other.st_dev;
}

/* Does our own user namespace own the mount namespace of this process? */
static bool mounts_are_of_our_users(const struct root *root, const struct root *process)
{
	_cleanup_close_ int mounts = root_open_file(process, "ns/mnt", O_RDONLY);
	_cleanup_close_ int ours = root_open_file(root, "proc/self/ns/user", O_RDONLY);
	_cleanup_close_ int owner = -EBADF;

	if (mounts < 0 || ours < 0)
		return false;
	owner = ioctl(mounts, NS_GET_USERNS);
	return owner >= 0 && mounts_same_namespace(owner, ours);
}

bool mounts_are_trusted(const struct root *root, uint32_t pid)
{
	_cleanup_close_ int fd = mounts_process(root, pid);

	return fd >= 0 && mounts_are_of_our_users(root, &(struct root){ .fd = fd });
}

/*
 * The list first: who may enter a namespace of ours after it was read has the rights that are asked
 * about. The other way round, a process could show us ours and then enter its own.
 */
bool mount_is_trusted(const struct root *root, uint32_t pid, const struct procfs_mount *m)
{
	_cleanup_close_ int fd = mounts_process(root, pid);
	const struct root process = { .fd = fd };
	struct procfs_mount found;

	if (mounts_search_of(root, 0, m, mount_has_superblock, &found) > 0)
		return true;
	return fd >= 0 && mounts_search(&process, m, mount_has_id, &found) > 0 &&
	       mounts_are_of_our_users(root, &process);
}
