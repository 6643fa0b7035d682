/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * magic — the numbers of file systems (statfs(2): f_type), with those that linux/magic.h leaves out.
 *
 * Sources: fs/xfs/libxfs/xfs_format.h, fs/bcachefs/bcachefs_format.h and fs/fat/inode.c of Linux,
 * include/os/linux/zfs/sys/zfs_vfsops_os.h of OpenZFS.
 */

#include <linux/magic.h>

#define MAGIC_XFS 0x58465342
#define MAGIC_ZFS 0x2fc12fc1
#define MAGIC_BCACHEFS 0xca451a4e
#define MAGIC_VFAT 0x4d44
