/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* find — entries by id, for the two passes over a profile. */

#include <stddef.h>
#include <stdint.h>

/* The index of an id in a table that is sorted by it, or PPROF_NONE. */
uint32_t pprof_find(const void *v, size_t cnt, size_t elem_sz, uint64_t id);
