/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * unwind — how one frame is undone, and where that is written, as BPF and user space both read it.
 *
 * A rule is what DWARF's call frame information (DWARF 5, 6.4) says of one stretch of code, cut down to
 * what a walk needs: the canonical frame address (CFA), and where the return address and the caller's
 * rbp and rsp are. Registers have DWARF's numbers for x86-64 (psABI 3.6.2).
 */

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "cprof/abi.h"

enum cprof_reg {
	CPROF_REG_RAX = 0,
	CPROF_REG_RBP = 6,
	CPROF_REG_RSP = 7,
	CPROF_REG_RIP = 16, /* as a rule's column: the return address */
	CPROF_REGS_CNT = 17,
};

enum cprof_cfa {
	CPROF_CFA_GAP = 0, /* no entry covers this code */
	CPROF_CFA_REG,	   /* register + off */
	CPROF_CFA_DEREF,   /* *(register + off) + add */
	CPROF_CFA_INDEX,   /* *(rsp + 8 * register + off) + add */
	/* A lazy PLT: rsp + 8, and 8 more from the off-th byte of each 16 on. */
	CPROF_CFA_PLT,
	CPROF_CFA_SIGNAL,      /* a signal frame: all registers lie in the ucontext at rsp */
	CPROF_CFA_UNSUPPORTED, /* there is an entry, and it says what cannot be said here */
	/*
	 * Go's runtime on a thread's own stack: the goroutine that it works for, as the runtime keeps it. The
	 * running g is in register cfa_reg, which Go never uses for anything else, or of RIP at the thread pointer
	 * + cfa_add; its m tells of the goroutine at cfa_off, and that one of its rbp at fp_off.
	 */
	CPROF_CFA_GOROUTINE,
	CPROF_CFA_MAX,
};

/* Where a value of the caller's is. */
enum cprof_where {
	CPROF_WHERE_SAME = 0,	 /* still in its register; of rsp: the CFA itself */
	CPROF_WHERE_CFA,	 /* *(CFA + off) */
	CPROF_WHERE_CFA_VALUE,	 /* CFA + off itself */
	CPROF_WHERE_REG,	 /* in another register */
	CPROF_WHERE_DEREF,	 /* *(register + off) */
	CPROF_WHERE_UNDEFINED,	 /* not known; of the return address: the outermost frame */
	CPROF_WHERE_UNSUPPORTED, /* told in a way that cannot be said here */
	CPROF_WHERE_MAX,
};

/* The caller was interrupted: its pc is exact, not a return address. */
#define CPROF_RULE_EXACT 1u
/* The caller's frame lies on another stack: its rsp may be below this one's. */
#define CPROF_RULE_SWITCH 2u
#define CPROF_RULE_FLAGS (CPROF_RULE_EXACT | CPROF_RULE_SWITCH)

struct cprof_rule {
	__u8 cfa;     /* enum cprof_cfa */
	__u8 cfa_reg; /* enum cprof_reg, as all registers here */
	__u8 ra;      /* enum cprof_where */
	__u8 ra_reg;
	__u8 fp;
	__u8 fp_reg;
	__u8 sp;
	__u8 sp_reg;
	__s32 cfa_off;
	__s32 cfa_add;
	__s32 ra_off;
	__s32 fp_off;
	__s32 sp_off;
	__u32 flags; /* CPROF_RULE_* */
};

CPROF_ASSERT(sizeof(struct cprof_rule) == 32);

/*
 * The pool: the rows of all objects, in maps that user space alone writes, by plain stores, and BPF only
 * reads. For an object's slot (struct cprof_known) there is a struct cprof_unwind_object; of its pages (64 KiB
 * of the file each, from page_first on, one after the other) the struct cprof_unwind_page; of a page the
 * rows, all in one slab, by ascending pc, the first of them at 0. The row for a place is the last one that is
 * not behind it. Rule 0 is a GAP, and so is a page without rows. Of an absent page nothing was read yet.
 *
 * A slot is given on when its object is forgotten, and a walk may have read that it is another's just before:
 * it looks by id, too, and what is said of another object is nothing (CPROF_UNWIND_UNKNOWN).
 *
 * An object's gen is odd while something of it is changed, and never the same again. A walk reads it
 * before and after all that it used of the object, the rule too: another one means that it may have read
 * anything, and the step did not happen (CPROF_END_STALE). So what was taken from an object may be given
 * to another at once.
 */
#define CPROF_UNWIND_OBJECTS_MAX 16384u /* slots */
#define CPROF_UNWIND_PAGES_MAX 65536u
#define CPROF_UNWIND_RULES_MAX 32768u
#define CPROF_UNWIND_SLABS_MAX 256u
#define CPROF_SLAB_SHIFT 18
#define CPROF_SLAB_ROWS (1u << CPROF_SLAB_SHIFT)
#define CPROF_SLAB_BYTES (CPROF_SLAB_ROWS * 4u)
#define CPROF_PAGE_SHIFT 16
#define CPROF_PAGE_ABSENT 0xffffffffu /* as the number of a page's rows: rows may come */

/* A row: the low 16 bits of its first place's file offset, and its rule. */
#define CPROF_ROW(offset, rule) ((__u32)(offset) << 16 | (rule))
#define CPROF_ROW_PC(row) ((row) >> 16)
#define CPROF_ROW_RULE(row) ((row)&0xffffu)

enum cprof_unwind_state {
	CPROF_UNWIND_UNKNOWN = 0, /* not read yet: rows may come */
	CPROF_UNWIND_ROWS,
	CPROF_UNWIND_NONE,    /* the file has no unwinding information */
	CPROF_UNWIND_REFUSED, /* it has, and there was no room for it */
	CPROF_UNWIND_MAX,
};

struct cprof_unwind_object {
	__u32 gen;
	__u32 state; /* enum cprof_unwind_state */
	__u32 page_first;
	__u32 pages_cnt;
	__u32 pages_at; /* the first one's place among all pages */
	__u32 id;	/* whose all this is (struct cprof_known); 0: nobody's */
};

struct cprof_unwind_page {
	__u32 row; /* the first one's place in the whole pool: slab << CPROF_SLAB_SHIFT | row */
	__u32 cnt;
};

CPROF_ASSERT(sizeof(struct cprof_unwind_object) == 24);
CPROF_ASSERT(sizeof(struct cprof_unwind_page) == 8);

/* What is known of a place. */
enum rows_answer {
	ROWS_NO_FILE = -1, /* run-time code, or nobody knows what: there are no rows to look for */
	ROWS_FOUND = 0,
	ROWS_GAP,     /* no entry covers the place */
	ROWS_STALE,   /* changed meanwhile */
	ROWS_UNKNOWN, /* not read yet: rows may come */
	ROWS_NONE,    /* the file has no unwinding information */
	ROWS_REFUSED, /* no room */
};

/* What a walk would find (program cprof_rows), for tests and checks. */
struct cprof_rows_probe {
	__u64 offset;
	struct cprof_known object;
	__s32 answer; /* enum rows_answer */
	__u32 pad;
	struct cprof_rule rule;
};

CPROF_ASSERT(sizeof(struct cprof_rows_probe) == 56);
