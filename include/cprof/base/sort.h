/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sort — large arrays of plain numbers. */

#include <stddef.h>
#include <stdint.h>

/* Ascending. Takes as much memory again for a while; without it, it only takes longer. */
void sort_u64(uint64_t *v, size_t cnt);
/* The same of numbers whose lowest @bits ascend as they stand, as those of their places do: what is sorted by is above. */
void sort_u64_placed(uint64_t *v, size_t cnt, unsigned int bits);
