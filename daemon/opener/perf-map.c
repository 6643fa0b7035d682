/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /tmp/perf-PID.map, as the process sees /tmp and knows its pid. The name is known to all and the
 * directory is everybody's, so what lies there may be another user's, a link to a file that only
 * root may read, a FIFO that never answers, or be served by a file system in user space that hangs.
 *
 * So: each directory on the way must be on a local file system before anything is looked up in it;
 * nothing is followed that is a link; and what is found is opened for reading only when it is a
 * regular file of the process's own user, or one of root's that everybody may read: its pid, in a namespace
 * of its own, and the directory that is its root are for the process to choose, and may be those of another. All
 * before that is O_PATH and statx() without synchronisation, which ask no file system anything. An overlay is local only if root mounted it:
 * one of a stranger's user namespace may have such a file system below.
 *
 * The process is compared before and after: between, its root and its pid are its own.
 */

#include "perf-map.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cprof/base/cleanup.h"
#include "local.h"
#include "process.h"

static enum wire_opened_status perf_map_status(int error)
{
	switch (error) {
	case -ENOENT:
		return WIRE_OPENED_NONE;
	case -ESRCH:
		return WIRE_OPENED_GONE;
	case -ELOOP:
	case -ENOTDIR:
	case -EXDEV:
		return WIRE_OPENED_REFUSED;
	default:
		return WIRE_OPENED_FAILED;
	}
}

/*
 * Has the process this right, of which @own is the bit of an owner, whose lower twin is everybody's? Rights by groups
 * and lists of access do not count.
 */
static bool perf_map_allows(const struct wire_open *req, int handle, unsigned int own)
{
	struct statx st;

	if (req->uid == 0)
		return true;
	return statx(handle, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MODE | STATX_UID, &st) ==
		       0 &&
	       ((st.stx_mode & own >> 6) || (st.stx_uid == req->uid && (st.stx_mode & own)));
}

static bool perf_map_may_enter(const struct root *root, const struct wire_open *req, int dir)
{
	return local_is(root, req->pid, dir) && perf_map_allows(req, dir, S_IXUSR);
}

/* The process's /tmp, with O_PATH. */
static enum wire_opened_status perf_map_find_tmp(const struct root *root,
						 const struct wire_open *req, int *ret_dir)
{
	_cleanup_close_ int top = -EBADF, tmp = -EBADF;
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%" PRIu32 "/root", req->pid);
	top = root_open_file(root, path, O_PATH | O_DIRECTORY);
	if (top == -ENOENT)
		return WIRE_OPENED_GONE; /* dead, or about to be: it will never have one */
	if (top < 0)
		return perf_map_status(top);
	if (!perf_map_may_enter(root, req, top))
		return WIRE_OPENED_REFUSED;
	tmp = local_openat(top, "tmp", O_DIRECTORY, RESOLVE_IN_ROOT);
	if (tmp < 0)
		return perf_map_status(tmp);
	if (!perf_map_may_enter(root, req, tmp))
		return WIRE_OPENED_REFUSED;
	*ret_dir = TAKE_FD(tmp);
	return WIRE_OPENED_OK;
}

/* The file, with O_PATH, if it may be read. */
static enum wire_opened_status perf_map_find(const struct root *root, const struct wire_open *req,
					     int *ret_handle, uint64_t *ret_size)
{
	_cleanup_close_ int tmp = -EBADF, handle = -EBADF;
	uint32_t inner = process_inner_pid(root, req->pid);
	enum wire_opened_status status;
	char name[64];

	if (inner == 0)
		return WIRE_OPENED_GONE;
	status = perf_map_find_tmp(root, req, &tmp);
	if (status != WIRE_OPENED_OK)
		return status;
	(void)snprintf(name, sizeof(name), "perf-%" PRIu32 ".map", inner);
	handle = local_openat(tmp, name, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	if (handle < 0)
		return perf_map_status(handle);
	status = target_is_own(handle, req, ret_size);
	if (status == WIRE_OPENED_OK && !perf_map_allows(req, handle, S_IRUSR))
		status = WIRE_OPENED_REFUSED;
	if (status == WIRE_OPENED_OK)
		*ret_handle = TAKE_FD(handle);
	return status;
}

enum wire_opened_status perf_map_open(const struct root *root, const struct wire_open *req,
				      struct target *ret)
{
	return target_open_own(root, req, perf_map_find, ret);
}
