/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * unwind_pages — rows of a large file for the pages that somebody asks for (docs/adr/0046), as the block of
 * the whole file has them (unwind_info.h).
 *
 * Files are strangers', and the same rules count. That the table in the header of .eh_frame leads to a page's entries is
 * believed; what they are about they say themselves.
 */

#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/unwind_info.h"

/* Where .eh_frame is smaller the whole costs less than the asking. */
#define UNWIND_PAGES_FRAME_MIN (256u << 10)
/* That may be asked for at once. */
#define UNWIND_PAGES_MAX 64
/* Entries that are read for one question, and for each page of it: more than real code has. */
#define UNWIND_PAGES_ENTRIES_MAX 8192
#define UNWIND_PAGES_ENTRIES_EACH 2048

struct unwind_pages;

/*
 * 1: the file may be read so, and stays the caller's, for longer than *ret; 0: it is read as a whole, for
 * its .eh_frame has less than @frame_min bytes, or no table, or there is something that only the whole tells; or -errno.
 */
int unwind_pages_open(const struct elf_file *f, uint64_t frame_min, struct unwind_pages **ret);
struct unwind_pages *unwind_pages_close(struct unwind_pages *p);

/*
 * A block that has all pages of the file's code, where those of @pages (their numbers, ascending) that are among them have
 * rows, or none, and all others are absent. UNWIND_INFO_OK or _LIMIT, or -errno.
 */
int unwind_pages_read(struct unwind_pages *p, const uint32_t *pages, size_t cnt,
		      struct unwind_info *ret);

DEFINE_CLEANUP(struct unwind_pages *, unwind_pages_close);
