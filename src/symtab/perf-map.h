/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * perf-map — what a JIT compiler says is where: sorted, not overlapping. Addresses of one process lie
 * anywhere, so they are kept whole, other than those of files (ranges.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/symtab.h"

struct perf_entry {
	uint64_t start;
	uint32_t sz;
	uint32_t name; /* place in the names */
	uint32_t line; /* of the file, of those that are entries: the later one wins */
	uint32_t pad;
};

struct perf_map {
	struct perf_entry *v;
	uint32_t cnt;
	char *names; /* terminated strings */
	size_t names_sz;
};

bool perf_map_find(const struct perf_map *m, uint64_t place, struct symtab_symbol *ret);
size_t perf_map_bytes(const struct perf_map *m);
void perf_map_done(struct perf_map *m);
