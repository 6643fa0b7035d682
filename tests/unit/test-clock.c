/* SPDX-License-Identifier: Apache-2.0 */

/* clock: each function reads the clock it says, in nanoseconds. */

#include "check.h"

#include <time.h>

#include "cprof/base/clock.h"

static void check_near(uint64_t got, clockid_t id)
{
	struct timespec ts;
	uint64_t now;

	CHECK_EQ(clock_gettime(id, &ts), 0);
	now = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
	CHECK(got <= now);
	CHECK(now - got < 10 * NSEC_PER_SEC);
}

TEST(clocks)
{
	check_near(clock_mono_ns(), CLOCK_MONOTONIC);
	check_near(clock_boot_ns(), CLOCK_BOOTTIME);
	check_near(clock_real_ns(), CLOCK_REALTIME);
}

TEST(a_whole_second_comes_after)
{
	CHECK_EQ(clock_next_second(0), NSEC_PER_SEC);
	CHECK_EQ(clock_next_second(NSEC_PER_SEC - 1), NSEC_PER_SEC);
	CHECK_EQ(clock_next_second(NSEC_PER_SEC), 2 * NSEC_PER_SEC);
}

CHECK_MAIN
