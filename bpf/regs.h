/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * regs — the user's registers of a tick: of the interrupt itself, or as they were saved at the entry to
 * the kernel.
 *
 * Read as words at their ABI offsets (struct pt_regs, x86-64): the types of 6.18 (FRED) do not relocate
 * on older kernels.
 */

#include "maps.h"

enum regs_at {
	REGS_R15 = 0,
	REGS_R14 = 8,
	REGS_R13 = 16,
	REGS_R12 = 24,
	REGS_BP = 32,
	REGS_BX = 40,
	REGS_R11 = 48,
	REGS_R10 = 56,
	REGS_R9 = 64,
	REGS_R8 = 72,
	REGS_AX = 80,
	REGS_CX = 88,
	REGS_DX = 96,
	REGS_SI = 104,
	REGS_DI = 112,
	REGS_ORIG_AX = 120,
	REGS_IP = 128,
	REGS_CS = 136,
	REGS_SP = 152,
	/* struct bpf_perf_event_data: the registers, then the period that led to this sample. */
	REGS_PERIOD = 168,
};

#define REGS_CS_USER64 0x33

static __always_inline __u64 regs_word(void *ctx, int off)
{
	return *(volatile __u64 *)(ctx + off);
}

/* By DWARF's numbers; @word(off) is a register. */
#define REGS_FILL(w, word)                      \
	do {                                    \
		(w)->regs[0] = word(REGS_AX);   \
		(w)->regs[1] = word(REGS_DX);   \
		(w)->regs[2] = word(REGS_CX);   \
		(w)->regs[3] = word(REGS_BX);   \
		(w)->regs[4] = word(REGS_SI);   \
		(w)->regs[5] = word(REGS_DI);   \
		(w)->regs[6] = word(REGS_BP);   \
		(w)->regs[7] = word(REGS_SP);   \
		(w)->regs[8] = word(REGS_R8);   \
		(w)->regs[9] = word(REGS_R9);   \
		(w)->regs[10] = word(REGS_R10); \
		(w)->regs[11] = word(REGS_R11); \
		(w)->regs[12] = word(REGS_R12); \
		(w)->regs[13] = word(REGS_R13); \
		(w)->regs[14] = word(REGS_R14); \
		(w)->regs[15] = word(REGS_R15); \
		(w)->pc = word(REGS_IP);        \
	} while (0)

/*
 * 1 + the number of the system call that a task is in, 0 for none. The number is also there while the task
 * leaves for a signal's handler: its pc is then no longer behind the instruction (0f 05).
 */
static __always_inline __u32 regs_syscall(__u64 orig_ax, __u64 pc)
{
	__u16 instruction = 0;

	if ((__s64)orig_ax < 0 || kenv_read_user(&instruction, sizeof(instruction), pc - 2))
		return 0;
	return instruction == 0x050f ? 1 + (__u32)orig_ax : 0;
}

/* 0 or a negative error. After it the walk is in the frame that was interrupted. */
static __always_inline int regs_read(void *ctx, struct task_struct *task, bool user_mode,
				     struct scratch *s, __u64 *ret_cs)
{
	struct walk *w = &s->walk;
	struct pt_regs *saved;

	w->known = WALK_ALL;
	w->exact = 1;
	w->guessed = 0;
	w->syscall = 0;
	w->end = CPROF_END_NONE;
	w->block_last = 0;
	/* As C libraries set it, by system calls only; who loads the register itself has another one now. */
	w->thread = task->thread.fsbase;
	if (user_mode) {
#define REGS_CTX(off) regs_word(ctx, off)
		REGS_FILL(w, REGS_CTX);
#undef REGS_CTX
		*ret_cs = regs_word(ctx, REGS_CS);
		return 0;
	}
	saved = (void *)bpf_task_pt_regs(task);
	if (kenv_read_kernel(s->saved, sizeof(s->saved), (__u64)saved))
		return -KENV_EFAULT;
#define REGS_SAVED(off) (s->saved[(off) / 8])
	REGS_FILL(w, REGS_SAVED);
#undef REGS_SAVED
	w->syscall = regs_syscall(s->saved[REGS_ORIG_AX / 8], w->pc);
	*ret_cs = s->saved[REGS_CS / 8];
	return 0;
}
