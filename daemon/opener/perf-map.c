/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /tmp/perf-PID.map, as the process sees /tmp and knows its pid. The name is known to all and the
 * directory is everybody's, so what lies there may be another user's, a link to a file that only
 * root may read, a FIFO that never answers, or be served by a file system in user space that hangs.
 *
 * So: each directory on the way must be on a local file system before anything is looked up in it;
 * nothing is followed that is a link; and what is found is opened for reading only when it is a
 * regular file of the process's own user (or root's). All before that is O_PATH and statx() without
 * synchronisation, which ask no file system anything. An overlay is local only if root mounted it:
 * one of a stranger's user namespace may have such a file system below.
 *
 * The process is compared before and after: between, its root and its pid are its own.
 */

#include "perf-map.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>

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

/* The process's /tmp, with O_PATH. */
static enum wire_opened_status perf_map_find_tmp(const struct root *root, uint32_t pid,
						 int *ret_dir)
{
	_cleanup_close_ int top = -EBADF, tmp = -EBADF;
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%" PRIu32 "/root", pid);
	top = root_open_file(root, path, O_PATH | O_DIRECTORY);
	if (top == -ENOENT)
		return WIRE_OPENED_GONE; /* dead, or about to be: it will never have one */
	if (top < 0)
		return perf_map_status(top);
	if (!local_is(root, pid, top))
		return WIRE_OPENED_REFUSED;
	tmp = local_openat(top, "tmp", O_DIRECTORY, RESOLVE_IN_ROOT);
	if (tmp < 0)
		return perf_map_status(tmp);
	if (!local_is(root, pid, tmp))
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
	status = perf_map_find_tmp(root, req->pid, &tmp);
	if (status != WIRE_OPENED_OK)
		return status;
	(void)snprintf(name, sizeof(name), "perf-%" PRIu32 ".map", inner);
	handle = local_openat(tmp, name, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	if (handle < 0)
		return perf_map_status(handle);
	status = target_is_own(handle, req, ret_size);
	if (status == WIRE_OPENED_OK)
		*ret_handle = TAKE_FD(handle);
	return status;
}

enum wire_opened_status perf_map_open(const struct root *root, const struct wire_open *req,
				      struct target *ret)
{
	return target_open_own(root, req, perf_map_find, ret);
}
