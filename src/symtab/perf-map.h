/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * perf-map — what a JIT compiler says is where, in one file or another: sorted, not overlapping. Addresses of
 * one process lie anywhere, so they are kept whole, other than those of files (ranges.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/symtab.h"

struct perf_entry {
	uint64_t start;
	uint32_t sz;
	uint32_t name; /* place in the names */
	uint32_t rank; /* of what overlaps the one with the highest counts */
	uint32_t
		lines; /* the first of its lines, which tells how many there are behind it; 0: none */
};

/* From this many bytes behind the function's beginning on. */
struct perf_line {
	uint32_t offset; /* of a first one: how many follow */
	uint32_t line;
	uint32_t file; /* place in the names */
};

struct perf_map {
	struct perf_entry *v;
	uint32_t cnt;
	char *names; /* terminated strings */
	size_t names_sz;
	struct perf_line *lines;
	uint32_t lines_cnt;
	uint32_t lines_shift; /* to be added to an offset */
};

#define PERF_USER_END (1ULL << 56) /* addresses of a process, five levels of tables included */
#define PERF_ENTRY_SZ_MAX (1u << 30)

/*
 * Of entries in the order of their file: what a later one overlaps is taken out, and the rest is sorted. 0
 * or -ENOMEM.
 */
int perf_map_settle(struct perf_entry *v, uint32_t *cnt);

/* Gives back what growing took too much; what it has is on the heap. */
void perf_map_fit(struct perf_map *m);
bool perf_map_find(const struct perf_map *m, uint64_t place, struct symtab_symbol *ret);
size_t perf_map_bytes(const struct perf_map *m);
void perf_map_done(struct perf_map *m);
