/* SPDX-License-Identifier: GPL-2.0-only */

/* test-walk — single steps by rules and by frame pointers, over an image of two stacks. */

#include "../unit/check.h"
#include "kenv-host.h"

struct kenv_image kenv_image;

#include "walk.h"

#define STACK 0x7ffc00000000ull
#define OTHER 0x7f0000000000ull /* a signal handler's, or a goroutine's; it lies below */
#define PC 0x401000ull

static uint64_t stack[512], other[512];

static unsigned reads;

static int read_counted(const void *memory, void *dst, size_t sz, __u64 addr)
{
	reads++;
	return kenv_read_image(memory, dst, sz, addr);
}

/* In the frame that was interrupted, everything known: register n holds n * 0x1111. */
static struct walk begin(uint64_t sp, uint64_t bp)
{
	struct walk w = { .pc = PC, .known = WALK_ALL, .exact = 1, .read = read_counted };

	memset(stack, 0, sizeof(stack));
	memset(other, 0, sizeof(other));
	kenv_image.cnt = 0;
	kenv_map(STACK, stack, sizeof(stack));
	kenv_map(OTHER, other, sizeof(other));
	for (int i = 0; i < 16; i++)
		w.regs[i] = (uint64_t)i * 0x1111;
	w.regs[CPROF_REG_RSP] = sp;
	w.regs[CPROF_REG_RBP] = bp;
	return w;
}

/* As a compiler says it: the return address below the CFA. */
static struct cprof_rule rule(int cfa, int reg, int off)
{
	return (struct cprof_rule){ .cfa = (__u8)cfa,
				    .cfa_reg = (__u8)reg,
				    .cfa_off = off,
				    .ra = CPROF_WHERE_CFA,
				    .ra_off = -8 };
}

TEST(a_frame_without_a_frame_pointer)
{
	struct cprof_rule r = rule(CPROF_CFA_REG, CPROF_REG_RSP, 32);
	struct walk w = begin(STACK, 0x77);

	stack[3] = PC + 100;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.pc, PC + 100);
	CHECK_EQ(walk_lookup_pc(&w), PC + 99);
	CHECK_EQ(walk_sp(&w), STACK + 32);
	CHECK_EQ(w.regs[CPROF_REG_RBP], 0x77);
	CHECK_EQ(w.known, WALK_ABOVE);
	CHECK(!w.exact);
}

TEST(a_saved_frame_pointer_is_restored)
{
	struct cprof_rule r = rule(CPROF_CFA_REG, CPROF_REG_RBP, 16);
	struct walk w = begin(STACK, STACK + 80);

	r.fp = CPROF_WHERE_CFA;
	r.fp_off = -16;
	stack[10] = STACK + 200;
	stack[11] = PC + 5;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.regs[CPROF_REG_RBP], STACK + 200);
	CHECK_EQ(walk_sp(&w), STACK + 96);
}

TEST(expressions_of_libc_libcrypto_and_of_the_linker)
{
	struct cprof_rule r = rule(CPROF_CFA_DEREF, CPROF_REG_RSP, 16);
	struct walk w = begin(STACK, 0);

	r.cfa_add = 8;
	stack[2] = STACK + 64;
	stack[8] = PC + 1; /* at CFA - 8 */
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.pc, PC + 1);
	CHECK_EQ(walk_sp(&w), STACK + 72);

	r = rule(CPROF_CFA_INDEX, 9, 24);
	r.cfa_add = 8;
	w = begin(STACK, 0);
	w.regs[9] = 4;
	stack[7] = STACK + 128; /* rsp + 8 * 4 + 24 */
	stack[16] = PC + 2;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.pc, PC + 2);

	r = rule(CPROF_CFA_PLT, CPROF_REG_RSP, 11);
	w = begin(STACK, 0);
	w.pc = PC + 10;
	stack[0] = PC + 3;
	stack[1] = PC + 4;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.pc, PC + 3);
	w = begin(STACK, 0);
	w.pc = PC + 11;
	stack[1] = PC + 4;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.pc, PC + 4);
	CHECK_EQ(walk_sp(&w), STACK + 16);
}

