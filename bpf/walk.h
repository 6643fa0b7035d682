/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * walk — one step of a user stack: from the registers in a frame to those in its caller, by a rule of
 * unwinding information (cprof/unwind.h), or by the frame pointer where there is none. User space walks
 * the same way over what was kept of a stack.
 *
 * Registers have DWARF's numbers. All are known in the frame that was interrupted; further up only those
 * that every rule tells of: rsp, rbp and the pc. A rule that needs another one is not followed. Nothing
 * read from the stack is believed: the caller's stack lies above, but for a signal handler's or a switch
 * that the rule tells of, so that a walk ends however the stack was prepared.
 *
 * Sources: DWARF 5, 6.4; System V psABI for x86-64, 3.4 and 3.7; Linux' arch/x86/include/uapi/asm/sigcontext.h
 * for signal frames.
 */

#ifdef __bpf__
#include "kenv.h"
#else
#include <stdbool.h>
#include <stddef.h>
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#endif

#include "cprof/unwind.h"

/* Of memory, aligned to its own size: it lies in one page. */
#define WALK_BLOCK 256u
#define WALK_BLOCK_WORDS (WALK_BLOCK / 8)

struct walk {
	__u64 regs[16]; /* by enum cprof_reg, but for the pc */
	__u64 pc;
	__u64 thread;	/* the thread pointer; 0: not known */
	__u64 fault;	/* what could not be read last */
	__u32 fault_sz; /* and how much of it */
	__u32 known;	/* a bit for each of the registers */
	__u32 syscall;	/* 1 + the number of the system call that the frame is in; 0: in none */
	__u8 exact;	/* the pc is that of the instruction itself, not of a return */
	__u8 guessed; /* the interrupted code had no information: its frame pointer may be its caller's */
	__u8 by_fp; /* the last step was by the frame pointer */
	__u8 end;   /* enum cprof_stack_end, once a step returned false */
	/* What was read last: a word for a frame is seldom far from the one before. */
	__u64 block_last; /* address of its last byte; 0: nothing */
	__u64 block[WALK_BLOCK_WORDS];
#ifndef __bpf__
	/* Of the stack that is walked: 0 or a negative error. */
	int (*read)(const void *memory, void *dst, size_t sz, __u64 addr);
	const void *memory;
#endif
};

#ifdef __bpf__
#define walk_read_user(w, dst, sz, addr) kenv_read_user((dst), (sz), (addr))
#else
#define walk_read_user(w, dst, sz, addr) (w)->read((w)->memory, (dst), (sz), (addr))
#endif

/* 0 or a negative error. */
static __always_inline int walk_memory(struct walk *w, void *dst, __u32 sz, __u64 addr)
{
	int r = walk_read_user(w, dst, sz, addr);

	if (r) {
		w->fault = addr;
		w->fault_sz = sz;
	}
	return r;
}

#define WALK_TOP (1ull << 47) /* of the user's half */

#define WALK_ALL 0xffffu
#define WALK_ABOVE (1u << CPROF_REG_RBP | 1u << CPROF_REG_RSP)

static __always_inline __u64 walk_sp(const struct walk *w)
{
	return w->regs[CPROF_REG_RSP];
}

/* The pc is behind the instruction that runs: a call or a system call. */
static __always_inline bool walk_is_behind(const struct walk *w)
{
	return !w->exact || w->syscall;
}

/*
 * The place whose rule undoes the frame: a return address may lie behind the function that called last,
 * and so may what follows a system call (that of __restore_rt is all that there is of it).
 */
static __always_inline __u64 walk_lookup_pc(const struct walk *w)
{
	return w->pc - walk_is_behind(w);
}

static __always_inline bool walk_ends(struct walk *w, enum cprof_stack_end end)
{
	if (w->guessed && (end == CPROF_END_ROOT || end == CPROF_END_FP_ZERO))
		end = CPROF_END_FP_ROOT;
	w->end = end;
	return false;
}

static __always_inline bool walk_knows(const struct walk *w, __u8 reg)
{
	return reg < 16 && (w->known >> reg & 1);
}

/*
 * A word of the stack: 0 or a negative error. Reading some words costs no more than reading one, so a whole
 * block is. What is kept of a stack may end within one.
 */
