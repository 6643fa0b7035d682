/* SPDX-License-Identifier: GPL-2.0-only */

/* test-frame-pointers — chains of frame pointers, whole and broken, in an image of a stack. */

#include "../unit/check.h"
#include "kenv-host.h"

struct kenv_image kenv_image;

#include "walk.h"

#define STACK 0x7ffc00000000ull

static uint64_t stack[512];

static void frame(unsigned int at, uint64_t next, uint64_t ret)
{
	stack[at] = next;
	stack[at + 1] = ret;
}

static uint64_t addr(unsigned int at)
{
	return STACK + at * 8ull;
}

static void reset(void)
{
	memset(stack, 0, sizeof(stack));
	kenv_image.cnt = 0;
	kenv_map(STACK, stack, sizeof(stack));
}

static unsigned int walk(uint64_t fp, uint64_t low, __u8 *end)
{
	struct walk w = { .known = WALK_ALL, .exact = 1, .read = kenv_read_image };
	unsigned int n = 0;

	w.regs[CPROF_REG_RBP] = fp;
	w.regs[CPROF_REG_RSP] = low;
	while (n < 2000 && walk_by_fp(&w, false))
		n++;
	*end = w.end;
	return n;
}

TEST(a_whole_chain_ends_with_null)
{
	__u8 end;

	reset();
	frame(10, addr(20), 0x401000);
	frame(20, addr(40), 0x401100);
	frame(40, 0, 0x401200);
	CHECK_EQ(walk(addr(10), STACK, &end), 3);
	CHECK_EQ(end, CPROF_END_FP_ZERO);
}

TEST(what_points_down_or_at_itself_ends_the_walk)
{
	__u8 end;

	reset();
	frame(10, addr(20), 0x401000);
	frame(20, addr(20), 0x401100);
	CHECK_EQ(walk(addr(10), STACK, &end), 2);
	CHECK_EQ(end, CPROF_END_FP_BAD);
	frame(20, addr(10), 0x401100);
	CHECK_EQ(walk(addr(10), STACK, &end), 2);
	CHECK_EQ(end, CPROF_END_FP_BAD);
	CHECK_EQ(walk(addr(10), addr(11), &end), 0);
	CHECK_EQ(end, CPROF_END_FP_BAD);
}

TEST(garbage_in_the_register)
{
	static const uint64_t garbage[] = { 1, 7, 0x401001, 0xffff800000000000ull, ~0ull - 7 };
	__u8 end;

	reset();
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		CHECK_EQ(walk(garbage[i], STACK, &end), 0);
		CHECK_EQ(end, CPROF_END_FP_BAD);
	}
	CHECK_EQ(walk(0, STACK, &end), 0);
	CHECK_EQ(end, CPROF_END_FP_ZERO);
	CHECK_EQ(walk(STACK + (1 << 20), STACK, &end), 0);
	CHECK_EQ(end, CPROF_END_FP_FAULT);
}

TEST(a_null_return_address)
{
	__u8 end;

	reset();
	frame(10, addr(20), 0x401000);
	frame(20, 0, 0);
	CHECK_EQ(walk(addr(10), STACK, &end), 1);
	CHECK_EQ(end, CPROF_END_FP_ZERO);
	frame(20, addr(30), 0);
	CHECK_EQ(walk(addr(10), STACK, &end), 1);
	CHECK_EQ(end, CPROF_END_FP_BAD);
}

CHECK_MAIN
