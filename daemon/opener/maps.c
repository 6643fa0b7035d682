/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whose mappings are these? The question names a pid, its start and its executable, and all three are
 * looked at before and after /proc was read: a pid taken anew, or another program started in place,
 * must not lend its mappings to frames of the old one.
 *
 * What a mapped file is comes as in target.c: through the magic link of map_files, with O_PATH and
 * statx() without synchronisation, which ask no driver and no server. Between the mapping's line and its
 * file's statx() the mapping may have been replaced: the inode numbers must be the same, except on an
 * overlay, which may show another one here than there.
 *
 * BPF would tell a file system's number and whether a stranger made it. Here mountinfo tells its type;
 * ours is what our own mount namespace has too, or a process of our own user namespace mounts.
 */

#include "maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/magic.h"
#include "cprof/procfs.h"
#include "mounts.h"
#include "process.h"
#include "target.h"

/* A second build of this program, which tests use, reads the text whatever the kernel offers. */
#ifndef MAPS_FIND
#define MAPS_FIND procfs_maps_find
#endif

#define MAPS_STATX_MASK                                                               \
	(STATX_TYPE | STATX_MODE | STATX_UID | STATX_INO | STATX_SIZE | STATX_CTIME | \
	 STATX_MTIME | STATX_MNT_ID)

/* The file system of the last file: most of a process lie on one mount. */
struct maps_fs {
	uint64_t mount_id;
	uint64_t magic; /* 0: not known */
	bool known;
	bool overlay;
	bool foreign;
};

struct maps_reader {
	const struct root *root;
	uint32_t pid;
	struct maps_fs fs;
};

static uint64_t maps_magic(const char *type)
{
	static const struct {
		const char *type;
		uint64_t magic;
	} types[] = {
		{ "ext2", EXT4_SUPER_MAGIC },
		{ "ext3", EXT4_SUPER_MAGIC },
		{ "ext4", EXT4_SUPER_MAGIC },
		{ "btrfs", BTRFS_SUPER_MAGIC },
		{ "xfs", MAGIC_XFS },
		{ "f2fs", F2FS_SUPER_MAGIC },
		{ "tmpfs", TMPFS_MAGIC },
		{ "ramfs", RAMFS_MAGIC },
		{ "squashfs", SQUASHFS_MAGIC },
		{ "erofs", EROFS_SUPER_MAGIC_V1 },
		{ "overlay", OVERLAYFS_SUPER_MAGIC },
		{ "iso9660", ISOFS_SUPER_MAGIC },
		{ "hugetlbfs", HUGETLBFS_MAGIC },
		{ "zfs", MAGIC_ZFS },
		{ "bcachefs", MAGIC_BCACHEFS },
		{ "vfat", MAGIC_VFAT },
	};

	for (size_t i = 0; i < ELEMENTSOF(types); i++) {
		if (strcmp(types[i].type, type) == 0)
			return types[i].magic;
	}
	return 0;
}

static void maps_look_at_fs(struct maps_reader *rd, const struct statx *st)
{
	uint32_t id = (uint32_t)st->stx_mnt_id;
	struct procfs_mount m;
	bool ours;

	if (rd->fs.known && rd->fs.mount_id == st->stx_mnt_id)
		return;
	rd->fs = (struct maps_fs){ .mount_id = st->stx_mnt_id, .known = true };
	ours = mount_find(rd->root, 0, id, &m) > 0;
	/* A mapping may outlive its mount: then nobody can tell any more what it was. */
	if (!ours && mount_find(rd->root, rd->pid, id, &m) <= 0)
		return;
	rd->fs.magic = maps_magic(m.type);
	rd->fs.overlay = mount_is_overlay(&m);
	rd->fs.foreign = !ours && !mount_is_trusted(rd->root, rd->pid, &m);
}

static struct cprof_key maps_key(const struct statx *st)
{
	return (struct cprof_key){
		.ino = st->stx_ino,
		.size = st->stx_size,
		.ctime_s = st->stx_ctime.tv_sec,
		.mtime_s = st->stx_mtime.tv_sec,
		.ctime_ns = st->stx_ctime.tv_nsec,
		.mtime_ns = st->stx_mtime.tv_nsec,
		.dev = st->stx_dev_major << 20 | st->stx_dev_minor,
	};
}