static __always_inline int walk_word(struct walk *w, __u64 addr, __u64 *ret)
{
	__u64 last = addr | (WALK_BLOCK - 1);

	if (addr & 7)
		return walk_memory(w, ret, sizeof(*ret), addr);
	if (last != w->block_last) {
		w->block_last = 0;
		if (walk_memory(w, w->block, sizeof(w->block), last - (WALK_BLOCK - 1)))
			return walk_memory(w, ret, sizeof(*ret), addr);
		w->block_last = last;
	}
	*ret = w->block[addr / 8 & (WALK_BLOCK_WORDS - 1)];
	return 0;
}

static __always_inline bool walk_read(struct walk *w, __u64 addr, __u64 *ret)
{
	if (addr >= WALK_TOP || walk_word(w, addr, ret))
		return walk_ends(w, CPROF_END_FP_FAULT);
	return true;
}

/* In the caller, whose rsp and rbp are set. */
static __always_inline void walk_enter(struct walk *w, __u64 pc, __u32 known, bool exact)
{
	w->pc = pc;
	w->known = known;
	w->exact = exact;
	w->syscall = 0;
	w->by_fp = 0;
}

/* What the kernel pushed for a handler, behind the return address: struct ucontext, x86-64. */
#define WALK_UCONTEXT_GREGS 40
#define WALK_GREGS 17

/* All registers as they were when the signal came; the stack may be another one. */
static __always_inline bool walk_signal(struct walk *w)
{
	/* In the order of struct sigcontext_64, by DWARF's numbers: r8 to r15, di, si, bp, bx, dx, ax, cx, sp. */
	static const __u8 order[16] = { 8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7 };
	__u64 *gregs = w->block; /* the kernel's stack has no room for them */
	__u64 at = walk_sp(w) + WALK_UCONTEXT_GREGS;

	w->block_last = 0;
	if (at >= WALK_TOP || walk_memory(w, gregs, WALK_GREGS * sizeof(*gregs), at))
		return walk_ends(w, CPROF_END_FP_FAULT);
	for (int i = 0; i < 16; i++)
		w->regs[order[i] & 15] = gregs[i];
	walk_enter(w, gregs[16], WALK_ALL, true);
	return true;
}

static __always_inline bool walk_cfa(struct walk *w, const struct cprof_rule *r, __u64 *ret)
{
	__u64 base, word;

	if (!walk_knows(w, r->cfa_reg))
		return walk_ends(w, CPROF_END_UNSUPPORTED);
	base = w->regs[r->cfa_reg & 15];
	switch (r->cfa) {
	case CPROF_CFA_REG:
		*ret = base + (__s64)r->cfa_off;
		return true;
	case CPROF_CFA_DEREF:
		if (!walk_read(w, base + (__s64)r->cfa_off, &word))
			return false;
		*ret = word + (__s64)r->cfa_add;
		return true;
	case CPROF_CFA_INDEX:
		if (!walk_read(w, walk_sp(w) + 8 * base + (__s64)r->cfa_off, &word))
			return false;
		*ret = word + (__s64)r->cfa_add;
		return true;
	case CPROF_CFA_PLT:
		*ret = walk_sp(w) + 8 + ((w->pc & 15) >= (__u64)(__s64)r->cfa_off ? 8 : 0);
		return true;
	}
	return walk_ends(w, CPROF_END_UNSUPPORTED);
}

/* Where a value of the caller's is, which is not still in its place. */
struct walk_value {
	__u8 where;
	__u8 reg;
	__s32 off;
};

/* 1, 0: it is not known, or -1: the walk ends. */
static __always_inline int walk_value(struct walk *w, struct walk_value v, __u64 cfa, __u64 *ret)
{
	switch (v.where) {
	case CPROF_WHERE_CFA:
		return walk_read(w, cfa + (__s64)v.off, ret) ? 1 : -1;
	case CPROF_WHERE_CFA_VALUE:
		*ret = cfa + (__s64)v.off;
		return 1;
	case CPROF_WHERE_REG:
		if (!walk_knows(w, v.reg))
			return 0;
		*ret = w->regs[v.reg & 15];
		return 1;
	case CPROF_WHERE_DEREF:
		if (!walk_knows(w, v.reg))
			return 0;
		return walk_read(w, w->regs[v.reg & 15] + (__s64)v.off, ret) ? 1 : -1;
	}
	return 0;
}

