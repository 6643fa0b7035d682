/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* tree — which functions of a unit, and which inlined ones in them, have the code at given addresses. */

#include "spans.h"

#define NODE_NONE UINT32_MAX

/* A function's entry that has one of the addresses. */
struct node {
	uint64_t die;
	uint64_t start;	 /* of its code */
	uint32_t parent; /* what it was inlined in; NODE_NONE: it is a function of its own */
	uint32_t call_file;
	uint32_t call_line;
	uint32_t call_column;
};

struct tree {
	VEC(struct node) nodes;
	uint32_t *last; /* by address: the innermost node */
};

/* 0 or -errno; with -EBADMSG what was found before is there. tree_done() in any case. */
int tree_walk(struct tree *t, struct readers *rd, const struct unit *u, const struct asked *asked);
void tree_done(struct tree *t);
