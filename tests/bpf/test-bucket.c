/* SPDX-License-Identifier: GPL-2.0-only */

/* test-bucket — rates, bursts, and users who meet in one place. */

#include "../unit/check.h"
#include "kenv-host.h"

struct kenv_image kenv_image;

#include "bucket.h"

#define SECOND 1000000000ull

/* Tries every 100 us for @ns. */
static int taken(struct bucket *b, __u32 uid, __u64 from, __u64 ns)
{
	int cnt = 0;

	for (__u64 at = from; at < from + ns; at += 100000)
		cnt += bucket_take(b, uid, at);
	return cnt;
}

TEST(burst_then_rate)
{
	struct bucket user = { 0 }, root = { 0 };

	CHECK_EQ(taken(&user, 65534, SECOND, SECOND), 1000 + 199);
	CHECK_EQ(taken(&user, 65534, 2 * SECOND, SECOND), 200);
	CHECK_EQ(taken(&root, 0, SECOND, 2 * SECOND), 4000 + 3999);
	/* After a pause it is full, and no fuller. */
	CHECK_EQ(taken(&user, 65534, 100 * SECOND, SECOND), 1000 + 199);
}

TEST(users_in_one_place_do_not_starve_each_other)
{
	struct bucket b = { 0 };
	int victim = 0;

	CHECK(taken(&b, 65534, SECOND, SECOND) > 1000);
	CHECK_EQ(bucket_take(&b, 65534, 2 * SECOND - 1), 0);
	for (__u64 i = 0; i < 100; i++) {
		victim += bucket_take(&b, 1000, 2 * SECOND + i * 10000000);
		(void)taken(&b, 65534, 2 * SECOND + i * 10000000 + 1, 5000000);
	}
	CHECK_EQ(victim, 100);
	/* The other one gets no more than a quarter of a bucket each time. */
	(void)bucket_take(&b, 1000, 10 * SECOND);
	CHECK(taken(&b, 65534, 10 * SECOND, 1000000) <= 10);
	CHECK_EQ(bucket_take(&b, 1000, 10 * SECOND), 1);
}

TEST(places_are_in_the_table)
{
	for (__u32 uid = 0; uid < 200000; uid += 7)
		CHECK(bucket_slot(uid) < BUCKET_SLOTS);
	CHECK(bucket_slot(UINT32_MAX) < BUCKET_SLOTS);
}

CHECK_MAIN
