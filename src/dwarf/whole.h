/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* whole — a packed section of ordinary size, unpacked at once and for as long as it is read. */

#include "cprof/elf_file.h"
#include "ledger.h"

struct whole {
	const struct elf_file *file;
	uint64_t offset;
	size_t packed;
	size_t size;
	enum elf_packing packing;
	uint8_t *bytes; /* NULL: it is not unpacked now */
	bool tried;	/* in vain, since whole_rest() */
	bool bad;
};

/* Is it there? What there is no room for, or no time, and what is damaged, is to be read otherwise. */
bool whole_has(struct whole *w, struct ledger *ledger);
/* Nobody reads for some time: it goes, and may be had again. */
void whole_rest(struct whole *w, struct ledger *ledger);
