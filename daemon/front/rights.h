/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* rights: who is at the other end, and which processes he may look into. */

#include "cprof/base/root.h"
#include "places.h"
#include "refusal.h"

/* By the kernel's word of when he connected. 0 or -errno. */
int rights_of(int fd, uint32_t control_gid, struct peer *ret);

#define RIGHTS_GROUP_SZ 64

/* Who asks, and what it takes to answer. */
struct asker {
	const struct root *root;
	const struct peer *peer;
	const char *group; /* of the privileged, for the text of a refusal; "": there is none */
};

/* For all that is not of one process. 0, or negative and *refusal. */
int rights_to_all(const struct asker *asker, const char *what, struct refusal *refusal);

/*
 * The directory of a process in /proc, by which it stays this process, for whoever may see it. 0 and
 * *ret_dir, or negative and *refusal: there is none, it is a thread, or it is somebody else's.
 */
int rights_to_process(const struct asker *asker, uint32_t pid, int *ret_dir,
		      struct refusal *refusal);

/* Again, of a directory that was opened: an exec may have changed whose it is. */
bool rights_are_kept(const struct peer *peer, int dir);