/* The pc behind the last instruction of a function, as __restore_rt's in rt_sigreturn. */
TEST(a_system_call_is_looked_up_where_it_is)
{
	struct cprof_rule r = rule(CPROF_CFA_REG, CPROF_REG_RSP, 8);
	struct walk w = begin(STACK, 0);

	CHECK_EQ(walk_lookup_pc(&w), PC);
	w.syscall = 1; /* read() */
	CHECK_EQ(walk_lookup_pc(&w), PC - 1);
	CHECK(!walk_is_clone(&w));
	stack[0] = PC + 100;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.syscall, 0);
	CHECK_EQ(walk_lookup_pc(&w), PC + 99);

	w = begin(STACK, 0);
	w.syscall = 1;
	r = rule(CPROF_CFA_SIGNAL, 0, 0);
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.syscall, 0);

	w = begin(STACK, STACK + 16);
	w.syscall = 1;
	stack[3] = PC + 7;
	CHECK(walk_by_fp(&w, true));
	CHECK_EQ(w.syscall, 0);
	CHECK(w.guessed);
}

TEST(who_clones_and_who_is_cloned)
{
	const uint32_t calls[] = { WALK_NR_CLONE, WALK_NR_CLONE3 };

	for (int i = 0; i < 2; i++) {
		struct walk w = begin(STACK, 0x77);

		w.syscall = 1 + calls[i];
		CHECK(walk_is_clone(&w));
		w.regs[CPROF_REG_RAX] = (uint64_t)-38; /* -ENOSYS, until it is done */
		stack[0] = PC + 100;
		CHECK(walk_by_clone(&w));
		CHECK_EQ(w.pc, PC + 100);
		CHECK_EQ(walk_sp(&w), STACK + 8);
		CHECK_EQ(w.regs[CPROF_REG_RBP], 0x77);

		w = begin(OTHER, 0);
		w.syscall = 1 + calls[i];
		w.regs[CPROF_REG_RAX] = 0;
		other[0] = PC + 100; /* what the new thread shall run, which nobody called */
		CHECK(!walk_by_clone(&w));
		CHECK_EQ(w.end, CPROF_END_ROOT);
	}
}

/* `mov $0x1b3, %eax; syscall`, then a look at the result. */
TEST(behind_a_clone_that_has_returned)
{
	uint8_t code[32] = { [5] = 0xb8, 0xb3, 0x01, 0, 0, 0x0f, 0x05, 0x48, 0x85, 0xc0, 0x7c };
	struct walk w = begin(STACK, 0);
	uint64_t behind = PC + 12;

	kenv_map(PC, code, sizeof(code));
	w.regs[2] = behind;
	for (w.pc = behind; w.pc <= behind + 7; w.pc++)
		CHECK(walk_is_clone(&w));
	w.pc = behind + 9;
	CHECK(!walk_is_clone(&w));
	w.pc = behind - 1;
	CHECK(!walk_is_clone(&w));
	w.pc = behind;
	w.exact = 0;
	CHECK(!walk_is_clone(&w));
	w.exact = 1;
	w.known = WALK_ABOVE;
	CHECK(!walk_is_clone(&w));
	w.known = WALK_ALL;
	code[6] = 0xb4; /* another call */
	CHECK(!walk_is_clone(&w));
	code[6] = 56;
	CHECK(!walk_is_clone(&w));
	code[7] = 0;
	CHECK(walk_is_clone(&w));
	w.pc = w.regs[2] = 3;
	CHECK(!walk_is_clone(&w));
}

