/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * starts — how often recordings may begin for users who do not see all.
 *
 * To begin one the sampler loads its BPF programs: a tenth of a second of its only thread, whoever asked
 * for it, and whether or not he stays. Each user has a bucket of tokens, and all of them together have
 * one: so many at once, and then one in so much time, which keeps it well below what CPU= allows at
 * least (ceiling.h). Who finds it empty is told how long to wait.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/base/clock.h"

#define STARTS_OF_ONE 4u
#define STARTS_OF_ONE_EVERY_NS (5 * NSEC_PER_SEC)
#define STARTS_OF_ALL 12u
#define STARTS_OF_ALL_EVERY_NS (2 * NSEC_PER_SEC)

/* More users than can have spent of their buckets while the one of all had tokens. */
#define STARTS_USERS_MAX 32u

/* A bucket is the time at which it is full again, all else follows: 0 is one that nobody touched. */
struct starts {
	uint64_t all_full_ns;
	struct {
		uint64_t full_ns;
		uint32_t uid;
	} users[STARTS_USERS_MAX];
	unsigned int users_cnt;
};

/* Of whom there were too many, and how long until the next may begin. */
struct starts_wait {
	uint64_t ns;
	bool is_of_all;
};

/* True: it may begin now, and counts. False: *ret, and nothing counts. */
bool starts_take(struct starts *s, uint32_t uid, uint64_t now_ns, struct starts_wait *ret);
