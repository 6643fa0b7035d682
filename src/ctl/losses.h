/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * losses — what samples a recording lost, in words: how many, why, and what to do about it. The
 * reasons are counters, so that what is said here can be looked up in the books.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/counters.h"

struct losses {
	uint64_t samples;
	const char *why;    /* prose of the counter that lost most */
	const char *next;   /* what helps against that one */
	char counters[512]; /* "drop_ring_full 12, discard_memory 3": all that moved */
};

/* What is said of samples that a daemon withheld, for they are of other users' processes. */
#define LOSSES_FORBIDDEN_NEXT "run it with sudo, or become a member of the daemon's group, cprofd"

/* Every sample that ran, may be seen and is in no profile. False, and *ret as it was: there is none. */
bool losses_find(const struct counters *c, struct losses *ret);
/* Only those of whole profiles that never came, though others may have. As losses_find(). */
bool losses_find_profiles(const struct counters *c, struct losses *ret);