/* Of Go's g and m, in 1.16 to 1.27; what differs between them the rule tells. */
#define WALK_G_STACK 0 /* its bounds */
#define WALK_G_M 48
#define WALK_G_SCHED 56 /* rsp and pc when it was left */

static __always_inline bool walk_has(struct walk *w, void *dst, __u64 sz, __u64 addr)
{
	return addr < WALK_TOP && walk_memory(w, dst, sz, addr) == 0;
}

/*
 * Where the goroutine was left. Nothing on this stack leads there. The register is that of the frame that was
 * interrupted: code of C's that uses it for its own is found out by the goroutine's bounds.
 */
static __always_inline bool walk_goroutine(struct walk *w, const struct cprof_rule *r)
{
	__u64 g = w->regs[r->cfa_reg & 15], m, bounds[2], sched[2], fp;

	if (r->cfa_reg == CPROF_REG_RIP &&
	    !(w->thread && walk_has(w, &g, sizeof(g), w->thread + (__s64)r->cfa_add)))
		return walk_ends(w, CPROF_END_UNSUPPORTED);
	if (!walk_has(w, &m, sizeof(m), g + WALK_G_M) ||
	    !walk_has(w, &g, sizeof(g), m + (__s64)r->cfa_off) ||
	    !walk_has(w, bounds, sizeof(bounds), g + WALK_G_STACK) ||
	    !walk_has(w, sched, sizeof(sched), g + WALK_G_SCHED) ||
	    !walk_has(w, &fp, sizeof(fp), g + (__s64)r->fp_off) || sched[0] <= bounds[0] ||
	    sched[0] > bounds[1])
		return walk_ends(w, CPROF_END_UNSUPPORTED);
	w->regs[CPROF_REG_RSP] = sched[0];
	w->regs[CPROF_REG_RBP] = fp;
	walk_enter(w, sched[1], WALK_ABOVE, false);
	return true;
}

/* The caller's registers by a rule that is no GAP; false at the end of the walk. */
static __always_inline bool walk_by_rule(struct walk *w, const struct cprof_rule *r)
{
	__u64 cfa, pc, fp = w->regs[CPROF_REG_RBP], sp;
	__u32 known = w->known & WALK_ABOVE;
	int got;

	if (r->cfa == CPROF_CFA_SIGNAL)
		return walk_signal(w);
	if (r->cfa == CPROF_CFA_GOROUTINE)
		return walk_goroutine(w, r);
	if (r->ra == CPROF_WHERE_UNDEFINED)
		return walk_ends(w, CPROF_END_ROOT);
	if (!walk_cfa(w, r, &cfa))
		return false;
	/* It lies below the return address: in this order no block is read twice. */
	if (r->fp != CPROF_WHERE_SAME) {
		got = walk_value(w, (struct walk_value){ r->fp, r->fp_reg, r->fp_off }, cfa, &fp);
		if (got < 0)
			return false;
		known = got ? known | 1u << CPROF_REG_RBP : known & ~(1u << CPROF_REG_RBP);
	}
	got = walk_value(w, (struct walk_value){ r->ra, r->ra_reg, r->ra_off }, cfa, &pc);
	if (got <= 0)
		return got < 0 ? false : walk_ends(w, CPROF_END_UNSUPPORTED);
	sp = cfa;
	if (r->sp != CPROF_WHERE_SAME) {
		got = walk_value(w, (struct walk_value){ r->sp, r->sp_reg, r->sp_off }, cfa, &sp);
		if (got <= 0)
			return got < 0 ? false : walk_ends(w, CPROF_END_UNSUPPORTED);
	}
	/* Only a leaf may not have pushed anything. */
	if (!(r->flags & CPROF_RULE_SWITCH) && (sp < walk_sp(w) || (sp == walk_sp(w) && !w->exact)))
		return walk_ends(w, CPROF_END_SP_BAD);
	w->regs[CPROF_REG_RSP] = sp;
	w->regs[CPROF_REG_RBP] = fp;
	walk_enter(w, pc, known, r->flags & CPROF_RULE_EXACT);
	return true;
}

