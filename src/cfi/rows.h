/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rows — collects rows in any order and makes the table of them: sorted, one for an address, equal
 * neighbours joined. A row is a 64-bit number (address, rule), so that sorting compares numbers only.
 */

#include "cprof/base/map.h"
#include "cprof/base/vec.h"
#include "cprof/cfi.h"

#define ROWS_RULE_BITS 16
#define ROWS_ADDR_MAX (UINT64_MAX >> ROWS_RULE_BITS)
#define ROWS_GAP 0 /* the number of the rule that says GAP */

struct rows {
	struct cfi_limits limits;
	VEC(uint64_t) rows;
	VEC(struct cprof_rule) rules;
	struct map index; /* rules by their bytes */
	uint32_t unsupported;
};

/* 0 or -ENOMEM. */
int rows_init(struct rows *rows, const struct cfi_limits *limits);
void rows_done(struct rows *rows);

/* 0; -EBADMSG: an address that no program has; -E2BIG beyond the limits; -ENOMEM. */
int rows_add(struct rows *rows, uint64_t addr, const struct cprof_rule *rule);
int rows_add_gap(struct rows *rows, uint64_t addr);

/*
 * Sorts the rows from the @from-th on and joins what is equal there; before it are those of sections
 * that come first: rows_overlay() then fills only their gaps.
 */
void rows_settle(struct rows *rows, size_t from);
int rows_overlay(struct rows *rows, size_t from);
