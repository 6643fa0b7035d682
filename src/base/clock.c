/* SPDX-License-Identifier: Apache-2.0 */

/*
 * clock_gettime(2) cannot fail for these clocks on any kernel we support: a failure is a broken
 * build, so it is asserted instead of being carried through every caller.
 */

#include <assert.h>
#include <time.h>

#include "cprof/base/clock.h"

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	int r;

	r = clock_gettime(id, &ts);
	assert(r == 0);
	(void)r;
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

uint64_t clock_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}
