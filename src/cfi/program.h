/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* program — runs the instructions of an entry (DWARF 5, 6.4.2) and gives a row for each change. */

#include "rows.h"
#include "state.h"

/* What shared entries (CIEs) say that instructions need. */
struct program_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_reg;
	uint8_t encoding; /* of pointers: DW_EH_PE_* */
	bool signal_frame;
	struct state initial; /* after its own instructions */
};

/* remember_state nests; gcc's goes 2 deep. */
#define PROGRAM_DEPTH_MAX 16

/* Of states that a few numbers tell, which nearly all are: what rule they come to. */
#define PROGRAM_SEEN_SHIFT 8

struct program_seen {
	uint64_t key; /* state_key(); 0: none */
	uint16_t rule;
};

struct program {
	struct reader *r;
	const struct program_cie *cie;
	struct cfi_rows *rows; /* NULL: the instructions of a CIE, which give none */
	uint64_t pc;
	uint64_t end;
	uint64_t *work; /* instructions that may still be run, in all */
	struct state state;
	struct state stack[PROGRAM_DEPTH_MAX];
	unsigned int depth;
	struct program_seen seen[1u << PROGRAM_SEEN_SHIFT]; /* of all programs of one table */
};

/*
 * Runs what the reader stands at, up to its end, from pc on and with the state that is there. 0; -EBADMSG:
 * something is wrong, and rows up to there were given; -E2BIG: too many rows, rules or instructions;
 * -ENOMEM.
 */
int program_run(struct program *p);
