/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* tree — the calls that were inlined in a function. */

#include "tables.h"

struct tree {
	struct tables *tables;
	struct window window; /* of the program's memory */
	uint64_t base;	      /* offsets count from here; 0 before 1.18 */
};

struct call {
	uint32_t name;	     /* the offset in the head's names */
	uint32_t parent_pc;  /* where it was inlined: the bytes from the function's beginning */
	uint32_t start_line; /* 0: not told */
};

/*
 * The @i-th call of the tree at @addr (or its offset) of a function. 0; -EBADMSG: that is none, which is held
 * against all that is known of calls; -errno of a read.
 */
int tree_call(struct tree *tree, const struct gopclntab_func *f, uint64_t addr, int32_t i,
	      struct call *ret);