/* Where the frame pointer leads: 0, or why there is no frame. */
static __always_inline enum cprof_stack_end walk_fp_frame(struct walk *w, __u64 frame[2])
{
	__u64 fp = w->regs[CPROF_REG_RBP];

	if (fp == 0)
		return CPROF_END_FP_ZERO;
	if ((fp & 7) || fp < walk_sp(w) || fp >= WALK_TOP)
		return CPROF_END_FP_BAD;
	if (walk_word(w, fp, &frame[0]) || walk_word(w, fp + 8, &frame[1]))
		return CPROF_END_FP_FAULT;
	if (frame[1] == 0) /* above a null frame pointer it is a thread's start */
		return frame[0] == 0 ? CPROF_END_FP_ZERO : CPROF_END_FP_BAD;
	return CPROF_END_NONE;
}

/*
 * The same without a rule (psABI 3.2.2: at the frame pointer lie the caller's and the return address).
 * Code without frame pointers leaves anything in rbp: whether the new pc is one of code is the caller's
 * to check. @known_file: code that could have had a rule, and need not keep a frame pointer.
 */
static __always_inline bool walk_by_fp(struct walk *w, bool known_file)
{
	enum cprof_stack_end end;
	__u64 frame[2];

	if (!walk_knows(w, CPROF_REG_RBP))
		return walk_ends(w, CPROF_END_GAP);
	w->guessed |= known_file && w->exact;
	end = walk_fp_frame(w, frame);
	if (end != CPROF_END_NONE)
		return walk_ends(w, known_file && end != CPROF_END_FP_ZERO ? CPROF_END_GAP : end);
	w->regs[CPROF_REG_RSP] = w->regs[CPROF_REG_RBP] + sizeof(frame);
	w->regs[CPROF_REG_RBP] = frame[0];
	walk_enter(w, frame[1], WALK_ABOVE, false);
	w->by_fp = 1;
	return true;
}

#define WALK_NR_CLONE 56
#define WALK_NR_CLONE3 435

/* `mov $nr, %eax; syscall`, as the lower seven bytes of a word. */
#define WALK_SYSCALL(nr) (0x00050f00000000b8ull | (__u64)(nr) << 8)
#define WALK_BEHIND_MAX 8

/*
 * In clone() and clone3() C libraries say nothing from the system call on, where one of the two that return
 * has another stack: the new thread's is empty, and who called it has pushed nothing since. Behind the call
 * they look at rax, and rcx is still what the processor left there: the address behind the instruction.
 */
static __always_inline bool walk_is_clone(struct walk *w)
{
	__u64 behind = w->regs[2], code;

	if (w->syscall)
		return w->syscall == 1 + WALK_NR_CLONE || w->syscall == 1 + WALK_NR_CLONE3;
	if (!w->exact || w->known != WALK_ALL || w->pc - behind > WALK_BEHIND_MAX ||
	    behind >= WALK_TOP || walk_memory(w, &code, sizeof(code), behind - sizeof(code)))
		return false;
	code >>= 8;
	return code == WALK_SYSCALL(WALK_NR_CLONE) || code == WALK_SYSCALL(WALK_NR_CLONE3);
}

static __always_inline bool walk_by_clone(struct walk *w)
{
	static const struct cprof_rule caller = {
		.cfa = CPROF_CFA_REG,
		.cfa_reg = CPROF_REG_RSP,
		.cfa_off = 8,
		.ra = CPROF_WHERE_CFA,
		.ra_off = -8,
		.sp = CPROF_WHERE_SAME,
		.fp = CPROF_WHERE_SAME,
	};

	if (w->regs[CPROF_REG_RAX] == 0)
		return walk_ends(w, CPROF_END_ROOT);
	return walk_by_rule(w, &caller);
}

/*
 * The caller's registers by what is known of the frame's place (enum rows_answer), @rule being its rule
 * where one was found; false at the end of the stack.
 */
static __always_inline bool walk_step(struct walk *w, int found, const struct cprof_rule *rule)
{
	if (found == ROWS_FOUND)
		return walk_by_rule(w, rule);
	if (found == ROWS_GAP && walk_is_clone(w))
		return walk_by_clone(w);
	if (found == ROWS_STALE)
		return walk_ends(w, CPROF_END_STALE);
	if (found == ROWS_UNKNOWN)
		w->guessed = 1;
	if (walk_by_fp(w, found != ROWS_NO_FILE))
		return true;
	if (found == ROWS_UNKNOWN)
		w->end = CPROF_END_NO_ROWS;
	else if (found == ROWS_REFUSED)
		w->end = CPROF_END_NO_ROOM;
	return false;
}
