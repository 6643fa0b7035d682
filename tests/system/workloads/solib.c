/* SPDX-License-Identifier: Apache-2.0 */
/* solib [CPU [SECONDS]] — keeps a CPU busy in a function of a shared library (libhot.c). */

#include "load.h"

uint64_t lib_hot(uint64_t x, uint64_t rounds);

int main(int argc, char *argv[])
{
	double seconds = load_arg(argc, argv, 2, 3600);
	uint64_t end, x = 1;

	load_pin((int)load_arg(argc, argv, 1, -1));
	end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	while (load_now(CLOCK_MONOTONIC) < end)
		x = lib_hot(x, 100000);
	return (int)(x & 0);
}
