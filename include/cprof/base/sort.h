/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sort — large arrays of plain numbers. */

#include <stddef.h>
#include <stdint.h>

/* Ascending. Takes as much memory again for a while; without it, it only takes longer. */
void sort_u64(uint64_t *v, size_t cnt);
