/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* unwind-fill — from what a file says of its code, by link addresses, to rows by places in the file. */

#include "cprof/rows.h"
#include "go-table.h"
#include "known-code.h"

/* All that the rules of a file's code come from. */
struct unwind_source {
	struct cfi *cfi; /* NULL: the file says nothing */
	struct known_codes codes;
	struct go_table go;
	bool go_first; /* before what the file says */
	bool limited;
};

/* Of a file; not empty. */
struct unwind_stretch {
	uint64_t from, to;
};

/*
 * Rows of a stretch of one of the segments, behind those that the builder has. 0; -E2BIG: beyond the limits;
 * or -errno.
 */
int unwind_fill(struct rows_builder *b, struct unwind_source *source,
		const struct object_segment *s, struct unwind_stretch where);

/* Into the order in which they lie in the file. */
void unwind_sort_segments(struct symtab_info *info);
