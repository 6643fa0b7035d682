/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rows — collects rows in any order and makes the table of them: sorted, one for an address, equal
 * neighbours joined. A row is a 64-bit number (address, rule), so that sorting compares numbers only.
 */

#include "cprof/base/vec.h"
#include "cprof/cfi.h"
#include "cprof/ruleset.h"

#define ROWS_RULE_BITS 16
#define ROWS_ADDR_MAX (UINT64_MAX >> ROWS_RULE_BITS)
#define ROWS_GAP 0 /* the number of the rule that says GAP */

struct cfi_rows {
	struct cfi_limits limits;
	VEC(uint64_t) rows;
	struct ruleset ruleset;
	uint32_t unsupported;
};

/* 0 or -ENOMEM. */
int cfi_rows_init(struct cfi_rows *rows, const struct cfi_limits *limits);
void cfi_rows_done(struct cfi_rows *rows);

/* 0; -EBADMSG: an address that no program has; -E2BIG beyond the limits; -ENOMEM. */
int cfi_rows_add(struct cfi_rows *rows, uint64_t addr, const struct cprof_rule *rule);
int cfi_rows_add_gap(struct cfi_rows *rows, uint64_t addr);

/*
 * Sorts the rows from the @from-th on and joins what is equal there; before it are those of sections
 * that come first: cfi_rows_overlay() then fills only their gaps.
 */
void cfi_rows_settle(struct cfi_rows *rows, size_t from);
int cfi_rows_overlay(struct cfi_rows *rows, size_t from);
