/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* table — what is behind struct symtab, of any source. */

#include "file-names.h"
#include "perf-map.h"
#include "ranges.h"

struct symtab {
	struct ranges ranges;	    /* of an ELF file or the kernel */
	struct perf_map perf_map;   /* of a perf map */
	struct file_names *in_file; /* it has the names; NULL: they are with the ranges */
	struct symtab_info info;
};
