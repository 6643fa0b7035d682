/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rows — collects rows and makes the table of them: sorted, one for an address, equal neighbours joined. A row
 * is a 64-bit number (address, rule), so that sorting compares numbers only. Rows of one entry come one after
 * the other by ascending address.
 *
 * A linker lays out each kind of code by itself (what is hot, what is cold, what runs at the start), and the
 * entries of each come by ascending address. So rows are collected in a few runs that ascend; what fits into
 * none of them goes into the last one, which is sorted then.
 */

#include "cprof/base/vec.h"
#include "cprof/cfi.h"
#include "cprof/ruleset.h"

#define ROWS_RULE_BITS CFI_RULE_BITS
#define ROWS_ADDR_MAX (UINT64_MAX >> ROWS_RULE_BITS)
#define ROWS_GAP 0 /* the number of the rule that says GAP */

#define ROWS_RUNS_MAX 8

/* A VEC. Ascending, but for the last one of ROWS_RUNS_MAX. */
struct cfi_run {
	uint64_t *v;
	size_t cnt;
	size_t cap;
};

struct cfi_rows {
	struct cfi_limits limits;
	struct cfi_run rows;		    /* settled */
	struct cfi_run runs[ROWS_RUNS_MAX]; /* of the section that is being read */
	unsigned int runs_cnt;
	struct cfi_run *run; /* where the rows of this entry go */
	size_t cnt;	     /* of all rows */
	bool is_unsorted;    /* the last run is */
	struct ruleset ruleset;
	uint32_t unsupported;
};

/* 0 or -ENOMEM. */
int cfi_rows_init(struct cfi_rows *rows, const struct cfi_limits *limits);
void cfi_rows_done(struct cfi_rows *rows);

/* Rows of an entry whose code begins at @addr follow. */
void cfi_rows_begin(struct cfi_rows *rows, uint64_t addr);
/* 0; -EBADMSG: an address that no program has; -E2BIG beyond the limits; -ENOMEM. */
int cfi_rows_add(struct cfi_rows *rows, uint64_t addr, const struct cprof_rule *rule);
int cfi_rows_add_gap(struct cfi_rows *rows, uint64_t addr);
/* The same of a rule whose number is known: *ret_number of cfi_rows_number(). */
int cfi_rows_add_number(struct cfi_rows *rows, uint64_t addr, uint16_t number);
/* A rule's number: 0; -E2BIG beyond the limits; -ENOMEM. */
int cfi_rows_number(struct cfi_rows *rows, const struct cprof_rule *rule, uint16_t *ret_number);

/* The section was read: its rows fill the gaps of those of sections that come before it. 0 or -ENOMEM. */
int cfi_rows_settle(struct cfi_rows *rows);
