/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* go-table — where a checked image has Go's table of functions, and the code that it speaks of. */

#include "cprof/gopclntab_lines.h"
#include "elf-image.h"
#include "relocations.h"

/* Bytes of the file that lie one behind the other, at this address in memory. */
struct go_bytes {
	const struct elf_image *img;
	uint64_t offset;
	uint64_t addr;
	const struct relocations *relocs;
};

struct go_table {
	struct gopclntab_file file;
	const struct object_segment *segment; /* the code's; NULL: there is no table */
	bool alone;			      /* hardly anything of the segment is not its */
	struct relocations relocs;
	struct go_bytes table, code; /* file points to them */
};

/*
 * *ret stays where it is. 0, also where there is none; -E2BIG: what has to be read for it is beyond the
 * limits; or -errno. go_table_done() in any case.
 */
int go_table_find(const struct elf_image *img, const struct symtab_info *info,
		  struct go_table *ret);
void go_table_done(struct go_table *t);

/* The runtime's description of the program whose table was found. 0, -ENOENT, -E2BIG or -errno. */
int go_table_module(const struct go_table *t, struct gopclntab_module *ret);
