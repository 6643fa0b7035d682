/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* part — the sections of one file, and where its units begin. */

#include "cprof/base/vec.h"
#include "section.h"

/* The offsets of all units of a file, ascending. */
struct unit_list {
	VEC(uint64_t) starts;
	size_t bytes;  /* that the ledger knows of */
	uint64_t next; /* what was not looked at yet */
	bool complete;
};

struct part {
	struct elf_file *owned; /* NULL: it is somebody else's */
	struct section sections[SECTIONS_CNT];
	struct unit_list units;
	bool listed; /* its units are, sooner or later */
};

/* @dwo: the sections of a split unit. 0 or -errno; part_done() in any case. */
int part_open(struct part *part, const struct elf_file *f, struct ledger *ledger, bool dwo);
void part_done(struct part *part, struct ledger *ledger);
/* Nobody reads for some time. */
void part_rest(struct part *part);

void unit_list_done(struct unit_list *l, struct ledger *ledger);
