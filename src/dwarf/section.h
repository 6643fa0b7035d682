/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* section — the sections of one file that debugging information is in, read at any place, packed or not. */

#include <stdbool.h>

#include "cprof/elf_file.h"
#include "ledger.h"

enum section_id {
	SECTION_INFO,
	SECTION_ABBREV,
	SECTION_STR,
	SECTION_LINE,
	SECTION_LINE_STR,
	SECTION_RANGES,
	SECTION_RNGLISTS,
	SECTION_ADDR,
	SECTION_STR_OFFSETS,
	SECTION_ARANGES,
	SECTION_CU_INDEX,
	SECTIONS_CNT,
};

struct inflater;

struct section {
	const struct elf_file *file;
	struct ledger *ledger;
	uint64_t offset;
	uint64_t size; /* 0: there is none */
	struct inflater *packed;
};

/* Those of a .dwo or .dwp have names of their own. 0 or -errno: -EOPNOTSUPP one is packed in another way. */
int section_open(struct section *s, const struct elf_file *f, struct ledger *ledger,
		 enum section_id id, bool dwo);
void section_done(struct section *s);
/* It was gone through, once for all: less of it is kept. */
void section_settle(struct section *s);
/* Nobody reads for some time. */
void section_rest(struct section *s);

/* All @sz bytes from @offset on. 0, -EBADMSG (there are not so many) or -errno. */
int section_read(struct section *s, uint64_t offset, void *dst, size_t sz);
