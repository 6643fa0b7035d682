/* SPDX-License-Identifier: Apache-2.0 */
/* libhot — a shared library with the hot function in it; solib.c calls it. */

#include "load.h"

uint64_t lib_hot(uint64_t x, uint64_t rounds);

LOAD_HOT __attribute__((visibility("default"))) uint64_t lib_hot(uint64_t x, uint64_t rounds)
{
	return churn(x, rounds);
}
