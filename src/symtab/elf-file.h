/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* elf-file — what is behind struct elf_file. */

#include "cprof/elf_file.h"
#include "elf-image.h"

struct elf_file {
	struct elf_image img;
	struct symtab_info info; /* kind, segments, build id */
	struct elf_reads *reads; /* the image's */
	int fd;
};

/* Beside a descriptor that stays the caller's. */
int elf_file_open_copy(int fd, uint64_t file_sz, struct elf_file **ret);
/* Of a section's head (Elf64_Chdr). */
enum elf_packing elf_packing_of(uint32_t type);
