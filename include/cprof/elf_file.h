/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * elf_file — an ELF file of a stranger, opened once for all that is read of it: symbols (symtab.h), and how
 * its code is undone (unwind_info.h).
 *
 * Its headers were checked against the file's real size; it is read with pread, never mapped (a truncation
 * would be SIGBUS).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"

#define ELF_FILE_LINK_MAX 255

struct elf_file;

/*
 * Takes the descriptor, also when it fails; of the file @file_sz bytes are looked at. SYMTAB_OK, SYMTAB_BAD
 * (enum symtab_outcome) or -errno.
 */
int elf_file_open(int fd, uint64_t file_sz, struct elf_file **ret);
/* The same for a separate debug file, whose segments mean nothing. */
int elf_file_open_debug(int fd, uint64_t file_sz, struct elf_file **ret);
struct elf_file *elf_file_close(struct elf_file *f);

/* The same for a file that holds debugging information only, and may have no segments: a .dwo, a .dwp, dwz's. */
int elf_file_open_part(int fd, uint64_t file_sz, struct elf_file **ret);

/* The same file, open once more. As elf_file_open(). */
int elf_file_copy(const struct elf_file *f, struct elf_file **ret);
/*
 * From now on what was read of the file (NULL: none) is kept, some 64 KiB, for further small reads, until
 * elf_file_rest(): for the time of one question. It is then seen as it was, whoever writes to it. Returns @f, and
 * NULL.
 */
const struct elf_file *elf_file_keep(const struct elf_file *f);
const struct elf_file *elf_file_rest(const struct elf_file *f);
DEFINE_CLEANUP(const struct elf_file *, elf_file_rest);

/* Closes the descriptor, and keeps what is known: nothing can be read until the file is there again. */
void elf_file_detach(struct elf_file *f);
/* Takes the descriptor, of the same file: 0, or -ESTALE: its size is another one. */
int elf_file_attach(struct elf_file *f, int fd, uint64_t file_sz);
bool elf_file_is_attached(const struct elf_file *f);

/* May it tell lines, by debugging information or Go's table? One without section headers may. */
bool elf_file_tells_lines(const struct elf_file *f);

/* Where the byte at @offset of the file lies in memory before relocation; false: in no executable segment. */
bool elf_file_address(const struct elf_file *f, uint64_t offset, uint64_t *ret);
/* The other way round. */
bool elf_file_offset(const struct elf_file *f, uint64_t addr, uint64_t *ret);
/* Is an executable segment at this address, be it in another file (of which this is the debug file)? */
bool elf_file_has_code(const struct elf_file *f, uint64_t addr);

/* A section's bytes in the file, and what they are packed with. */
enum elf_packing { ELF_PLAIN, ELF_ZLIB, ELF_ZSTD, ELF_OTHER };

struct elf_section {
	uint64_t offset;
	uint64_t sz;
	uint64_t plain_sz; /* when it is not packed: as it says */
	enum elf_packing packing;
};

/*
 * A section of bytes by its name, in the file as far as it is there. One whose name begins with ".debug_" is
 * also looked for as ".zdebug_". False: there is none.
 */
bool elf_file_section(const struct elf_file *f, const char *name, struct elf_section *ret);
/* All @sz bytes from @offset of the file on. 0, -EBADMSG (it ends before) or -errno. */
int elf_file_read(const struct elf_file *f, uint64_t offset, void *dst, size_t sz);

/* Its size; 0: it has none. */
uint32_t elf_file_build_id(const struct elf_file *f, const uint8_t **ret);

/* What it takes in memory, about, beside what is made of it. */
size_t elf_file_bytes(const struct elf_file *f);

/*
 * The name of the separate debug file that it says it has (.gnu_debuglink), without a directory, terminated,
 * and that file's CRC. False: it says nothing, or no name.
 */
bool elf_file_link(const struct elf_file *f, char name[static ELF_FILE_LINK_MAX + 1],
		   uint32_t *ret_crc);

/*
 * Is @debug the separate debug file of @f? Their build ids are equal; where one has none, the CRC is the one
 * that @f says. 1 or 0; -EFBIG: it is too large to compute that; or -errno.
 */
#define ELF_FILE_CRC_MAX (256ULL << 20)
int elf_file_is_debug_of(const struct elf_file *debug, const struct elf_file *f);

DEFINE_CLEANUP(struct elf_file *, elf_file_close);
