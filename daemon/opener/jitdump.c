/* SPDX-License-Identifier: Apache-2.0 */

/*
 * jit-PID.dump lies where the process likes. Who writes one maps its first page with the right to execute
 * it, which is how perf gets to know of the file; so it is looked for in the process's mappings, and opened by the
 * magic link of map_files: the mapped inode itself, and no path of a process's choice is walked.
 *
 * That the process could map it says that it could open it. Beyond that the rules are those of perf maps
 * (perf-map.c): at first O_PATH and statx() without synchronisation, which ask no file system anything; then a
 * regular file of the process's own user or root's, on a local file system, or it is not opened for reading. A mapping
 * that was replaced meanwhile leads to a file to which the same applies.
 */

#include "jitdump.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "cprof/base/cleanup.h"
#include "cprof/procfs.h"
#include "local.h"
#include "process.h"

static enum wire_opened_status jitdump_status(int error)
{
	return error == -ENOENT || error == -ESRCH ? WIRE_OPENED_GONE : WIRE_OPENED_FAILED;
}

/* The mapping of a file of that name. */
static enum wire_opened_status jitdump_find_range(const struct root *root, uint32_t pid,
						  struct procfs_range *ret)
{
	_cleanup_close_ int maps = -EBADF;
	uint32_t inner = process_inner_pid(root, pid);
	char path[64], name[64];
	int r;

	if (inner == 0)
		return WIRE_OPENED_GONE;
	(void)snprintf(name, sizeof(name), "jit-%" PRIu32 ".dump", inner);
	(void)snprintf(path, sizeof(path), "proc/%" PRIu32 "/maps", pid);
	maps = root_open_file(root, path, O_RDONLY);
	if (maps < 0)
		return jitdump_status(maps);
	r = procfs_maps_named(maps, name, ret);
	if (r < 0)
		return jitdump_status(r);
	return r > 0 ? WIRE_OPENED_OK : WIRE_OPENED_NONE;
}

/* The file, with O_PATH, if it may be read. */
static enum wire_opened_status jitdump_find(const struct root *root, const struct wire_open *req,
					    int *ret_handle, uint64_t *ret_size)
{
	_cleanup_close_ int handle = -EBADF;
	struct procfs_range range;
	enum wire_opened_status status = jitdump_find_range(root, req->pid, &range);
	char path[96];

	if (status != WIRE_OPENED_OK)
		return status;
	(void)snprintf(path, sizeof(path), "proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64,
		       req->pid, range.start, range.end);
	handle = root_open_file(root, path, O_PATH);
	if (handle < 0)
		return handle == -ENOENT ? WIRE_OPENED_NONE : WIRE_OPENED_FAILED;
	status = target_is_own(handle, req, ret_size);
	if (status == WIRE_OPENED_OK && !local_is(root, req->pid, handle))
		status = WIRE_OPENED_REFUSED;
	if (status == WIRE_OPENED_OK)
		*ret_handle = TAKE_FD(handle);
	return status;
}

enum wire_opened_status jitdump_open(const struct root *root, const struct wire_open *req,
				     struct target *ret)
{
	return target_open_own(root, req, jitdump_find, ret);
}
