/* SPDX-License-Identifier: GPL-2.0-only */

/* test-maple — the walk over trees built by hand in an image of memory. */

#include "../unit/check.h"
#include "kenv-host.h"

struct kenv_image kenv_image;

#include "maple.h"

#define LEAF 1
#define RANGE 2
#define ARANGE 3

struct node {
	uint64_t words[32]; /* parent, pivots, slots: 256 bytes */
};

static struct node nodes[8];

static uint64_t address(int i)
{
	return 0xffff888000100000ull + (uint64_t)i * 256;
}

static uint64_t enode(int i, uint64_t type)
{
	return address(i) | type << 3 | 4;
}

static uint64_t root_of(int i, uint64_t type)
{
	return address(i) | type << 3 | 2;
}

static void reset(void)
{
	memset(nodes, 0, sizeof(nodes));
	kenv_image.cnt = 0;
	for (int i = 0; i < 8; i++)
		kenv_map(address(i), &nodes[i], sizeof(nodes[i]));
}

static int find(uint64_t root, uint64_t addr, __u64 *vma)
{
	struct maple_scratch m;

	*vma = 0;
	return maple_find(&m, root, addr, vma);
}

/* Two leaves under one inner node of the arange kind, as a process has. */
static uint64_t two_levels(void)
{
	reset();
	nodes[0].words[1] = 0x7fff; /* pivots: 9, then 10 slots */
	nodes[0].words[2] = ~0ull;
	nodes[0].words[10] = enode(1, LEAF);
	nodes[0].words[11] = enode(2, LEAF);
	nodes[1].words[1] = 0x0fff; /* a hole up to 0xfff */
	nodes[1].words[2] = 0x1fff;
	nodes[1].words[3] = 0x7fff;
	nodes[1].words[17] = 0xffff888000aaa000ull; /* slots from word 16 */
	nodes[1].words[18] = 0xffff888000bbb000ull;
	nodes[2].words[1] = 0xffff;
	nodes[2].words[16] = 0xffff888000ccc000ull;
	return root_of(0, ARANGE);
}

TEST(every_mapping_is_found_and_holes_are_holes)
{
	uint64_t root = two_levels();
	__u64 vma;

	CHECK_EQ(find(root, 0x1000, &vma), 0);
	CHECK_EQ(vma, 0xffff888000aaa000ull);
	CHECK_EQ(find(root, 0x1fff, &vma), 0);
	CHECK_EQ(vma, 0xffff888000aaa000ull);
	CHECK_EQ(find(root, 0x2000, &vma), 0);
	CHECK_EQ(vma, 0xffff888000bbb000ull);
	CHECK_EQ(find(root, 0x8000, &vma), 0);
	CHECK_EQ(vma, 0xffff888000ccc000ull);
	CHECK_EQ(find(root, 0x0500, &vma), -KENV_ENOENT);
}

TEST(a_node_early_ended_by_a_zero_pivot)
{
	uint64_t root = two_levels();
	__u64 vma;

	nodes[2].words[17] = 0xffff888000ddd000ull; /* the slot behind the last pivot */
	CHECK_EQ(find(root, 0x20000, &vma), 0);
	CHECK_EQ(vma, 0xffff888000ddd000ull);
}

TEST(a_full_node_of_15_pivots)
{
	__u64 vma;

	reset();
	for (uint64_t i = 0; i < 15; i++)
		nodes[0].words[1 + i] = (i + 1) * 0x1000 - 1;
	for (uint64_t i = 0; i < 16; i++)
		nodes[0].words[16 + i] = 0xffff888000200000ull + i * 0x100;
	for (uint64_t i = 0; i < 16; i++) {
		CHECK_EQ(find(root_of(0, LEAF), i * 0x1000 + 0x10, &vma), 0);
		CHECK_EQ(vma, 0xffff888000200000ull + i * 0x100);
	}
}

TEST(a_dead_node_is_tried_again)
{
	uint64_t root = two_levels();
	__u64 vma;

	nodes[2].words[0] = address(2); /* its own parent */
	CHECK_EQ(find(root, 0x8000, &vma), -KENV_EAGAIN);
	CHECK_EQ(find(root, 0x1000, &vma), 0);
}

TEST(memory_that_is_not_there_is_a_fault)
{
	__u64 vma;

	reset();
	CHECK_EQ(find(0xffff999000000000ull | ARANGE << 3 | 2, 0x1000, &vma), -KENV_EFAULT);
}

TEST(a_loop_ends)
{
	__u64 vma;

	reset();
	nodes[0].words[1] = ~0ull;
	nodes[0].words[10] = enode(0, ARANGE);
	CHECK_EQ(find(root_of(0, ARANGE), 0x1000, &vma), -KENV_EAGAIN);
}

TEST(empty_trees)
{
	__u64 vma;

	reset();
	CHECK_EQ(find(0, 0x1000, &vma), -KENV_ENOENT);
	CHECK_EQ(find(0xffff888000aaa000ull, 0x1000, &vma), -KENV_ENOENT);
}

CHECK_MAIN
