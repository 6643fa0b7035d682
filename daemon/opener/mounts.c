/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A file's st_dev is not always its superblock's device (btrfs subvolumes, overlay layers), but the
 * key holds the latter. The mount that a descriptor came through is known by its id (statx), and
 * mountinfo gives the superblock's device and the type of every mount of a namespace. Both are the
 * kernel's word: a process cannot forge them, and asking costs no round trip to a file system's
 * server (fstatfs does). A process can make its list long, though: up to fs.mount-max = 100,000
 * lines, so reading has an end.
 */

#include "mounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"

#define MOUNTS_LINES_MAX 16384

typedef bool (*mount_match_fn)(const struct procfs_mount *m, const struct procfs_mount *wanted);

static inline FILE *mounts_close(FILE *f)
{
	(void)fclose(f);
	return NULL;
}

DEFINE_CLEANUP(FILE *, mounts_close);

static int mounts_open(const struct root *root, uint32_t pid, FILE **ret)
{
	_cleanup_close_ int fd = -EBADF;
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "proc/self/mountinfo");
	if (pid != 0)
		(void)snprintf(path, sizeof(path), "proc/%u/mountinfo", pid);
	fd = root_open_file(root, path, O_RDONLY);
	if (fd < 0)
		return fd;
	f = fdopen(fd, "re");
	if (!f)
		return -errno;
	(void)TAKE_FD(fd);
	*ret = f;
	return 0;
}

static int mounts_search(const struct root *root, uint32_t pid, const struct procfs_mount *wanted,
			 mount_match_fn match, struct procfs_mount *ret)
{
	_cleanup_(mounts_closep) FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;
	struct procfs_mount m;
	int r;

	r = mounts_open(root, pid, &f);
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
	static const char *const types[] = { "ext2",	 "ext3",  "ext4",    "btrfs",	 "xfs",
					     "f2fs",	 "tmpfs", "ramfs",   "squashfs", "erofs",
					     "bcachefs", "zfs",	  "iso9660", "vfat" };

	for (size_t i = 0; i < ELEMENTSOF(types); i++) {
		if (strcmp(m->type, types[i]) == 0)
			return true;
	}
	return false;
}

int mount_find(const struct root *root, uint32_t pid, uint32_t id, struct procfs_mount *ret)
{
	struct procfs_mount wanted = { .id = id };

	return mounts_search(root, pid, &wanted, mount_has_id, ret);
}

int mount_is_ours(const struct root *root, const struct procfs_mount *m)
{
	struct procfs_mount found;

	return mounts_search(root, 0, m, mount_has_superblock, &found);
}
