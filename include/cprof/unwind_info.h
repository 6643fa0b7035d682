/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * unwind_info — how the frames of an ELF file's code are undone, as a block of rows (cprof/rows.h).
 *
 * Reads files of strangers, as symtab.h does and under the same rules. Call frame information is what
 * .eh_frame and .debug_frame say; Go programs have a table of functions instead (docs/adr/0029); beside them, code is known by itself where C libraries have none for it:
 * where a program or a thread begins, and where a signal handler returns to.
 */

#include <stddef.h>
#include <stdint.h>

enum unwind_info_outcome {
	UNWIND_INFO_OK,
	UNWIND_INFO_NONE,  /* the file has none */
	UNWIND_INFO_LIMIT, /* beyond the limits: what was read before it is there */
	UNWIND_INFO_BAD,   /* not an ELF file of x86-64, or it lies */
};

/* What is inflated of one file at most; with a table's rows a load takes 112 MiB until it is done. */
#define UNWIND_INFO_INFLATED_MAX (32ULL << 20)

/*
 * Reads an ELF file of @file_sz bytes (the descriptor stays the caller's). An outcome, or -errno when
 * reading or memory failed. The block, to be freed by the caller, is set for each but BAD; one without
 * pages says that there is nothing.
 */
int unwind_info_load(int fd, uint64_t file_sz, void **ret_bytes, size_t *ret_sz);

/* A block without pages. 0 or -ENOMEM. */
int unwind_info_none(void **ret_bytes, size_t *ret_sz);
