/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where a distribution or a developer puts the debug information that was taken out of a file, as debuggers
 * look for it (GDB manual, "Debugging Information in Separate Files"): by the build id below
 * /usr/lib/debug/.build-id, and by the name that the file says beside it, in .debug beside it, and below
 * /usr/lib/debug where its own directory is. First as the process sees it, for in a container they belong
 * to what it runs; then as we do.
 *
 * The build id and the name come from a stranger's file, and what they lead to may be a stranger's: on the
 * way every directory must be on a local file system before anything is looked up in it, and nothing is
 * followed that is a link (the ones by build id that some distributions have lead to where the name leads,
 * too). What is there is taken only if the owner of the object or root made it, and nobody else can change
 * it: so nobody says how to undo the frames of another user's file. No file's bytes are looked at here.
 */

#include "debug-file.h"

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
#include "process.h"

#define DEBUG_DIR "usr/lib/debug"

/* In the order in which they are looked at; once for each root. */
enum debug_place {
	DEBUG_BY_BUILD_ID,
	DEBUG_BESIDE,
	DEBUG_BELOW,
	DEBUG_BY_DIRECTORY,
	DEBUG_PLACES,
};

#define ROOTS 2

struct debug_root {
	const struct root *root; /* ours, for /proc */
	uint32_t pid;		 /* 0: it is our own */
	int fd;
	char prefix[WIRE_PATH_MAX]; /* where it is for us; "": at the top */
};

/* A path of the file, split: both relative, terminated. */
struct debug_name {
	char dir[WIRE_PATH_MAX + 64];
	char file[WIRE_LINK_MAX + 1];
};

/* One name of a path at a time, so that each directory is known to be local before it is asked. */
static int enter(const struct debug_root *r, const char *path, int *ret_dir)
{
	_cleanup_close_ int dir = fcntl(r->fd, F_DUPFD_CLOEXEC, 0);
	char name[NAME_MAX + 1];

	if (dir < 0)
		return -errno;
	while (local_is(r->root, r->pid, dir)) {
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

static bool is_trusted(const struct statx *st, uint32_t owner)
{
	if (!S_ISREG(st->stx_mode) || (st->stx_mode & S_IWOTH))
		return false;
	if (st->stx_uid == 0)
		return !(st->stx_mode & S_IWGRP) || st->stx_gid == 0;
	return st->stx_uid == owner;
}

static enum wire_opened_status open_in(const struct debug_root *r, const struct debug_name *name,
				       uint32_t owner, struct target *ret)
{
	_cleanup_close_ int dir = -EBADF, handle = -EBADF;
	enum wire_opened_status status;
	struct statx st;
	int fd;

	if (enter(r, name->dir, &dir) < 0)
		return WIRE_OPENED_NONE;
	handle = local_openat(dir, name->file, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	if (handle < 0 ||
	    statx(handle, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID | STATX_SIZE, &st) < 0 ||
	    !is_trusted(&st, owner))
		return WIRE_OPENED_NONE;
	status = target_reopen(r->root, handle, &fd);
	if (status != WIRE_OPENED_OK)
		return status == WIRE_OPENED_FAILED ? status : WIRE_OPENED_NONE;
	*ret = (struct target){ .fd = fd, .size = st.stx_size };
	return WIRE_OPENED_OK;
}

/* The object's directory as seen from this root; false: it is not below it, or not known. */
static bool object_dir(const struct debug_root *r, const struct debug_request *req, char *dst,
		       size_t dst_sz)
{
	const char *path = req->texts + req->m.link_len;
	size_t len = req->m.path_len, prefix = strlen(r->prefix);
	const char *slash = len > 0 ? memrchr(path, '/', len) : NULL;

	if (!slash || slash == path)
		return false;
	len = (size_t)(slash - path);
	if (prefix > 0 && len > prefix && memcmp(path, r->prefix, prefix) == 0 &&
	    path[prefix] == '/') {
		path += prefix;
		len -= prefix;
	}
	return (size_t)snprintf(dst, dst_sz, "%.*s", (int)len, path) < dst_sz;
}

static bool name_by_build_id(const struct debug_request *req, struct debug_name *ret)
{
	char hex[2 * OBJECT_BUILD_ID_MAX + 1];

	if (req->m.build_id_sz < 2)
		return false;
	for (uint32_t i = 0; i < req->m.build_id_sz; i++)
		(void)snprintf(hex + (size_t)2 * i, 3, "%02x", (unsigned int)req->m.build_id[i]);
	(void)snprintf(ret->dir, sizeof(ret->dir), DEBUG_DIR "/.build-id/%.2s", hex);
	(void)snprintf(ret->file, sizeof(ret->file), "%s.debug", hex + 2);
	return true;
}

/* False: there is no such place. */
static bool name_at(const struct debug_root *r, const struct debug_request *req,
		    enum debug_place place, struct debug_name *ret)
{
	static const char *const forms[] = {
		[DEBUG_BESIDE] = "%s",
		[DEBUG_BELOW] = "%s/.debug",
		[DEBUG_BY_DIRECTORY] = DEBUG_DIR "%s",
	};
	char dir[WIRE_PATH_MAX + 1];

	if (place == DEBUG_BY_BUILD_ID)
		return name_by_build_id(req, ret);
	if (req->m.link_len == 0 || !object_dir(r, req, dir, sizeof(dir)))
		return false;
	(void)snprintf(ret->file, sizeof(ret->file), "%.*s", (int)req->m.link_len, req->texts);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(ret->dir, sizeof(ret->dir), forms[place], dir);
#pragma GCC diagnostic pop
	return true;
}

/* The process's own; false: it is gone, or has the one that we have. */
static bool find_root(const struct root *root, uint32_t pid, struct debug_root *ret)
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
	ret->prefix[MAX(n, (ssize_t)0)] = '\0';
	if (strcmp(ret->prefix, "/") == 0)
		ret->prefix[0] = '\0';
	return true;
}

static enum wire_opened_status search(const struct debug_root *r, const struct debug_request *req,
				      uint32_t first, struct target *ret, uint32_t *ret_place)
{
	for (uint32_t place = 0; place < DEBUG_PLACES; place++) {
		enum wire_opened_status status;
		struct debug_name name;

		if (first + place < req->m.from || !name_at(r, req, (enum debug_place)place, &name))
			continue;
		status = open_in(r, &name, req->m.owner, ret);
		if (status == WIRE_OPENED_NONE)
			continue;
		*ret_place = first + place;
		return status;
	}
	return WIRE_OPENED_NONE;
}

enum wire_opened_status debug_file_open(const struct root *root, const struct debug_request *req,
					struct target *ret, uint32_t *ret_place)
{
	struct debug_root ours = { .root = root, .fd = root->fd };
	struct debug_root theirs = { .root = root, .pid = req->m.pid, .fd = -EBADF };
	enum wire_opened_status status = WIRE_OPENED_NONE;

	if (process_is(root, req->m.pid, req->m.start_ns) && find_root(root, req->m.pid, &theirs)) {
		status = search(&theirs, req, 0, ret, ret_place);
		/* Its root is its own if it still is the process. */
		if (status == WIRE_OPENED_OK && !process_is(root, req->m.pid, req->m.start_ns)) {
			ret->fd = fd_close(ret->fd);
			status = WIRE_OPENED_NONE;
		}
	}
	(void)fd_close(theirs.fd);
	if (status == WIRE_OPENED_NONE)
		status = search(&ours, req, DEBUG_PLACES, ret, ret_place);
	return status;
}
