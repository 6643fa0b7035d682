/* SPDX-License-Identifier: Apache-2.0 */

/* local — see its header. O_PATH and statx() without synchronisation ask no file system anything. */

#include "local.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mounts.h"

int local_openat(int dir, const char *name, uint64_t flags, uint64_t resolve)
{
	const struct open_how how = {
		.flags = flags | O_PATH | O_CLOEXEC,
		.resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

bool local_is(const struct root *root, uint32_t pid, int dir)
{
	struct statx st;
	struct procfs_mount m;
	uint32_t id;

	if (statx(dir, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0 ||
	    !(st.stx_mask & STATX_MNT_ID))
		return false;
	id = (uint32_t)st.stx_mnt_id;
	if (mount_find(root, 0, id, &m) <= 0 && mount_find(root, pid, id, &m) <= 0)
		return false;
	return mount_is_overlay(&m) ? mount_is_trusted(root, pid, &m) : mount_is_local(&m);
}
