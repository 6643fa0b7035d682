/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* places: the directories of the daemon, made and owned as they must be. Failures are told. */

#include <stdbool.h>
#include <sys/types.h>

#include "cprof/base/cleanup.h"
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

/* A process that tries to write there. */
struct places_attempt {
	int fd; /* readable when it is over */
	pid_t pid;
	bool is_empty; /* the directory was */
};

#define PLACES_ATTEMPT_INIT ((struct places_attempt){ .fd = -EBADF })
#define PLACES_ATTEMPT_NS (10 * NSEC_PER_SEC) /* so much is it given */

/* The directory of the profiles, made where it is missing, and its owner's. 0 or -errno. */
int places_prepare(const char *path, const struct places_owner *owner);

/*
 * The directory of the profiles, and the attempt to write in it as its owner. 0 or -errno.
 */
int places_profiles(const char *path, const struct places_owner *owner, struct places_attempt *a,
		    int *ret_fd);
/* It is over, or it took too long: 0 or -errno, told. */
int places_tried(const struct places_attempt *a, const char *path);
int places_tried_too_long(const struct places_attempt *a, const char *path);

static inline void places_attempt_done(struct places_attempt *a)
{
	a->fd = fd_close(a->fd);
}
