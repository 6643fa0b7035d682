/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* details — what a function's record says of its sources: which tables, which unit of files, which tree. */

#include "tables.h"

struct details {
	uint32_t files; /* tables of numbers; 0: there is none */
	uint32_t lines;
	uint32_t calls;	     /* places in the tree */
	uint32_t unit;	     /* the first of its files in the head's units */
	uint32_t start_line; /* 0: not told */
	bool treed;	     /* it has a tree of inlined calls */
	uint64_t tree;	     /* its address, or the offset of it (since 1.18) */
};

/* 0; -EBADMSG; -errno of a read. */
int details_read(struct tables *t, const struct gopclntab_func *f, struct details *ret);

/* The function that has this address: 1; 0: none has, or nothing can be said of it; -errno of a read. */
int details_find(struct tables *t, uint64_t addr, struct gopclntab_func *ret);
