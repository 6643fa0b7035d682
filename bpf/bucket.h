/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * bucket — how many files one user may announce, on each CPU.
 *
 * A table of buckets per CPU, written by plain stores: no hash is updated here. Root has a bucket of its
 * own. The others find two by their id, and take over one that is full again: forgetting that costs
 * nobody anything, and gains nothing. Where more than two users who announce all the time meet, the
 * third takes from the bucket that is fuller, as its owner does: together they get what two get, however
 * they take turns. An event that interrupts another one between load and store costs one announcement
 * more, or less.
 *
 * A build host starts some 50 new programs a second; the start of a recording meets the files of all
 * that runs, which are root's mostly.
 */

#include "kenv.h"

#define BUCKET_SLOTS 64
#define BUCKET_USER_NS 5000000ull /* 200 a second, and 1,000 at once */
#define BUCKET_USER_BURST 1000
#define BUCKET_ROOT_NS 500000ull /* 2,000 a second, and 4,000 at once */
#define BUCKET_ROOT_BURST 4000
#define BUCKET_TOLD 1 /* whose told is: as any user's */

struct bucket {
	__u64 due_ns; /* when it is full again */
	__u32 uid;    /* whose, until then */
	__u32 pad;
};

struct bucket_pair {
	struct bucket ways[2];
};

struct buckets {
	struct bucket_pair slots[BUCKET_SLOTS];
	struct bucket root;
	struct bucket told; /* wake-ups for control groups (tell.h) */
	struct bucket kept; /* stacks kept until rows come (kept.h) */
	struct bucket rest; /* stacks walked again (rest.h) */
};

static __always_inline __u32 bucket_slot(__u32 uid)
{
	return (uid * 2654435761u) >> 26;
}

static __always_inline struct bucket *bucket_of(struct buckets *b, __u32 uid, __u64 now)
{
	struct bucket *first, *second;

	if (!uid)
		return &b->root;
	first = &b->slots[bucket_slot(uid) & (BUCKET_SLOTS - 1)].ways[0];
	second = first + 1;
	if (first->uid == uid)
		return first;
	if (second->uid == uid || second->due_ns <= now)
		return second;
	return first->due_ns < second->due_ns ? first : second;
}

/* Takes one out of @burst, for which @cost_ns later there is another one; 0 when there is none left. */
static __always_inline int bucket_spend(struct bucket *b, __u64 cost_ns, __u64 burst, __u64 now)
{
	__u64 due = b->due_ns > now ? b->due_ns : now;

	if (due - now + cost_ns > cost_ns * burst)
		return 0;
	b->due_ns = due + cost_ns;
	return 1;
}

/* The same at the price that user @uid pays. */
static __always_inline int bucket_charge(struct bucket *b, __u32 uid, __u64 now)
{
	if (b->due_ns <= now)
		b->uid = uid;
	return uid ? bucket_spend(b, BUCKET_USER_NS, BUCKET_USER_BURST, now)
		   : bucket_spend(b, BUCKET_ROOT_NS, BUCKET_ROOT_BURST, now);
}

/* The same of @uid's announcements. */
static __always_inline int bucket_take(struct buckets *all, __u32 uid, __u64 now)
{
	return bucket_charge(bucket_of(all, uid, now), uid, now);
}
