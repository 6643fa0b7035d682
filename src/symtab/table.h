/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* table — what is behind struct symtab, of any source. */

#include "perf-map.h"
#include "ranges.h"

struct symtab {
	struct ranges ranges;	  /* of an ELF file or the kernel */
	struct perf_map perf_map; /* of a perf map */
	struct symtab_info info;
};
