/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oddcomm HEX [SECONDS] — keeps a CPU busy under the name whose bytes are given in hex.
 *
 * A process chooses its own comm: up to 15 bytes with newlines, escapes, slashes and no encoding.
 */

#include <string.h>
#include <sys/prctl.h>

#include "load.h"

static void oddcomm_decode(const char *hex, char *ret, size_t sz)
{
	size_t n = 0;

	for (; n + 1 < sz && hex[0] && hex[1]; hex += 2) {
		char byte[3] = { hex[0], hex[1], 0 };

		ret[n++] = (char)strtoul(byte, NULL, 16);
	}
	ret[n] = 0;
}

LOAD_HOT static uint64_t oddcomm_work(uint64_t x, uint64_t end)
{
	return churn_until(x, CLOCK_MONOTONIC, end);
}

int main(int argc, char *argv[])
{
	double seconds = load_arg(argc, argv, 2, 2);
	char comm[16];

	oddcomm_decode(argc > 1 ? argv[1] : "", comm, sizeof(comm));
	if (prctl(PR_SET_NAME, comm) < 0)
		return 1;
	return (int)(oddcomm_work(1, load_now(CLOCK_MONOTONIC) +
					     (uint64_t)(seconds * (double)NSEC_PER_SEC)) &
		     0);
}
