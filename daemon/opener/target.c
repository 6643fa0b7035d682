/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Between the sample and the request a process may have mapped another file at the same place, or
 * be gone and its pid taken. What comes out must be the file that the kernel saw, or nothing: or
 * else anybody could give libc's key to a file of his own.
 *
 * So: only magic links are opened (map_files, exe: the mapped inode itself, no path of a process's
 * choice is ever walked), at first with O_PATH, which calls no driver and no FUSE server; what it is
 * comes from statx() without synchronisation, which asks no server either; only a regular file with
 * the right identity is then opened for reading. The start time of the process is not compared:
 * whoever maps the right file may serve.
 *
 * Whatever a process can bring about by swapping its mapping answers CHANGED, never REFUSED, which
 * holds for the key for good and would let anybody take away the names of a file.
 */

#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/magic.h"
#include "cprof/procfs.h"
#include "mounts.h"
#include "process.h"

#define TARGET_STATX_MASK \
	(STATX_TYPE | STATX_INO | STATX_SIZE | STATX_CTIME | STATX_MTIME | STATX_MNT_ID)

/* A descriptor with O_PATH, or -errno. */
static int target_find(const struct root *root, const struct wire_open *req)
{
	char path[96];

	if (req->vm_start == 0)
		(void)snprintf(path, sizeof(path), "proc/%" PRIu32 "/exe", req->pid);
	else
		(void)snprintf(path, sizeof(path),
			       "proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, req->pid,
			       req->vm_start, req->vm_end);
	return root_open_file(root, path, O_PATH);
}

static enum wire_opened_status target_find_status(int error)
{
	switch (error) {
	case -ENOENT:
	case -ESRCH:
		return WIRE_OPENED_GONE;
	default:
		return WIRE_OPENED_FAILED; /* short of memory, descriptors or rights: not the file */
	}
}

/* What holds on every file system. ctime cannot be set by an owner. */
static bool target_same_version(const struct statx *st, const struct cprof_key *key)
{
	return st->stx_size == key->size && st->stx_ctime.tv_sec == key->ctime_s &&
	       st->stx_ctime.tv_nsec == key->ctime_ns && st->stx_mtime.tv_sec == key->mtime_s &&
	       st->stx_mtime.tv_nsec == key->mtime_ns;
}

/*
 * The times alone would not do: they have a grain of milliseconds, so that another file may have the
 * same ones. An overlay shows the layer's number too, in the upper half maybe with the layer's own
 * (xino). Of a file that it copied up it shows the origin's: such a file is not had.
 */
static bool target_same_number(const struct statx *st, const struct cprof_key *key)
{
	return (uint32_t)st->stx_ino == (uint32_t)key->ino;
}

static bool target_same_device(uint32_t major, uint32_t minor, uint32_t kernel_dev)
{
	return major == kernel_dev >> 20 && minor == (kernel_dev & 0xfffff);
}

/*
 * Of a mount that only the kernel has, in nobody's list: memory files lie there, and what the first programs were
 * unpacked to. What is in no list any more because it was unmounted meanwhile answers for itself, or has this
 * worker killed.
 */
static bool target_is_memory(int handle)
{
	struct statfs fs;

	return fstatfs(handle, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ||
					     fs.f_type == HUGETLBFS_MAGIC);
}

/*
 * The number of a disk is enough. What has no disk gets the first free number: that of a file system which is gone
 * may be a FUSE server's by now, who shows any times and numbers of files. So it is believed of file
 * systems only whose times are the kernel's own (docs/adr/0044-numbers-that-come-again.md).
 *
 * Where stat does not show the superblock's device, the mount does (btrfs). An overlay shows a device
 * of its own, and the key is of the layer below. It is believed where root mounted it, as a container
 * engine or a service manager does; one that somebody mounted in a user namespace of his own is not:
 * over a FUSE layer it shows any times.
 */
static bool target_same_superblock(const struct root *root, const struct wire_open *req, int handle,
				   const struct statx *st)
{
	bool same_ino = st->stx_ino == req->key.ino;
	bool same_dev = target_same_device(st->stx_dev_major, st->stx_dev_minor, req->key.dev);
	uint32_t id = (uint32_t)st->stx_mnt_id;
	struct procfs_mount m;

	if (same_dev && st->stx_dev_major != 0)
		return same_ino;
	if (!(st->stx_mask & STATX_MNT_ID))
		return false;
	if (mount_find(root, 0, id, &m) <= 0 && mount_find(root, req->pid, id, &m) <= 0)
		return same_dev && same_ino && target_is_memory(handle);
	if (mount_is_overlay(&m))
		return (same_ino || !same_dev) && mount_is_trusted(root, req->pid, &m);
	return same_ino && mount_is_local(&m) &&
	       (same_dev || target_same_device(m.major, m.minor, req->key.dev));
}

