/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* entry — the heads of entries: CIEs, which several entries share, and FDEs, one for a stretch of code. */

#include "program.h"

/* One entry of a section; offsets are the section's. */
struct entry {
	uint64_t start; /* of its length field */
	uint64_t body;	/* behind the id */
	uint64_t end;
	uint64_t cie; /* of an FDE: where its CIE begins */
	bool is_cie;
	bool wide; /* 64-bit DWARF */
};

/*
 * Reads the head at @offset. 1; 0: the section ends here; -EBADMSG: nothing behind it can be found
 * either.
 */
int entry_read(struct reader *r, uint64_t offset, struct entry *ret);

struct cie {
	uint64_t offset;
	bool has_augmentation; /* 'z': FDEs have data of their own, with its length before it */
	struct program_cie program;
	uint64_t used; /* when last, for the cache */
};

/* Reads a CIE without running it; the reader then stands at its instructions. 0 or -EBADMSG. */
int entry_cie(struct reader *r, const struct entry *e, struct cie *ret);

/* The code that an FDE is about; the reader then stands at its instructions. 0 or -EBADMSG. */
int entry_fde(struct reader *r, const struct entry *e, const struct cie *cie, uint64_t *ret_start,
	      uint64_t *ret_end);
