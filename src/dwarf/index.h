/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* index — which unit has the code at an address, and where units begin. */

#include "spans.h"

/* Stretches do not overlap, and are shorter than 4 GiB. */
struct span {
	uint64_t start;
	uint32_t len;
	uint32_t unit; /* its number in the file's list */
};

/* A unit whose root entry does not say where all of its code is. */
struct vague_unit {
	uint64_t start;
	uint32_t unit;
};

struct index {
	VEC(struct span) spans;
	size_t bytes; /* that the ledger knows of */
	VEC(struct vague_unit) vague;
	size_t vague_bytes;
	uint64_t aranges_next; /* what was not looked at yet */
	bool complete;
};

/*
 * Reads the heads and root entries of all units of @part; goes on where it was left by -E2BIG. 0 or -errno:
 * -EFBIG it is too large. @has_code says which addresses code can be at all.
 */
int index_build(struct index *ix, struct readers *rd, struct part *part, struct ledger *ledger,
		const struct elf_file *program);
void index_done(struct index *ix, struct ledger *ledger);
/*
 * The same by what .debug_aranges says alone, which may not be all; a unit's number is its place in @claimed.
 * 0, -ENOENT (there is nothing to go by) or as above.
 */
int index_build_claims(struct index *ix, struct unit_list *claimed, struct readers *rd,
		       struct part *part, const struct elf_file *program);
/* Stretches as they came are sorted, and none is over another. 0, -EFBIG or -ENOMEM. */
int index_settle(struct index *ix, struct ledger *ledger);

/* The number of the unit; -ENOENT: none. */
int64_t index_find(const struct index *ix, uint64_t addr);

/* Adds the starts of all units of a file that has no index (a supplement): as index_build(). */
int unit_list_build(struct readers *rd, struct part *part, struct ledger *ledger);
/* The start of the unit that has the byte at @offset of the section, if it is one; -ENOENT: none. */
int unit_list_find(const struct unit_list *l, uint64_t offset, uint64_t *ret);
