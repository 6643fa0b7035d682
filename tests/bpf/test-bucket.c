/* SPDX-License-Identifier: GPL-2.0-only */

/* test-bucket — rates, bursts, and users who meet in one place. */

#include "../unit/check.h"
#include "kenv-host.h"

struct kenv_image kenv_image;

#include "bucket.h"

#define SECOND 1000000000ull
#define ELEMENTS(a) ((int)(sizeof(a) / sizeof(*(a))))

/* Tries every 100 us for @ns, all of @uids in turn. */
static int taken_in_turn(struct buckets *b, const __u32 *uids, int uids_cnt, __u64 from, __u64 ns)
{
	int cnt = 0, turn = 0;

	for (__u64 at = from; at < from + ns; at += 100000)
		cnt += bucket_take(b, uids[turn++ % uids_cnt], at);
	return cnt;
}

static int taken(struct buckets *b, __u32 uid, __u64 from, __u64 ns)
{
	return taken_in_turn(b, &uid, 1, from, ns);
}

TEST(burst_then_rate)
{
	struct buckets user = { 0 }, root = { 0 };

	CHECK_EQ(taken(&user, 65534, SECOND, SECOND), 1000 + 199);
	CHECK_EQ(taken(&user, 65534, 2 * SECOND, SECOND), 200);
	CHECK_EQ(taken(&root, 0, SECOND, 2 * SECOND), 4000 + 3999);
	/* After a pause it is full, and no fuller. */
	CHECK_EQ(taken(&user, 65534, 100 * SECOND, SECOND), 1000 + 199);
}

/* The ids that meet 1000 in its place, from 1001 on. */
static void find_neighbours(__u32 *uids, int cnt)
{
	uids[0] = 1000;
	for (int i = 1; i < cnt; i++) {
		uids[i] = uids[i - 1] + 1;
		while (bucket_slot(uids[i]) != bucket_slot(1000))
			uids[i]++;
	}
}

TEST(users_in_one_place)
{
	struct buckets b = { 0 };
	__u32 uids[6];
	int victim = 0;

	find_neighbours(uids, ELEMENTS(uids));
	CHECK_EQ(uids[1], 1089);
	/* Two of them: each has a bucket, whoever takes turns. */
	CHECK_EQ(taken_in_turn(&b, uids, 2, SECOND, SECOND), 2 * (1000 + 199));
	CHECK_EQ(taken_in_turn(&b, uids, 2, 2 * SECOND, SECOND), 2 * 200);
	/* However many: no more than two have. */
	b = (struct buckets){ 0 };
	CHECK(taken_in_turn(&b, uids, ELEMENTS(uids), SECOND, SECOND) <= 2 * (1000 + 200));
	CHECK(taken_in_turn(&b, uids, ELEMENTS(uids), 2 * SECOND, SECOND) <= 2 * 200 + 2);
	/* A storm of one user starves nobody. */
	b = (struct buckets){ 0 };
	(void)taken(&b, uids[1], SECOND, SECOND);
	for (__u64 i = 0; i < 100; i++) {
		victim += bucket_take(&b, uids[0], 2 * SECOND + i * 10000000);
		(void)taken(&b, uids[1], 2 * SECOND + i * 10000000 + 1, 5000000);
	}
	CHECK_EQ(victim, 100);
	/* Whose bucket is full again gives it to another: it is as good as a new one. */
	CHECK_EQ(taken(&b, uids[2], 100 * SECOND, SECOND), 1000 + 199);
	CHECK_EQ(taken(&b, uids[3], 101 * SECOND, SECOND), 1000 + 199);
}

/* Some ids lie where root would: they take nothing from it, nor it from them. */
TEST(root_has_its_own)
{
	static const __u32 uids[] = { 0, 1021, 1076 };
	struct buckets b = { 0 };

	CHECK_EQ(bucket_slot(1021), bucket_slot(0));
	CHECK_EQ(bucket_slot(1076), bucket_slot(0));
	CHECK_EQ(taken(&b, 1021, SECOND, SECOND), 1000 + 199);
	CHECK_EQ(taken(&b, 1076, SECOND, SECOND), 1000 + 199);
	CHECK_EQ(taken(&b, 0, SECOND, SECOND), 4000 + 1999);
	CHECK_EQ(taken_in_turn(&b, uids, ELEMENTS(uids), 2 * SECOND, SECOND), 2000 + 2 * 200);
}

TEST(places_are_in_the_table)
{
	for (__u32 uid = 0; uid < 200000; uid += 7)
		CHECK(bucket_slot(uid) < BUCKET_SLOTS);
	CHECK(bucket_slot(UINT32_MAX) < BUCKET_SLOTS);
}

CHECK_MAIN
