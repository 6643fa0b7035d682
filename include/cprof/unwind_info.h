/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * unwind_info — how the frames of an ELF file's code are undone, as a block of rows (cprof/rows.h).
 *
 * Reads files of strangers, as symtab.h does and under the same rules. Call frame information is what
 * .eh_frame and .debug_frame say; Go programs have a table of functions instead (docs/adr/0029); beside them, code is known by itself where C libraries have none for it:
 * where a program or a thread begins, and where a signal handler returns to.
 */

#include <stdbool.h>
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

struct unwind_info {
	void *bytes; /* the block; to be freed */
	size_t sz;
	bool part; /* of more than an eighth of the code nothing is said: a debug file may know more */
};

struct elf_file;

/*
 * Reads an ELF file, and what its separate debug file (NULL: there is none) adds where the file itself says
 * nothing. An outcome, or -errno when reading or memory failed. *ret is set for each but BAD; a block
 * without pages says that there is nothing.
 */
int unwind_info_read(const struct elf_file *f, const struct elf_file *debug,
		     struct unwind_info *ret);
/* The same of an open file of @file_sz bytes (the descriptor stays the caller's). */
int unwind_info_load(int fd, uint64_t file_sz, void **ret_bytes, size_t *ret_sz);

/* A block without pages. 0 or -ENOMEM. */
int unwind_info_none(void **ret_bytes, size_t *ret_sz);
