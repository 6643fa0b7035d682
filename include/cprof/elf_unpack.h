/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * elf_unpack — what a section of an ELF file was packed with (elf_file.h), undone: by zlib, and by zstd (RFC 8878). A
 * stream in bounded memory, for how large a section becomes is a stranger's claim; or at once, what is of ordinary size.
 */

#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/elf_file.h"

/* Of what was unpacked, that a stream by zstd looks back to: what its tools make by any level but the last three. */
#define ELF_UNPACK_WINDOW_MAX (8u << 20)

struct elf_unpack;

/* Both move on, and shrink. */
struct elf_unpack_io {
	const uint8_t *in;
	size_t in_sz;
	uint8_t *out;
	size_t out_sz;
};

/* 0, -EOPNOTSUPP (another packing) or -ENOMEM. */
int elf_unpack_new(enum elf_packing packing, struct elf_unpack **ret);
struct elf_unpack *elf_unpack_free(struct elf_unpack *u);
/* One that goes on from the same place. 0, -EOPNOTSUPP: it cannot be copied (zstd), or -ENOMEM. */
int elf_unpack_copy(const struct elf_unpack *u, struct elf_unpack **ret);

/*
 * Until all of @io's in is taken, or its out is full. 0; 1: it ended; -EBADMSG: damaged; -EOPNOTSUPP: it looks back
 * further than we keep; or -ENOMEM: then it may only be freed.
 */
int elf_unpack_run(struct elf_unpack *u, struct elf_unpack_io *io);

/* What it takes in memory now, about: by zstd that becomes known as it runs. */
size_t elf_unpack_bytes(const struct elf_unpack *u);

/*
 * All of a section by zlib (RFC 1950), which becomes @dst_sz bytes: some 2.5 times as fast as a stream. 0; -EBADMSG:
 * damaged, or not of that size; -EOPNOTSUPP: by another packing; or -ENOMEM.
 */
int elf_unpack_all(enum elf_packing packing, const void *src, size_t src_sz, void *dst,
		   size_t dst_sz);

DEFINE_CLEANUP(struct elf_unpack *, elf_unpack_free);
