/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* mounts: which superblock a mount belongs to, as proc_pid_mountinfo(5) tells it. */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/base/root.h"

struct mount {
	uint32_t id;
	uint32_t major; /* of the superblock: s_dev, not the st_dev that its files show */
	uint32_t minor;
	bool overlay;
};

/* Takes one line of mountinfo apart; false when it is none. */
bool mount_parse(const char *line, struct mount *ret);

/*
 * Looks for the mount @id in the mount namespace of @pid (0: our own). 1 and *ret; 0 when it is not
 * there, or too far down a list that somebody made absurdly long; -errno.
 */
int mount_find(const struct root *root, uint32_t pid, uint32_t id, struct mount *ret);

/* Whether our own mount namespace has the overlay with this superblock: 1, 0 or -errno. */
int mount_overlay_is_ours(const struct root *root, const struct mount *m);
