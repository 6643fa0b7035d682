/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cfi — call frame information (.eh_frame, .debug_frame) as a table: which rule undoes the frame of
 * which stretch of code.
 *
 * The bytes are a stranger's: only the symbolizer links this. They are read through a callback in small
 * pieces, once from front to back (shared entries, CIEs, again where they are needed), and the work is
 * bounded by their number. What is wrong costs the entry that it is in. Formats: DWARF 5, 6.4 and 7.24;
 * LSB Core 5.0, 10.6 (.eh_frame).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cprof/base/cleanup.h"
#include "cprof/unwind.h"

struct cfi_section {
	/* All @sz bytes from @offset of the section on: 0 or -errno. */
	int (*read)(void *ctx, uint64_t offset, void *dst, size_t sz);
	void *ctx;
	uint64_t size;
	uint64_t addr; /* where it lies in memory, before relocation */
	bool debug; /* .debug_frame: other numbers for CIEs, and no way to point relative to itself */
};

struct cfi_limits {
	uint32_t rows;	/* before equal neighbours are joined */
	uint32_t rules; /* different ones; at most CFI_RULES_MAX */
};

#define CFI_RULES_MAX 65535
#define CFI_LIMITS_DEFAULT ((struct cfi_limits){ .rows = 4 << 20, .rules = 8192 })

enum cfi_outcome {
	CFI_OK,
	CFI_NONE,  /* no entry that could be read */
	CFI_LIMIT, /* beyond the limits: what was read before it is there */
};

/* From @addr on, up to the next row. */
struct cfi_row {
	uint64_t addr; /* as the file has it, before relocation; below 2^48 */
	uint16_t rule;
};

/* Counts of one table. */
struct cfi_facts {
	uint32_t cies;
	uint32_t fdes;
	uint32_t bad;	      /* entries that were left out, or left early */
	uint32_t unsupported; /* rows that say what a rule cannot */
};

struct cfi;

/*
 * Reads sections one after the other into one table; where two have rows for an address, the earlier
 * section's count. *ret is set for OK and LIMIT. An outcome or -errno.
 */
int cfi_load(const struct cfi_section *sections, size_t cnt, const struct cfi_limits *limits,
	     struct cfi **ret);
/*
 * Reads these entries of one section, and what they share, and no others: where in it they begin, in any order.
 * What is not an entry of code there is left out. The work is bounded by how many they are. As cfi_load().
 */
int cfi_load_entries(const struct cfi_section *section, const uint64_t *offsets, size_t cnt,
		     const struct cfi_limits *limits, struct cfi **ret);
struct cfi *cfi_free(struct cfi *t);

/* The code of an entry. */
struct cfi_range {
	uint64_t start, end; /* equal: it is none */
};

/* Which code each of these entries is about, no more. 0, -ENOMEM, or what reading said. */
int cfi_ranges(const struct cfi_section *section, const uint64_t *offsets, size_t cnt,
	       struct cfi_range *ret);

/* Rows by address, no two neighbours alike; code between entries has a rule that says GAP. */
size_t cfi_rows_cnt(const struct cfi *t);
struct cfi_row cfi_row(const struct cfi *t, size_t i);
size_t cfi_rules_cnt(const struct cfi *t);
const struct cprof_rule *cfi_rule(const struct cfi *t, uint16_t i);
const struct cfi_facts *cfi_facts(const struct cfi *t);

/* The same at once, for who goes through all of it; valid as long as the table. NULL: a table without rows. */
struct cfi_view {
	const uint64_t *rows; /* the address, and in the lowest CFI_RULE_BITS the rule */
	size_t rows_cnt;
	const struct cprof_rule *rules;
	size_t rules_cnt;
};

#define CFI_RULE_BITS 16

struct cfi_view cfi_view(const struct cfi *t);

static inline uint64_t cfi_view_addr(const struct cfi_view *v, size_t i)
{
	return v->rows[i] >> CFI_RULE_BITS;
}

static inline const struct cprof_rule *cfi_view_rule(const struct cfi_view *v, size_t i)
{
	return &v->rules[v->rows[i] & ((1u << CFI_RULE_BITS) - 1)];
}

/* The first row behind this address; the number of rows when there is none. */
size_t cfi_row_after(const struct cfi *t, uint64_t addr);
/* The rule at this address: its number, or -ENOENT below the first row. */
int cfi_find(const struct cfi *t, uint64_t addr);

DEFINE_CLEANUP(struct cfi *, cfi_free);
