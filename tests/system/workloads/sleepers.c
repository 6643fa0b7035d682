/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sleepers COUNT SECONDS LIBRARY... — COUNT processes that have the libraries mapped and wake five times a
 * second for half a millisecond, and one in fifteen that works for 19 ms of each 600: a host on which
 * many services mostly sleep.
 */

#include <dlfcn.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "load.h"

LOAD_HOT static uint64_t sleeper_work(uint64_t ns)
{
	return churn_until(1, CLOCK_PROCESS_CPUTIME_ID, load_now(CLOCK_PROCESS_CPUTIME_ID) + ns);
}

static void child(int i, uint64_t end, int libraries, char *names[])
{
	bool burst = i % 15 == 0;
	uint64_t work_ns = burst ? 19000000 : 500000, pause_ns = burst ? 581000000 : 199500000;
	uint64_t x = (uint64_t)i;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int l = 0; l < libraries; l++)
		(void)dlopen(names[l], RTLD_LAZY | RTLD_LOCAL);
	while (load_now(CLOCK_MONOTONIC) < end) {
		struct timespec ts = { .tv_nsec = (long)(pause_ns + (uint64_t)(i % 50) * 10000) };

		x += sleeper_work(work_ns);
		(void)nanosleep(&ts, NULL);
	}
	_exit((int)(x & 1));
}

int main(int argc, char *argv[])
{
	int count = (int)load_arg(argc, argv, 1, 300);
	uint64_t end = load_now(CLOCK_MONOTONIC) +
		       (uint64_t)(load_arg(argc, argv, 2, 10) * (double)NSEC_PER_SEC);

	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (pid == 0)
			child(i, end, argc > 3 ? argc - 3 : 0, argv + 3);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
