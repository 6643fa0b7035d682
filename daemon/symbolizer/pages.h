/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pages — large files that are open because their rows are read by the page (cprof/unwind_pages.h), until the
 * sampler says RELEASE. One that had to be closed before is asked for in vain (WIRE_ROWS_GONE), and comes again.
 */

#include <stddef.h>
#include <stdint.h>

#include "cprof/base/vec.h"
#include "cprof/unwind_pages.h"

#define PAGES_FILES_MAX 64

struct pages_file {
	struct elf_file *elf;
	struct unwind_pages *rows;
	uint32_t object;
};

struct pages {
	VEC(struct pages_file) v; /* the one that was asked for last comes last */
};

/*
 * The file, open once more, if it is one that is read so; the one least lately asked for makes room. 1, 0 or
 * -errno.
 */
int pages_open(struct pages *p, uint32_t object, const struct elf_file *f);
/* NULL: it is not open. */
struct unwind_pages *pages_get(struct pages *p, uint32_t object);
void pages_close(struct pages *p, uint32_t object);
void pages_done(struct pages *p);
