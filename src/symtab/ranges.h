/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ranges — which function covers a place: sorted, not overlapping, names beside. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "candidates.h"
#include "range-list.h"
#include "texts.h"

/* Names that compete for one address: how many there are, and that many places in strings. */
struct name_ties {
	VEC(uint32_t) v;
};

struct ranges {
	uint64_t base; /* what from, to and start are counted from */
	struct range_list list;
	struct texts names;
};

/*
 * Makes the table of the candidates (used up): SYMTAB_OK, SYMTAB_LIMIT or -errno. Each candidate has from < to. The
 * strings are let go of as soon as they are not needed any more.
 */
int ranges_build(struct candidates *candidates, struct candidate_strings *strings,
		 const struct symtab_limits *limits, struct ranges *ret);
/* The same with names that stay in the file; as file_texts_choose(), too. */
int ranges_build_in_file(struct candidates *candidates, struct file_texts *texts,
			 const struct symtab_limits *limits, struct ranges *ret);
/* The one that covers the place; false: none. */
bool ranges_at(const struct ranges *r, uint64_t place, struct range *ret);
bool ranges_find(const struct ranges *r, uint64_t place, struct symtab_symbol *ret);
size_t ranges_bytes(const struct ranges *r);
void ranges_done(struct ranges *r);
