/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* funcs — what a function is called and where it is declared, by its entry, wherever that refers to. */

#include "cprof/base/map.h"
#include "cprof/base/str.h"
#include "unit.h"

/* Ids of texts. */
struct func {
	const struct part *part;
	uint64_t die;
	uint32_t name;
	uint32_t linkage;
	uint32_t start_line;
};

#define UNITS_KEPT 16

struct funcs {
	struct readers *rd;
	struct part *supplement; /* NULL: there is none */
	struct strtab texts;
	struct map by_die;
	VEC(struct func) list;
	size_t bytes_max;
	uint64_t seed;
	char *scratch; /* DWARF_TEXT_MAX */

	struct unit units[UNITS_KEPT]; /* part NULL: free */
	uint64_t used[UNITS_KEPT];
	uint64_t clock;
};

/* 0 or -ENOMEM; funcs_done() in any case. */
int funcs_init(struct funcs *f, struct readers *rd, size_t bytes_max, uint64_t seed);
void funcs_done(struct funcs *f);
size_t funcs_bytes(const struct funcs *f);
/* Forgets everything when half of the room is taken: ids are good until then. 0 or -ENOMEM. */
int funcs_make_room(struct funcs *f);

/* All ids are void. 0 or -ENOMEM. */
int funcs_forget(struct funcs *f);
/* What was answered without it may have lacked it. 0 or -ENOMEM. */
int funcs_set_supplement(struct funcs *f, struct part *supplement);

/* 0, -EFBIG (no room) or -ENOMEM. */
int funcs_text(struct funcs *f, const char *s, size_t len, uint32_t *ret);
/*
 * Of the entry at @die in @u. What is damaged is not known. 0, -EFBIG, -E2BIG, -ESTALE (ledger.h) or -errno of the
 * system.
 */
int funcs_get(struct funcs *f, const struct unit *u, uint64_t die, struct func *ret);
