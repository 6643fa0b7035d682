/* SPDX-License-Identifier: Apache-2.0 */
/* askclock [SECONDS] — asks for the time without end: its CPU time is spent in the vDSO. */

#include "load.h"

LOAD_HOT static uint64_t ask_clock(double seconds)
{
	uint64_t end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	uint64_t asked = 0;

	while (load_now(CLOCK_MONOTONIC) < end)
		asked++;
	return asked;
}

int main(int argc, char *argv[])
{
	printf("{\"asked\": %llu}\n", (unsigned long long)ask_clock(load_arg(argc, argv, 1, 3600)));
	return 0;
}
