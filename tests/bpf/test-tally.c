/* SPDX-License-Identifier: GPL-2.0-only */
/* tally.h: missed overflows are found by the counter, early and late readings are no false alarm. */

#include "../unit/check.h"
#include "tally.h"

TEST(none_missed)
{
	struct tally t = { 0 };

	for (__u64 i = 1; i < 100; i++)
		CHECK_EQ(tally_missed(&t, i, 1), 0);
	t = (struct tally){ 0 };
	for (__u64 i = 1; i < 100; i++)
		CHECK_EQ(tally_missed(&t, i * 1000, 1000), 0);
}

TEST(missed_ones_are_told_once)
{
	struct tally t = { 0 };

	CHECK_EQ(tally_missed(&t, 1, 1), 0);
	CHECK_EQ(tally_missed(&t, 5, 1), 3);
	CHECK_EQ(tally_missed(&t, 6, 1), 0);
	CHECK_EQ(tally_missed(&t, 8, 1), 1);
	t = (struct tally){ 0 };
	CHECK_EQ(tally_missed(&t, 3000, 1000), 2); /* the first ones too */
	CHECK_EQ(tally_missed(&t, 4000, 1000), 0);
}

/* A PMU skids: read late, then early. Over all nothing is lost and nothing invented. */
TEST(skid)
{
	struct tally t = { 0 };

	CHECK_EQ(tally_missed(&t, 1900, 1000), 0);
	CHECK_EQ(tally_missed(&t, 2010, 1000), 0);
	CHECK_EQ(tally_missed(&t, 3990, 1000), 0);
	CHECK_EQ(tally_missed(&t, 4000, 1000), 0);
	CHECK_EQ(tally_missed(&t, 5950, 1000), 0);
	CHECK_EQ(tally_missed(&t, 7010, 1000), 1); /* 7 overflows, and this is the sixth sample */
	CHECK_EQ(tally_missed(&t, 8000, 1000), 0);
}

/* By rate: whatever the period was said to be, all samples together stand for all events. */
TEST(weights)
{
	struct tally t = { 0 };

	CHECK_EQ(tally_weight(&t, 1), 1);
	CHECK_EQ(tally_weight(&t, 500), 499);
	CHECK_EQ(tally_weight(&t, 500), 0);
	CHECK_EQ(tally_weight(&t, 1000), 500);
}

/* The event of a CPU that was gone is opened anew: what it counts from 0 on is neither lost nor huge. */
TEST(opened_anew)
{
	struct tally t = { 0 };
	__u64 missed = 0;

	for (__u64 opened = 1; opened < 4; opened++) {
		tally_follow(&t, 5000, opened);
		CHECK_EQ(tally_weight(&t, 5000), 5000);
		tally_follow(&t, 5600, opened);
		CHECK_EQ(tally_weight(&t, 5600), 600);
	}
	/* Further on already than the one before. */
	tally_follow(&t, 9000, 4);
	CHECK_EQ(tally_weight(&t, 9000), 9000);
	/* Also before anybody said so: only what it went on by is counted twice. */
	tally_follow(&t, 1000, 4);
	CHECK_EQ(tally_weight(&t, 1000), 1000);
	t = (struct tally){ 0 };
	tally_follow(&t, 1000000, 1);
	(void)tally_missed(&t, 1000000, 100);
	tally_follow(&t, 200, 2);
	for (__u64 i = 1; i <= 50; i++) {
		tally_follow(&t, i * 200, 2);
		missed += tally_missed(&t, i * 200, 100);
	}
	CHECK_EQ(missed, 50);
}

TEST(nonsense)
{
	struct tally t = { 0 };

	CHECK_EQ(tally_missed(&t, 10, 0), 0);
	tally_follow(&t, 0, 0); /* a counter that went back */
	CHECK_EQ(tally_missed(&t, 0, 1), 0);
}

CHECK_MAIN
