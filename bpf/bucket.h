/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * bucket — how many files one user may announce, on each CPU.
 *
 * A table of buckets per CPU, written by plain stores: no hash is updated here. Two users whose ids meet
 * in one place take turns to overwrite each other, and whoever comes begins with a quarter of a bucket:
 * that lets a little more through, and starves nobody. An event that interrupts another one between
 * load and store costs one announcement more, or less.
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

struct bucket {
	__u64 due_ns; /* when it is full again; 0: nobody's yet */
	__u32 uid;
	__u32 pad;
};

struct buckets {
	struct bucket slots[BUCKET_SLOTS];
};

static __always_inline __u32 bucket_slot(__u32 uid)
{
	return (uid * 2654435761u) >> 26;
}

/* Takes one announcement out; 0 when there is none left. */
static __always_inline int bucket_take(struct bucket *b, __u32 uid, __u64 now)
{
	__u64 cost = uid ? BUCKET_USER_NS : BUCKET_ROOT_NS;
	__u64 room = cost * (uid ? BUCKET_USER_BURST : BUCKET_ROOT_BURST);
	__u64 due = b->due_ns;

	if (due && b->uid != uid)
		due = now + room / 4 * 3;
	b->uid = uid;
	if (due < now)
		due = now;
	if (due - now + cost > room) {
		b->due_ns = due;
		return 0;
	}
	b->due_ns = due + cost;
	return 1;
}
