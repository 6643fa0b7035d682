/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* mounts: which superblock a mount belongs to, as proc_pid_mountinfo(5) tells it. */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/base/root.h"
#include "cprof/procfs.h"

bool mount_is_overlay(const struct procfs_mount *m);
/* It waits for nothing but a local disk; of an overlay that is not said. */
bool mount_is_local(const struct procfs_mount *m);

/*
 * Looks for the mount @id in the mount namespace of @pid (0: our own). 1 and *ret; 0 when it is not
 * there, or too far down a list that somebody made absurdly long; -errno.
 */
int mount_find(const struct root *root, uint32_t pid, uint32_t id, struct procfs_mount *ret);

/*
 * Whether only an administrator can have made the mount, which mount_find() found for @pid: our own
 * mount namespace has one of this superblock too, or that of @pid belongs to our user namespace. What
 * anybody mounted in a user namespace of his own may be a FUSE server's, below an overlay.
 */
bool mount_is_trusted(const struct root *root, uint32_t pid, const struct procfs_mount *m);
/* Whether only an administrator decides what lies where for the process @pid. */
bool mounts_are_trusted(const struct root *root, uint32_t pid);