TEST(a_return_address_in_a_register_as_in_vfork)
{
	struct cprof_rule r = {
		.cfa = CPROF_CFA_REG, .cfa_reg = CPROF_REG_RSP, .ra = CPROF_WHERE_REG, .ra_reg = 5
	};
	struct walk w = begin(STACK + 64, 0);

	w.regs[5] = PC + 7;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.pc, PC + 7);
	CHECK_EQ(walk_sp(&w), STACK + 64);
	/* Of a caller rdi is not known, and its stack cannot be where its callee's is. */
	CHECK(!walk_by_rule(&w, &r));
	CHECK_EQ(w.end, CPROF_END_UNSUPPORTED);
	r.ra_reg = CPROF_REG_RBP;
	CHECK(!walk_by_rule(&w, &r));
	CHECK_EQ(w.end, CPROF_END_SP_BAD);
}

TEST(a_signal_gives_back_every_register_and_the_exact_pc)
{
	struct cprof_rule r = { .cfa = CPROF_CFA_SIGNAL, .flags = CPROF_RULE_EXACT };
	struct walk w = begin(OTHER + 800, 0);
	uint64_t *gregs = &other[100 + WALK_UCONTEXT_GREGS / 8];

	for (int i = 0; i < 16; i++)
		gregs[i] = 1000 + (uint64_t)i;
	gregs[10] = STACK + 256; /* rbp */
	gregs[15] = STACK + 128; /* rsp: above or below, it is another stack */
	gregs[16] = PC + 50;
	w.exact = 0;
	w.known = WALK_ABOVE;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.pc, PC + 50);
	CHECK_EQ(walk_lookup_pc(&w), PC + 50);
	CHECK_EQ(w.known, WALK_ALL);
	CHECK_EQ(walk_sp(&w), STACK + 128);
	CHECK_EQ(w.regs[CPROF_REG_RBP], STACK + 256);
	CHECK_EQ(w.regs[8], 1000);  /* r8 */
	CHECK_EQ(w.regs[15], 1007); /* r15 */
	CHECK_EQ(w.regs[5], 1008);  /* rdi */
	CHECK_EQ(w.regs[4], 1009);  /* rsi */
	CHECK_EQ(w.regs[3], 1011);  /* rbx */
	CHECK_EQ(w.regs[1], 1012);  /* rdx */
	CHECK_EQ(w.regs[0], 1013);  /* rax */
	CHECK_EQ(w.regs[2], 1014);  /* rcx */
}

/* Of a thread's own stack Go knows the goroutine only by g, m and what is kept in g. */
TEST(go_keeps_where_a_goroutine_was_left)
{
	struct cprof_rule r = { .cfa = CPROF_CFA_GOROUTINE,
				.cfa_reg = 14,
				.cfa_off = 0xb8,
				.fp_off = 0x60,
				.flags = CPROF_RULE_SWITCH };
	uint64_t *g = stack, *m = stack + 64, *curg = stack + 128;

	for (int by_thread = 0; by_thread < 2; by_thread++) {
		struct walk w = begin(STACK + 2048, 0);

		g[6] = STACK + 512; /* m */
		m[0xb8 / 8] = STACK + 1024;
		curg[0] = OTHER;
		curg[1] = OTHER + sizeof(other);
		curg[7] = OTHER + 96;
		curg[8] = PC + 3;
		curg[0x60 / 8] = OTHER + 200;
		stack[500] = STACK;
		w.regs[14] = by_thread ? 0 : STACK;
		w.known = WALK_ABOVE; /* further up it is as it was */
		w.thread = STACK + 4008;
		r.cfa_reg = by_thread ? CPROF_REG_RIP : 14;
		r.cfa_add = by_thread ? -8 : 0;
		CHECK(walk_by_rule(&w, &r));
		CHECK_EQ(w.pc, PC + 3);
		CHECK_EQ(walk_lookup_pc(&w), PC + 2);
		CHECK_EQ(walk_sp(&w), OTHER + 96);
		CHECK_EQ(w.regs[CPROF_REG_RBP], OTHER + 200);
		CHECK_EQ(w.known, WALK_ABOVE);

		/* C's own use of the register, or another thread pointer. */
		w.regs[14] = STACK + 64;
		w.thread = by_thread ? 0 : w.thread;
		CHECK(!walk_by_rule(&w, &r));
		CHECK_EQ(w.end, CPROF_END_UNSUPPORTED);
		w.regs[14] = STACK;
		w.thread = STACK + 4008;
		curg[1] = OTHER + 95; /* not on its stack */
		CHECK(!walk_by_rule(&w, &r));
		CHECK_EQ(w.end, CPROF_END_UNSUPPORTED);
		curg[1] = OTHER + 96; /* empty, as a stack is at its beginning */
		CHECK(walk_by_rule(&w, &r));
		curg[0] = OTHER + 96;
		CHECK(!walk_by_rule(&w, &r));
		m[0xb8 / 8] = 0;
		CHECK(!walk_by_rule(&w, &r));
		CHECK_EQ(w.end, CPROF_END_UNSUPPORTED);
	}
}

