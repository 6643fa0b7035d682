/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* elf-image — the checked headers of an ELF file; what is in here can be believed to be bounded. */

#include <elf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/symtab.h"
#include "elf-reads.h"

#define ELF_IMAGE_NOTE_MAX (64ULL << 10) /* more than anything real has */

struct elf_image {
	int fd; /* borrowed */
	const uint8_t
		*bytes; /* it lies in memory, borrowed, and not in a file; NULL: in the file */
	struct elf_reads *reads; /* borrowed; NULL: each read goes to the file */
	uint64_t file_sz;
	Elf64_Ehdr ehdr;
	Elf64_Phdr *phdrs;
	uint32_t phdrs_cnt;
	Elf64_Shdr *shdrs;
	uint32_t shdrs_cnt;
	Elf *elf; /* libelf's handle; set after the checks; NULL in memory */
};

#define ELF_IMAGE_INIT ((struct elf_image){ .fd = -EBADF })

/*
 * SYMTAB_OK, SYMTAB_BAD or -errno; elf_image_done() in any case. @part: also one that was never linked, and
 * has no segments. @reads: the caller's, NULL: none.
 */
int elf_image_init(struct elf_image *img, int fd, struct elf_reads *reads, uint64_t file_sz,
		   bool part);
/* The same of a file's bytes in memory; they stay the caller's, and longer than the image. */
int elf_image_init_memory(struct elf_image *img, const uint8_t *bytes, size_t sz);
void elf_image_done(struct elf_image *img);

/* True when [@offset, @offset + @sz) lies in the file. */
bool elf_image_holds(const struct elf_image *img, uint64_t offset, uint64_t sz);

/* Reads these bytes: SYMTAB_OK, SYMTAB_BAD (not in the file, cut meanwhile) or -errno. */
int elf_image_read(const struct elf_image *img, uint64_t offset, void *dst, size_t sz);

/* Is the section called so? */
bool elf_image_is_named(const struct elf_image *img, const Elf64_Shdr *s, const char *name);
/* The section of this name that has bytes in the file; NULL: none, or its name cannot be read. */
const Elf64_Shdr *elf_image_section(const struct elf_image *img, const char *name);

/* Does the section hold code? */
bool elf_image_is_code(const struct elf_image *img, const Elf64_Shdr *s);
/* How many bytes those have together. */
uint64_t elf_image_code_bytes(const struct elf_image *img);

/* The loaded segment that has this address' byte, and lies in the file; NULL: none. */
const Elf64_Phdr *elf_image_segment(const struct elf_image *img, uint64_t addr);

/*
 * Reads these bytes through libelf, which converts them as @type; the data is the handle's.
 * SYMTAB_OK, SYMTAB_BAD (not in the file, too large, truncated meanwhile) or -errno.
 */
int elf_image_data(const struct elf_image *img, uint64_t offset, uint64_t sz, Elf_Type type,
		   Elf_Data **ret);

/* Fills elf, segments and build id of @info; SYMTAB_OK, SYMTAB_BAD or -errno. */
int elf_image_info(const struct elf_image *img, struct symtab_info *info);
/* The build id alone, as it is the one thing of a separate debug file that can be asked for. 0 or -errno. */
int elf_image_build_id(const struct elf_image *img, struct symtab_info *info);
