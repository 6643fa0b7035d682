/* SPDX-License-Identifier: Apache-2.0 */
/* burst MICROSECONDS — works until the process has used so much CPU time, its start included. */

#include "load.h"

LOAD_HOT static uint64_t burst_inner(uint64_t end_ns)
{
	return churn_until(1, CLOCK_PROCESS_CPUTIME_ID, end_ns);
}

LOAD_HOT static uint64_t burst_outer(uint64_t end_ns)
{
	return burst_inner(end_ns) + 1;
}

int main(int argc, char *argv[])
{
	double us = load_arg(argc, argv, 1, 1000);

	return burst_outer((uint64_t)(us * (double)NSEC_PER_USEC)) == 0;
}
