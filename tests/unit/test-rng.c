/* SPDX-License-Identifier: Apache-2.0 */

/* rng: the published sequence, the unit interval and its mean, seeds that differ. */

#include "check.h"

#include "cprof/base/rng.h"

/* The first outputs for seed 1234567, as every implementation of splitmix64 gives them. */
TEST(published_sequence)
{
	struct rng r = { .state = 1234567 };

	CHECK_EQ(rng_next(&r), 6457827717110365317ULL);
	CHECK_EQ(rng_next(&r), 3203168211198807973ULL);
	CHECK_EQ(rng_next(&r), 9817491932198370423ULL);
}

TEST(unit_interval)
{
	struct rng r = { .state = 1 };
	double sum = 0, low = 1, high = 0;

	for (int i = 0; i < 100000; i++) {
		double u = rng_unit(&r);

		CHECK(u >= 0 && u < 1);
		sum += u;
		low = u < low ? u : low;
		high = u > high ? u : high;
	}
	CHECK(sum / 100000 > 0.49 && sum / 100000 < 0.51);
	CHECK(low < 0.001 && high > 0.999);
}

TEST(seeds_differ)
{
	CHECK(rng_seed() != rng_seed());
}

CHECK_MAIN
