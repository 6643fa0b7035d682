/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* code — the few instructions that tell what a table does not: what a prologue saves, and changes of stacks. */

#include "tables.h"

/* From which instruction on the caller's rbp lies below the return address, and rbp points to it. */
struct prologue {
	uint64_t saved;
	uint64_t chained;
	bool pushed; /* by PUSHQ, as since Go 1.21, not by MOVQ */
};

/*
 * The prologue around @pc, from which on the stack pointer is @delta lower. 1; 0: rbp is not saved there;
 * -ENODATA: there is no code; -errno of a read.
 */
int code_prologue(struct tables *t, uint64_t pc, int64_t delta, struct prologue *ret);

/* How long the instruction is that saves rbp at @delta - 8 above the stack pointer, or points it there. */
unsigned int code_save_len(int64_t delta);

/*
 * Behind the first and behind the last instruction in [start, end) that loads the stack pointer from memory
 * or from a register. 1; 0: there is none; -ENODATA; -errno of a read.
 */
int code_switches(struct tables *t, const struct gopclntab_func *f, uint64_t *ret_first,
		  uint64_t *ret_last);

/* Where systemstack(), @f, finds the goroutine in its m. 0: it is not to be seen; or -errno of a read. */
int code_curg(struct tables *t, const struct gopclntab_func *f, int32_t *ret);

/* How morestack(), @f, leaves a goroutine. */
struct growth {
	int32_t fp;  /* where it keeps rbp, in g; 0: it is not to be seen */
	int32_t tls; /* where g is, from the thread pointer; 0: it is not to be seen */
};

/* 0 or -errno of a read. */
int code_growth(struct tables *t, const struct gopclntab_func *f, struct growth *ret);

/* The register that the instruction before @pc took from the stack (POPQ R8 to R15); or -ENODATA, or -errno. */
int code_popped(struct tables *t, uint64_t pc);
