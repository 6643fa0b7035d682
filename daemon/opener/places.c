/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What leads to such a file comes from a stranger's file, and what it leads to may be a stranger's: on the
 * way every directory must be on a local file system before anything is looked up in it, and nothing is
 * followed that is a link. What is there is taken only if the owner of the object or root made it, and
 * nobody else can change it: so nobody says anything of another user's file. No file's bytes are looked at
 * here.
 *
 * Nor may it be one that only root may read: what is read of it may be seen by whom the object is shown to, and
 * both its name and what lies where (bind mounts, in a namespace of his own) are for him to choose. So the owner
 * of the object must be able to get there without us, by his own or by everybody's right, and by everybody's alone
 * where it is root's and the mounts are not; rights by groups and lists of access do not count.
 */

#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "local.h"
#include "mounts.h"
#include "process.h"

/* By the owner of the object: @own is the bit of an owner's right, whose lower twin is everybody's. */
static bool has_right(const struct places *p, const struct places_root *r, const struct statx *st,
		      unsigned int own)
{
	if (st->stx_mode & own >> 6)
		return true;
	if (p->owner == 0)
		return !r->foreign;
	return st->stx_uid == p->owner && (st->stx_mode & own);
}

static bool may_enter(const struct places *p, const struct places_root *r, int dir)
{
	struct statx st;

	return statx(dir, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MODE | STATX_UID, &st) ==
		       0 &&
	       has_right(p, r, &st, S_IXUSR);
}

/* One name of a path at a time, so that each directory is known to be local before it is asked. */
static int enter(const struct places *p, const struct places_root *r, const char *path,
		 int *ret_dir)
{
	_cleanup_close_ int dir = fcntl(r->fd, F_DUPFD_CLOEXEC, 0);
	char name[NAME_MAX + 1];

	if (dir < 0)
		return -errno;
	while (local_is(r->root, r->pid, dir) && may_enter(p, r, dir)) {
		size_t skip = strspn(path, "/"), len = strcspn(path + skip, "/");
		int next;

		if (len == 0) {
			*ret_dir = TAKE_FD(dir);
			return 0;
		}
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path + skip, len);
		name[len] = '\0';
		path += skip + len;
		/* Without O_DIRECTORY nothing is mounted by being looked at. */
		next = local_openat(dir, name, 0, RESOLVE_BENEATH);
		if (next < 0)
			return next;
		(void)fd_close(dir);
		dir = next;
	}
	return -EXDEV;
}

static bool is_trusted(const struct places *p, const struct places_root *r, const struct statx *st)
{
	if (!S_ISREG(st->stx_mode) || (st->stx_mode & S_IWOTH) || !has_right(p, r, st, S_IRUSR))
		return false;
	if (st->stx_uid == 0)
		return !(st->stx_mode & S_IWGRP) || st->stx_gid == 0;
	return st->stx_uid == p->owner;
}

static enum wire_opened_status open_in(const struct places *p, const struct places_root *r,
				       const struct places_name *name, struct target *ret)
{
	_cleanup_close_ int dir = -EBADF, handle = -EBADF;
	enum wire_opened_status status;
	struct statx st;
	int fd;

	if (enter(p, r, name->dir, &dir) < 0)
		return WIRE_OPENED_NONE;
	handle = local_openat(dir, name->file, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	if (handle < 0 ||
	    statx(handle, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID | STATX_SIZE, &st) < 0 ||
	    !is_trusted(p, r, &st))
		return WIRE_OPENED_NONE;
	status = target_reopen(r->root, handle, &fd);
	if (status != WIRE_OPENED_OK)
		return status == WIRE_OPENED_FAILED ? status : WIRE_OPENED_NONE;
	*ret = (struct target){ .fd = fd, .size = st.stx_size };
	return WIRE_OPENED_OK;
}

bool places_dir(const struct places_root *r, const char *path, size_t len, char *dst, size_t dst_sz)
{
	size_t prefix = strlen(r->prefix);
	const char *slash = len > 0 ? memrchr(path, '/', len) : NULL;

	if (!slash)
		return false;
	len = (size_t)(slash - path);
	if (prefix > 0 && len >= prefix && memcmp(path, r->prefix, prefix) == 0 &&
	    path[prefix] == '/') {
		path += prefix;
		len -= prefix;
	}
	return (size_t)snprintf(dst, dst_sz, "%.*s", (int)len, path) < dst_sz;
}

/* The process's own; false: it is gone, or has the one that we have. */
static bool find_root(const struct root *root, uint32_t pid, struct places_root *ret)
{
	struct statx theirs, ours;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "proc/%" PRIu32 "/root", pid);
	ret->fd = root_open_file(root, path, O_PATH | O_DIRECTORY);
	if (ret->fd < 0 ||
	    statx(ret->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID,
		  &theirs) < 0 ||
	    statx(root->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID,
		  &ours) < 0 ||
	    (theirs.stx_ino == ours.stx_ino && theirs.stx_mnt_id == ours.stx_mnt_id))
		return false;
	n = readlinkat(root->fd, path, ret->prefix, sizeof(ret->prefix) - 1);
	ret->foreign = !mounts_are_trusted(root, pid);
	ret->prefix[MAX(n, (ssize_t)0)] = '\0';
	if (strcmp(ret->prefix, "/") == 0)
		ret->prefix[0] = '\0';
	return true;
}

static enum wire_opened_status search(const struct places *p, const struct places_root *r,
				      uint32_t first, struct target *ret, uint32_t *ret_place)
{
	for (uint32_t place = 0; place < p->cnt; place++) {
		enum wire_opened_status status;
		struct places_name name;

		if (first + place < p->from || !p->name(r, p->ctx, place, &name))
			continue;
		status = open_in(p, r, &name, ret);
		if (status == WIRE_OPENED_NONE)
			continue;
		*ret_place = first + place;
		return status;
	}
	return WIRE_OPENED_NONE;
}

enum wire_opened_status places_open(const struct root *root, const struct places *p,
				    struct target *ret, uint32_t *ret_place)
{
	struct places_root ours = { .root = root, .fd = root->fd };
	struct places_root theirs = { .root = root, .pid = p->pid, .fd = -EBADF };
	enum wire_opened_status status = WIRE_OPENED_NONE;

	if (process_is(root, p->pid, p->start_ns) && find_root(root, p->pid, &theirs)) {
		status = search(p, &theirs, 0, ret, ret_place);
		/* Its root is its own if it still is the process. */
		if (status == WIRE_OPENED_OK && !process_is(root, p->pid, p->start_ns)) {
			ret->fd = fd_close(ret->fd);
			status = WIRE_OPENED_NONE;
		}
	}
	(void)fd_close(theirs.fd);
	if (status == WIRE_OPENED_NONE)
		status = search(p, &ours, p->cnt, ret, ret_place);
	return status;
}
