/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* internal — what is behind struct dwarf. */

#include "cprof/dwarf.h"
#include "funcs.h"
#include "index.h"

#define BUILD_ID_MAX 64 /* longer ones are no ids */

/* A file that the information goes on in. */
struct want {
	enum dwarf_want_kind kind;
	char *name;
	char *dir;
	uint64_t id;
	uint8_t build_id[BUILD_ID_MAX];
	uint32_t build_id_sz;
	struct companion *given; /* NULL: nothing */
	bool due;
	bool looked_for;
};

/* A file that was given. */
struct companion {
	struct part part;
	bool package; /* a .dwp */
	uint64_t used;
};

struct dwarf {
	const struct elf_file *file; /* the caller's */
	struct dwarf_limits limits;
	struct ledger ledger;
	uint64_t allowed; /* when work was allowed last */
	struct readers readers;
	struct part main;
	VEC(struct want) wants;
	VEC(struct companion *) companions;
	uint64_t clock;
	struct part *supplement; /* NULL: none was given */
	struct index index;
	struct index claims; /* until then */
	struct unit_list claimed;
	bool unclaimed; /* there are none to go by */
	struct funcs funcs;
	VEC(uint64_t) too_large; /* units that cannot be answered within the limits */
	struct dwarf_line lines[DWARF_LINES_MAX];
};

/* For the caller: an outcome, or -errno. */
int dwarf_outcome_of(int r);

/* The supplement that the file says it has, if it does. 0 or -ENOMEM. */
int wants_find_supplement(struct dwarf *d);
/* The companion with the rest of a skeleton; NULL: it was not given, and is wanted from now on. 0 or -errno. */
int wants_unit(struct dwarf *d, const struct unit *skeleton, struct companion **ret);
void wants_done(struct dwarf *d);

/* The rest of a skeleton, in a companion. 0, -ENOENT (it is not there), -EBADMSG or -errno; unit_done() in any case. */
int split_unit(struct readers *rd, struct companion *c, const struct unit *skeleton, uint64_t id,
	       struct unit *ret);

/* Addresses of one unit, which ascend, and where among those asked for they stand. */
#define BATCH_MAX 1024

struct batch {
	uint64_t unit; /* where it begins */
	bool claimed;  /* by .debug_aranges alone: it is to be seen whether it says so, too */
	size_t cnt;
	uint64_t addrs[BATCH_MAX];
	uint32_t numbers[BATCH_MAX];
};

/* 0 and all are answered; -E2BIG or -ESTALE and none is; -errno; or what @fn said. */
int answer_unit(struct dwarf *d, const struct batch *b, dwarf_place_fn fn, void *ctx);
/* Nothing is known of them, for that reason. 0, or what @fn said. */
int answer_none(const struct batch *b, enum dwarf_outcome outcome, dwarf_place_fn fn, void *ctx);
