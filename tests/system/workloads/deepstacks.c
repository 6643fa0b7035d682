/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deepstacks DEPTH SECONDS — no two samples have the same stack: goes down DEPTH calls of two functions in an
 * order of its own each time, works there for some 30 us and comes back.
 */

#include "load.h"

static uint64_t left(uint64_t x, unsigned int depth);
static uint64_t right(uint64_t x, unsigned int depth);

static inline __attribute__((always_inline)) uint64_t down(uint64_t x, unsigned int depth)
{
	if (depth == 0)
		return churn(x, 30000);
	x = churn(x, 1);
	return (x >> 40 & 1 ? left(x, depth - 1) : right(x, depth - 1)) + 1;
}

LOAD_HOT static uint64_t left(uint64_t x, unsigned int depth)
{
	return down(x, depth);
}

LOAD_HOT static uint64_t right(uint64_t x, unsigned int depth)
{
	return down(x, depth);
}

int main(int argc, char *argv[])
{
	unsigned int depth = (unsigned int)load_arg(argc, argv, 1, 200);
	double seconds = load_arg(argc, argv, 2, 10);
	uint64_t end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	uint64_t x = (uint64_t)getpid();

	while (load_now(CLOCK_MONOTONIC) < end)
		x = left(x, depth);
	return (int)(x & 0);
}