TEST(the_outermost_frame_is_the_root)
{
	struct cprof_rule r = { .cfa = CPROF_CFA_REG,
				.cfa_reg = CPROF_REG_RSP,
				.ra = CPROF_WHERE_UNDEFINED };
	struct walk w = begin(STACK, 0);

	CHECK(!walk_by_rule(&w, &r));
	CHECK_EQ(w.end, CPROF_END_ROOT);
	w.guessed = 1;
	CHECK(!walk_by_rule(&w, &r));
	CHECK_EQ(w.end, CPROF_END_FP_ROOT);
}

TEST(what_leads_nowhere_ends_with_its_reason)
{
	struct cprof_rule r = rule(CPROF_CFA_REG, CPROF_REG_RSP, -64);
	struct walk w = begin(STACK + 640, 0);

	stack[71] = PC;
	CHECK(!walk_by_rule(&w, &r)); /* downwards */
	CHECK_EQ(w.end, CPROF_END_SP_BAD);
	CHECK_EQ(walk_sp(&w), STACK + 640);
	r.flags = CPROF_RULE_SWITCH;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(walk_sp(&w), STACK + 576);

	w = begin(STACK + sizeof(stack), 0);
	r = rule(CPROF_CFA_REG, CPROF_REG_RSP, 8 + 8);
	CHECK(!walk_by_rule(&w, &r)); /* beyond the stack */
	CHECK_EQ(w.end, CPROF_END_FP_FAULT);
	w = begin(0xffffffff81000000ull, 0);
	CHECK(!walk_by_rule(&w, &r)); /* the kernel's half is not read */
	CHECK_EQ(w.end, CPROF_END_FP_FAULT);

	r = rule(CPROF_CFA_REG, 12, 8);
	w = begin(STACK, 0);
	w.known = WALK_ABOVE;
	CHECK(!walk_by_rule(&w, &r));
	CHECK_EQ(w.end, CPROF_END_UNSUPPORTED);
	r = rule(CPROF_CFA_UNSUPPORTED, CPROF_REG_RSP, 8);
	w = begin(STACK, 0);
	CHECK(!walk_by_rule(&w, &r));
	CHECK_EQ(w.end, CPROF_END_UNSUPPORTED);
	r = rule(CPROF_CFA_REG, 200, 8);
	CHECK(!walk_by_rule(&w, &r)); /* a register that there is not */
}

TEST(an_unknown_frame_pointer_stops_only_whom_it_is_wanted_by)
{
	struct cprof_rule r = rule(CPROF_CFA_REG, CPROF_REG_RSP, 8);
	struct walk w = begin(STACK, STACK + 100);

	stack[0] = PC + 1;
	stack[1] = PC + 2;
	r.fp = CPROF_WHERE_UNDEFINED;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.known, 1u << CPROF_REG_RSP);
	CHECK(!walk_by_fp(&w, true));
	CHECK_EQ(w.end, CPROF_END_GAP);
	r.fp = CPROF_WHERE_SAME;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.known, 1u << CPROF_REG_RSP);
}

