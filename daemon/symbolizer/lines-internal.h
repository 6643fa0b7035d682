/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* lines-internal — what is behind struct lines_file. */

#include "cprof/dwarf.h"
#include "lines.h"

struct lines_file {
	struct elf_file *elf;	/* of the program; its descriptor comes and goes */
	struct elf_file *debug; /* NULL: there is none */
	struct dwarf *dwarf;	/* NULL, or that is */
	struct go_lines *go;
	uint64_t used;
	uint64_t rest_ns;   /* then it keeps less; UINT64_MAX: it does */
	uint64_t refill_ns; /* then there is more work */
	uint64_t work;	    /* that may be done, before it is opened */
	uint32_t object;
	bool spent; /* no more before that */
};

/* Its place in l->v; l->v.cnt: it has none. */
size_t lines_index(const struct lines *l, uint32_t object);
/* The file stays, and all that it led to is closed: what it tells is opened anew. 0 or -errno. */
int lines_reopen(struct lines *l, struct lines_file *f);
