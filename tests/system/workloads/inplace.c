/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inplace DIR CNT END INDEX — works for a millisecond in only_000000() and then becomes the next of CNT copies of
 * itself in DIR, named after their functions (template.h), until END (seconds of CLOCK_MONOTONIC).
 */

#include "load.h"

LOAD_HOT uint64_t only_000000(uint64_t x);

LOAD_HOT uint64_t only_000000(uint64_t x)
{
	return churn(x, 1000000);
}

int main(int argc, char *argv[])
{
	unsigned long cnt = (unsigned long)load_arg(argc, argv, 2, 1);
	unsigned long index = (unsigned long)load_arg(argc, argv, 4, 0);
	double end = load_arg(argc, argv, 3, 0);
	char path[512], text[32];

	if (argc != 5)
		return 2;
	if (only_000000(1) == 0 || (double)load_now(CLOCK_MONOTONIC) > end * (double)NSEC_PER_SEC)
		return 0;
	index = (index + 1) % cnt;
	snprintf(path, sizeof(path), "%.400s/only_%06lu", argv[1], index);
	snprintf(text, sizeof(text), "%lu", index);
	execl(path, path, argv[1], argv[2], argv[3], text, (char *)NULL);
	perror(path);
	return 1;
}
