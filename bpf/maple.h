/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * maple — which mapping holds an address: a lockless walk of mm->mm_mt, the maple tree of VMAs.
 *
 * Formats: include/linux/maple_tree.h (Linux 6.1 and later). An encoded node pointer has its type in
 * bits 3 to 6 and the node's address in the bits above 7; nodes are 256-byte aligned and a dead one is
 * its own parent. Reads never fault; nodes are freed by RCU and may be re-used under us, so the VMA
 * found must contain the address, and what is read of it is checked again by the caller.
 */

#include "kenv.h"

#define MAPLE_LEVELS_MAX 10
#define MAPLE_RANGE_PIVOTS 15
#define MAPLE_ARANGE_PIVOTS 9
#define MAPLE_ARANGE_TYPE 3
#define MAPLE_LEAF_BELOW 2 /* types 0 and 1 are leaves */
#define MAPLE_TYPE(e) (((e) >> 3) & 15)
#define MAPLE_NODE(e) ((e) & ~255ull)

/* Load-time setting of tests: slots are looked for so many bytes beside where they are. */
const volatile __u32 maple_skew = 0;

/* parent and 15 pivots: what both node formats have in their first 128 bytes */
struct maple_scratch {
	__u64 words[1 + MAPLE_RANGE_PIVOTS];
};

/* The slot for @addr: the first whose pivot is not below it. A zero pivot ends a node early. */
static __always_inline __u32 maple_slot(const struct maple_scratch *m, __u32 pivots, __u64 addr)
{
	__u32 i;

	for (i = 0; i < MAPLE_RANGE_PIVOTS; i++) {
		__u64 pivot = m->words[1 + i];

		if (i >= pivots || pivot >= addr || (pivot == 0 && i > 0))
			break;
	}
	return i;
}

/*
 * Finds the VMA for @addr in the tree with this root: 0 and *ret_vma, -ENOENT for a hole, -EAGAIN
 * when a node died under us, -EFAULT when memory could not be read.
 */
static __always_inline int maple_find(struct maple_scratch *m, __u64 root, __u64 addr,
				      __u64 *ret_vma)
{
	__u64 entry = root;

	if ((root & 3) != 2 || root < 4096)
		return -KENV_ENOENT; /* empty, or a single mapping that no process has */
	for (int level = 0; level < MAPLE_LEVELS_MAX; level++) {
		__u64 node = MAPLE_NODE(entry);
		__u32 type = MAPLE_TYPE(entry), slot, pivots;

		pivots = type == MAPLE_ARANGE_TYPE ? MAPLE_ARANGE_PIVOTS : MAPLE_RANGE_PIVOTS;
		if (kenv_read_kernel(m->words, sizeof(m->words), node))
			return -KENV_EFAULT;
		if (MAPLE_NODE(m->words[0]) == node)
			return -KENV_EAGAIN;
		slot = maple_slot(m, pivots, addr);
		if (kenv_read_kernel(&entry, sizeof(entry),
				     node + 8 * (1 + pivots + slot) + maple_skew))
			return -KENV_EFAULT;
		if (type < MAPLE_LEAF_BELOW) {
			*ret_vma = entry;
			return entry ? 0 : -KENV_ENOENT;
		}
		if (entry < 4096)
			return -KENV_ENOENT;
	}
	return -KENV_EAGAIN;
}
