/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * elf-reads — small reads of a file are answered from blocks that were read before, for as long as somebody says.
 *
 * Tables are searched by halves and read entry by entry: most reads have eight bytes, and each was a system call. A
 * file that changes meanwhile is seen as it was.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct elf_reads;

/* NULL: no memory. */
struct elf_reads *elf_reads_new(void);
struct elf_reads *elf_reads_free(struct elf_reads *r);

/* Blocks are kept from now on (or not, without memory); elf_reads_rest() forgets them. */
void elf_reads_keep(struct elf_reads *r);
void elf_reads_rest(struct elf_reads *r);

/* As fd_pread_upto(); without blocks it is that. */
ssize_t elf_reads_get(struct elf_reads *r, int fd, uint64_t offset, void *dst, size_t sz);
