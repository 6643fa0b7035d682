/* SPDX-License-Identifier: Apache-2.0 */
/*
 * canary [DUMPABLE] — works a tenth of a CPU in the function canary, until it is killed.
 *
 * Given 1 or 0 it makes itself dumpable or not, which a set-user-ID program may do as well as any other.
 */

#include <sys/prctl.h>

#include "load.h"

#define WORK_NS (2 * 1000000ULL)
#define REST_US 18000

LOAD_HOT static uint64_t canary(uint64_t x)
{
	return churn_until(x, CLOCK_MONOTONIC, load_now(CLOCK_MONOTONIC) + WORK_NS);
}

int main(int argc, char *argv[])
{
	uint64_t x = 1;

	if (argc > 1 && prctl(PR_SET_DUMPABLE, (int)load_arg(argc, argv, 1, 1), 0, 0, 0) < 0)
		return 1;
	puts("ready");
	(void)fflush(stdout);
	for (;;) {
		x = canary(x);
		(void)usleep(REST_US);
	}
}