/* False when the file is not there (any more) as the mapping says. */
static bool maps_take_file(struct maps_reader *rd, const struct procfs_range *m,
			   struct wire_range *ret)
{
	_cleanup_close_ int handle = -EBADF;
	struct statx st;
	char path[96];

	(void)snprintf(path, sizeof(path), "proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64,
		       rd->pid, m->start, m->end);
	handle = root_open_file(rd->root, path, O_PATH);
	if (handle < 0 ||
	    statx(handle, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, MAPS_STATX_MASK, &st) < 0)
		return false;
	maps_look_at_fs(rd, &st);
	if (st.stx_ino != m->ino && !rd->fs.overlay)
		return false;
	ret->key = maps_key(&st);
	ret->owner = st.stx_uid;
	ret->mode = st.stx_mode;
	ret->fs_magic = rd->fs.magic;
	ret->foreign_userns = rd->fs.foreign;
	return true;
}

static struct wire_range maps_take(struct maps_reader *rd, const struct procfs_range *m)
{
	static const enum wire_range_kind kinds[] = {
		[PROCFS_NONE] = WIRE_RANGE_NONE,
		[PROCFS_FILE] = WIRE_RANGE_FILE,
		[PROCFS_ANON] = WIRE_RANGE_ANON,
		[PROCFS_VDSO] = WIRE_RANGE_VDSO,
	};
	struct wire_range r = {
		.start = m->start, .end = m->end, .pgoff = m->pgoff, .kind = kinds[m->kind]
	};

	if (r.kind == WIRE_RANGE_FILE && !maps_take_file(rd, m, &r))
		return (struct wire_range){ .kind = WIRE_RANGE_UNKNOWN };
	return r;
}

static bool maps_is_process(const struct root *root, const struct wire_maps *req)
{
	return process_is(root, req->pid, req->start_ns) &&
	       target_is_exe(root, req->pid, &req->exe);
}

static enum wire_opened_status maps_status(int error)
{
	return error == -ENOENT || error == -ESRCH ? WIRE_OPENED_GONE : WIRE_OPENED_FAILED;
}

static enum wire_opened_status maps_read(const struct root *root, const struct wire_maps *req,
					 struct procfs_range *ret)
{
	_cleanup_close_ int fd = -EBADF;
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "proc/%" PRIu32 "/maps", req->pid);
	fd = root_open_file(root, path, O_RDONLY);
	if (fd < 0)
		return maps_status(fd);
	r = MAPS_FIND(fd, (const uint64_t *)(req + 1), req->cnt, ret);
	return r < 0 ? maps_status(r) : WIRE_OPENED_OK;
}

void maps_answer(const struct root *root, const struct wire_maps *req, struct maps_answer *ret)
{
	struct maps_reader rd = { .root = root, .pid = req->pid };
	struct procfs_range ranges[WIRE_MAPS_MAX];
	enum wire_opened_status status = WIRE_OPENED_GONE;
	uint32_t cnt = 0;

	if (maps_is_process(root, req))
		status = maps_read(root, req, ranges);
	for (; status == WIRE_OPENED_OK && cnt < req->cnt; cnt++) {
		bool again = cnt > 0 && ranges[cnt].end != 0 &&
			     ranges[cnt].start == ranges[cnt - 1].start;

		ret->ranges[cnt] = again ? ret->ranges[cnt - 1] : maps_take(&rd, &ranges[cnt]);
	}
	if (status == WIRE_OPENED_OK && !maps_is_process(root, req)) {
		status = WIRE_OPENED_GONE;
		cnt = 0;
	}
	ret->head = (struct wire_mapped){
		.head = { .size = (uint32_t)(sizeof(ret->head) + cnt * sizeof(ret->ranges[0])),
			  .type = WIRE_MAPPED,
			  .id = req->head.id },
		.status = status,
		.cnt = cnt,
	};
}