static enum wire_opened_status target_verify(const struct root *root, const struct wire_open *req,
					     int handle, uint64_t *ret_size)
{
	struct statx st;

	if (statx(handle, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, TARGET_STATX_MASK, &st) < 0)
		return WIRE_OPENED_FAILED;
	if (!target_same_version(&st, &req->key) || !target_same_number(&st, &req->key) ||
	    !target_same_superblock(root, req, handle, &st))
		return WIRE_OPENED_CHANGED;
	if (!S_ISREG(st.stx_mode))
		return WIRE_OPENED_REFUSED;
	*ret_size = st.stx_size;
	return WIRE_OPENED_OK;
}

/* The same open file description cannot be had from O_PATH, but the same inode can. */
enum wire_opened_status target_reopen(const struct root *root, int handle, int *ret_fd)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "proc/self/fd/%d", handle);
	fd = root_open_file(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	switch (fd) {
	case -ENOENT:
	case -ESTALE:
		return WIRE_OPENED_GONE;
	case -EAGAIN: /* somebody holds a lease */
	case -EINTR:
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return WIRE_OPENED_FAILED;
	}
	if (fd < 0)
		return WIRE_OPENED_REFUSED;
	*ret_fd = fd;
	return WIRE_OPENED_OK;
}

static void target_read_path(const struct root *root, struct target *t)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "proc/self/fd/%d", t->fd);
	n = readlinkat(root->fd, link, t->path, sizeof(t->path));
	t->path_len = n > 0 ? (size_t)n : 0;
}

/* What the handle leads to, for reading. */
static enum wire_opened_status open_handle(const struct root *root, int handle, uint64_t size,
					   struct target *ret)
{
	int fd;
	enum wire_opened_status status = target_reopen(root, handle, &fd);

	if (status != WIRE_OPENED_OK)
		return status;
	ret->fd = fd;
	ret->size = size;
	return WIRE_OPENED_OK;
}

enum wire_opened_status target_open(const struct root *root, const struct wire_open *req,
				    struct target *ret)
{
	_cleanup_close_ int handle = -EBADF;
	enum wire_opened_status status;
	uint64_t size;

	handle = target_find(root, req);
	if (handle < 0)
		return target_find_status(handle);
	status = target_verify(root, req, handle, &size);
	if (status != WIRE_OPENED_OK)
		return status;
	status = open_handle(root, handle, size, ret);
	if (status == WIRE_OPENED_OK)
		target_read_path(root, ret);
	return status;
}

/*
 * What the process has mapped is looked for by the inode's number alone: whether it is the file is seen when it
 * is opened. One that swaps it meanwhile loses the file's lines, and nobody else's.
 */
enum wire_opened_status target_open_mapped(const struct root *root, const struct wire_open *req,
					   struct target *ret)
{
	struct wire_open at = *req;
	struct procfs_range range;
	_cleanup_close_ int maps = -EBADF;
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "proc/%" PRIu32 "/maps", req->pid);
	maps = root_open_file(root, path, O_RDONLY);
	if (maps < 0)
		return target_find_status(maps);
	r = procfs_maps_file(maps, req->key.ino, &range);
	if (r < 0)
		return r == -ESRCH ? WIRE_OPENED_GONE : WIRE_OPENED_FAILED;
	if (range.kind != PROCFS_FILE)
		return WIRE_OPENED_GONE;
	at.vm_start = range.start;
	at.vm_end = range.end;
	return target_open(root, &at, ret);
}

enum wire_opened_status target_is_own(int handle, const struct wire_open *req, uint64_t *ret_size)
{
	struct statx st;

	if (statx(handle, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_UID | STATX_SIZE, &st) < 0)
		return WIRE_OPENED_FAILED;
	if (!S_ISREG(st.stx_mode) || (st.stx_uid != req->uid && st.stx_uid != 0))
		return WIRE_OPENED_REFUSED;
	*ret_size = st.stx_size;
	return WIRE_OPENED_OK;
}

enum wire_opened_status target_open_own(const struct root *root, const struct wire_open *req,
					target_find_fn find, struct target *ret)
{
	_cleanup_close_ int handle = -EBADF;
	enum wire_opened_status status;
	uint64_t size;

	if (!process_is(root, req->pid, req->start_ns))
		return WIRE_OPENED_GONE;
	status = find(root, req, &handle, &size);
	if (!process_is(root, req->pid, req->start_ns))
		return WIRE_OPENED_GONE;
	return status == WIRE_OPENED_OK ? open_handle(root, handle, size, ret) : status;
}

bool target_is_exe(const struct root *root, uint32_t pid, const struct cprof_key *exe)
{
	const struct wire_open req = { .key = *exe, .pid = pid };
	_cleanup_close_ int handle = -EBADF;
	struct statx st;

	if (exe->ino == 0)
		return true;
	handle = target_find(root, &req);
	return handle >= 0 &&
	       statx(handle, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, TARGET_STATX_MASK, &st) == 0 &&
	       st.stx_size == exe->size && target_same_superblock(root, &req, handle, &st);
}
