/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * elf_sources — reads an ELF file, and its separate debug file, for what explain_elf.h tells: each source of names, lines
 * and rows by itself.
 *
 * Reads files of strangers, under the rules of symtab.h and dwarf.h and by the same code: only the symbolizer links
 * this.
 */

#include "cprof/explain_elf.h"

/* Descriptors, which stay the caller's. */
struct explain_files {
	int fd;
	int debugs[EXPLAIN_DEBUGS_MAX]; /* one of them may be the separate debug file */
	uint32_t debugs_cnt;
	bool head; /* only what the file is, by which its debug file can be looked for */
};

/* @seed is random. What the file is, is the outcome. */
void explain_elf(const struct explain_files *files, uint64_t seed, struct explain_elf *ret);
