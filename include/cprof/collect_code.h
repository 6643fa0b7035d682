/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * collect_code — files and lines of places in BPF programs, asked of the kernel.
 *
 * Of those that clang was told to say lines of (-g), while they are there. Source: the kernel's iterator over
 * BPF programs (Linux 5.9), which takes CAP_BPF and CAP_PERFMON. The text is whoever's who loaded the program.
 */

#include <stddef.h>
#include <stdint.h>

#include "cprof/code_lines.h"
#include "cprof/collect.h"

/* Valid during the call; its file is terminated. */
typedef void (*collect_code_fn)(const struct cprof_code_line *line, void *ctx);
/*
 * Asks for @cnt places at most CPROF_CODE_PLACES_MAX of which @fn is told the lines that are known, in any
 * order. A place that is told twice had two programs meanwhile. 0 or -errno.
 */
int collect_code_find(struct collect *c, const uint64_t *places, size_t cnt, collect_code_fn fn,
		      void *ctx);