TEST(frame_pointers_where_there_is_no_rule)
{
	struct walk w = begin(STACK, STACK + 80);

	stack[10] = STACK + 160;
	stack[11] = PC + 9;
	CHECK(walk_by_fp(&w, false)); /* JIT code keeps one */
	CHECK_EQ(w.pc, PC + 9);
	CHECK_EQ(walk_sp(&w), STACK + 96);
	CHECK(!w.guessed);
	CHECK(!walk_by_fp(&w, true)); /* a null return address */
	CHECK_EQ(w.end, CPROF_END_FP_ZERO);

	w = begin(STACK, STACK + 80);
	stack[10] = STACK + 160;
	stack[11] = PC + 9;
	CHECK(walk_by_fp(&w, true)); /* a leaf of a file: whose frame pointer is it? */
	CHECK(w.guessed);
	w.regs[CPROF_REG_RBP] = 0;
	CHECK(!walk_by_fp(&w, true));
	CHECK_EQ(w.end, CPROF_END_FP_ROOT);

	w = begin(STACK + 88, STACK + 80);
	CHECK(!walk_by_fp(&w, true)); /* below the stack pointer */
	CHECK_EQ(w.end, CPROF_END_GAP);
}

TEST(what_lies_near_is_read_once)
{
	struct cprof_rule r = rule(CPROF_CFA_REG, CPROF_REG_RSP, 64);
	struct walk w = begin(STACK, 0);

	r.fp = CPROF_WHERE_CFA;
	r.fp_off = -16;
	for (uint64_t i = 0; i < 64; i++) {
		stack[8 * i + 6] = i;
		stack[8 * i + 7] = PC + i;
	}
	reads = 0;
	for (uint64_t i = 0; i < 64; i++) {
		CHECK(walk_by_rule(&w, &r));
		CHECK_EQ(w.pc, PC + i);
		CHECK_EQ(w.regs[CPROF_REG_RBP], i);
	}
	CHECK_EQ(reads, 64 * 64 / WALK_BLOCK);
	CHECK(!walk_by_rule(&w, &r)); /* beyond the stack */
	CHECK_EQ(w.end, CPROF_END_FP_FAULT);

	/* Two blocks for a frame: the lower one first, or it was read again for the next. */
	w = begin(STACK + 8, 0);
	for (uint64_t i = 0; i < 63; i++)
		stack[8 * i + 8] = PC + i;
	reads = 0;
	for (uint64_t i = 0; i < 63; i++) {
		CHECK(walk_by_rule(&w, &r));
		CHECK_EQ(w.pc, PC + i);
	}
	CHECK_EQ(reads, 64 * 64 / WALK_BLOCK);
}

/* Of what was kept there is no whole block; and a word may lie across two. */
TEST(what_has_no_whole_block_is_read_by_words)
{
	struct cprof_rule r = rule(CPROF_CFA_REG, CPROF_REG_RSP, 16);
	struct walk w = begin(STACK, 0);

	kenv_image.cnt = 0;
	kenv_map(STACK + WALK_BLOCK, stack + WALK_BLOCK / 8, 24);
	w.regs[CPROF_REG_RSP] = STACK + WALK_BLOCK;
	stack[WALK_BLOCK / 8 + 1] = PC + 1;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.pc, PC + 1);
	CHECK(!walk_by_rule(&w, &r));
	CHECK_EQ(w.end, CPROF_END_FP_FAULT);

	w = begin(STACK + WALK_BLOCK - 13, 0);
	stack[WALK_BLOCK / 8 - 1] = PC << 24;
	CHECK(walk_by_rule(&w, &r));
	CHECK_EQ(w.pc, PC);
}

CHECK_MAIN
