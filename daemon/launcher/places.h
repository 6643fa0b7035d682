/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* places: the directories of the daemon, made and owned as they must be. Failures are told. */

#include <sys/types.h>

#include "cprof/config.h"

/*
 * The directory of the control socket, and the lock in it that says that one daemon runs: *ret_lock
 * holds it until it is closed. 0 or -errno (-EBUSY: there is one).
 */
int places_runtime(const char *socket, int *ret_lock);

struct places_owner {
	uid_t uid; /* the sampler's */
	gid_t gid; /* its own, whose members may read */
};

/* The directory of the profiles, in which the owner is known to be able to write. 0 or -errno. */
int places_profiles(const char *path, const struct places_owner *owner, int *ret_fd);
