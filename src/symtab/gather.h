/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* gather — the functions of one file from all sources. */

#include "ranges.h"

struct gather {
	const struct symtab_info *info; /* of the file whose code it is */
	uint64_t base;			/* the lowest executable offset */
	uint32_t only;			/* of these sources, a bit each */
	uint64_t symbols_left;		/* how much more there may be */
	size_t strings_left;
	uint32_t reads_left; /* of names that stay in the file */
	struct candidates candidates;
	uint32_t counts[SYMTAB_SOURCE_MAX]; /* of each source */
	int outcome; /* SYMTAB_OK, SYMTAB_LIMIT: there are too many; -ENOMEM; -E2BIG: no reads are left */
	struct candidate_strings strings;
};

struct gather_function {
	uint64_t vaddr;
	uint64_t room;	 /* to its end, or to where it ends at the latest; not 0 */
	uint32_t string; /* in the strings of its source */
	uint8_t rank;	 /* enum candidate_rank */
};

/* SYMTAB_OK, or SYMTAB_LIMIT: there is more executable than 32 bits can tell. gather_done() in any case. */
int gather_init(struct gather *g, const struct symtab_info *info,
		const struct symtab_limits *limits);
void gather_done(struct gather *g);

/* What lies in no executable segment is no function. What went wrong is kept, and nothing after that. */
void gather_add(struct gather *g, const struct gather_function *f);

/* Room for the strings of a source, which are then to be read. SYMTAB_OK, SYMTAB_LIMIT or -ENOMEM. */
int gather_strings(struct gather *g, enum symtab_source source, uint64_t sz);
/* The same of strings that stay in the file, at @offset, and of those that are here, on the heap (taken). */
int gather_strings_in_file(struct gather *g, enum symtab_source source, uint64_t offset,
			   uint64_t sz);
int gather_strings_made(struct gather *g, enum symtab_source source, char *strings, size_t sz);
/* They were no strings: there are none. */
void gather_drop_strings(struct gather *g, enum symtab_source source);
