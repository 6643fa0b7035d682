/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* internal — what is behind struct dwarf. */

#include "cprof/dwarf.h"
#include "funcs.h"
#include "index.h"

struct dwarf {
	const struct elf_file *file; /* the caller's */
	struct dwarf_limits limits;
	struct ledger ledger;
	uint64_t allowed; /* when work was allowed last */
	struct readers readers;
	struct part main;
	struct part *supplement; /* NULL: none was given */
	struct index index;
	struct funcs funcs;
	VEC(uint32_t) too_large; /* units that cannot be answered within the limits */
	struct dwarf_line lines[DWARF_LINES_MAX];
};

/* Addresses of one unit, which ascend, and where among those asked for they stand. */
#define BATCH_MAX 1024

struct batch {
	uint32_t unit;
	size_t cnt;
	uint64_t addrs[BATCH_MAX];
	uint32_t numbers[BATCH_MAX];
};

/* 0 and all are answered; -E2BIG and none is; -errno; or what @fn said. */
int answer_unit(struct dwarf *d, const struct batch *b, dwarf_place_fn fn, void *ctx);
/* Nothing is known of them, for that reason. 0, or what @fn said. */
int answer_none(const struct batch *b, enum dwarf_outcome outcome, dwarf_place_fn fn, void *ctx);
