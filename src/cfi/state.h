/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * state — what the instructions of an entry have said so far: a rule for the CFA, and one for each of
 * the registers that a walk needs. state_rule() cuts it down to a struct cprof_rule.
 */

#include "reader.h"

enum state_kind {
	STATE_SAME, /* also: never mentioned */
	STATE_UNDEFINED,
	STATE_OFFSET,	  /* at CFA + value */
	STATE_VAL_OFFSET, /* CFA + value */
	STATE_REGISTER,	  /* in register value */
	STATE_EXPRESSION, /* at the expression's address; value and len: the bytes in the section */
	STATE_VAL_EXPRESSION,
};

struct state_reg {
	uint8_t kind; /* enum state_kind */
	uint32_t len;
	int64_t value;
};

/* The columns that count: rbp, rsp and the return address. */
enum state_column { STATE_FP, STATE_SP, STATE_RA, STATE_COLUMNS };

struct state {
	bool cfa_expression;
	uint32_t cfa_reg;
	int64_t cfa_off; /* kept beside an expression: def_cfa_register alone may follow (libgcrypt) */
	uint32_t cfa_len;
	uint64_t cfa_at; /* where the expression lies */
	struct state_reg regs[STATE_COLUMNS];
};

/* STATE_COLUMNS for a register that does not count. */
enum state_column state_column(uint64_t reg, uint64_t ra_reg);

/* @r is used to read expressions, and is put back to where it was. */
struct cprof_rule state_rule(const struct state *s, bool signal_frame, struct reader *r);

/*
 * All that such a state's rule depends on, in one number, which is not 0: the CFA a register and a small offset,
 * the return address below it, and rbp untouched or near. 0: it is another one.
 */
uint64_t state_key(const struct state *s);
