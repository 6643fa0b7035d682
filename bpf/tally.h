/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * tally — what a sample of a counted event stands for, and which samples never reached us.
 *
 * Sampled by rate, the kernel changes the period in mid-flight, and the one that it tells is only its
 * aim: right after a pause it is far too large. The counter is exact, so a sample stands for what it
 * went on by since the sample before, whosever that was.
 *
 * An event with a fixed period overflows whenever its counter has gone on by one period. The counter
 * itself is exact, whoever missed an overflow: what it went on by since the sample before, less the
 * period that this sample stands for, are overflows that we did not see (recursion of BPF, a throttled
 * event). A PMU's counter is read a little after its overflow, so the remainder is signed and carried.
 *
 * A CPU that was gone gets another event, whose counter begins at 0: user space says so by a number that
 * it raises before it opens one. A counter that went back is another one too, whoever said what.
 */

#include "kenv.h"

struct tally {
	__u64 counter; /* at the sample before */
	__s64 carried; /* of a period */
	__u64 opened;  /* which event; see struct cprof_rate */
};

/* To be called before each sample. */
static __always_inline void tally_follow(struct tally *t, __u64 counter, __u64 opened)
{
	if (t->opened == opened && counter >= t->counter)
		return;
	t->counter = 0;
	t->carried = 0;
	t->opened = opened;
}

static __always_inline __u64 tally_weight(struct tally *t, __u64 counter)
{
	__u64 weight = counter - t->counter;

	t->counter = counter;
	return weight;
}

/* The overflows before this one that were not seen, @counter being the event's at this one. */
static __always_inline __u64 tally_missed(struct tally *t, __u64 counter, __u64 period)
{
	__u64 missed;

	t->carried += (__s64)(counter - t->counter) - (__s64)period;
	t->counter = counter;
	if (t->carried < 0 || period == 0 || (__u64)t->carried < period)
		return 0;
	missed = (__u64)t->carried / period;
	t->carried -= (__s64)(missed * period);
	return missed;
}
