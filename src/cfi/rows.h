/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rows — collects rows in any order and makes the table of them: sorted, one for an address, equal
 * neighbours joined. A row is a 64-bit number (address, rule), so that sorting compares numbers only. Rows
 * of one entry come one after the other by ascending address: a block.
 */

#include "cprof/base/vec.h"
#include "cprof/cfi.h"
#include "cprof/ruleset.h"

#define ROWS_RULE_BITS CFI_RULE_BITS
#define ROWS_ADDR_MAX (UINT64_MAX >> ROWS_RULE_BITS)
#define ROWS_GAP 0 /* the number of the rule that says GAP */

struct cfi_block {
	uint64_t addr; /* of its first row */
	size_t first, cnt;
};

struct cfi_rows {
	struct cfi_limits limits;
	VEC(uint64_t) rows;
	VEC(struct cfi_block) blocks; /* of the section that is being read */
	struct ruleset ruleset;
	uint32_t unsupported;
};

/* 0 or -ENOMEM. */
int cfi_rows_init(struct cfi_rows *rows, const struct cfi_limits *limits);
void cfi_rows_done(struct cfi_rows *rows);

/* 0; -EBADMSG: an address that no program has; -E2BIG beyond the limits; -ENOMEM. */
int cfi_rows_add(struct cfi_rows *rows, uint64_t addr, const struct cprof_rule *rule);
int cfi_rows_add_gap(struct cfi_rows *rows, uint64_t addr);
/* The same of a rule whose number is known: *ret_number of cfi_rows_number(). */
int cfi_rows_add_number(struct cfi_rows *rows, uint64_t addr, uint16_t number);
/* A rule's number: 0; -E2BIG beyond the limits; -ENOMEM. */
int cfi_rows_number(struct cfi_rows *rows, const struct cprof_rule *rule, uint16_t *ret_number);
/* All rows from the @first-th on, if there are any, are a block. 0 or -ENOMEM. */
int cfi_rows_end_block(struct cfi_rows *rows, size_t first);

/*
 * Sorts the rows from the @from-th on, all of them in blocks, and joins what is equal there; before it are those
 * of sections that come first: cfi_rows_overlay() then fills only their gaps. 0 or -ENOMEM.
 */
int cfi_rows_settle(struct cfi_rows *rows, size_t from);
int cfi_rows_overlay(struct cfi_rows *rows, size_t from);
