/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forkstorm RATE [SECONDS] — forks at a rate; every child works some microseconds and exits.
 *
 * The rate is kept by deadlines, so that a slow stretch is made up for. Prints how many it made and
 * the CPU time of all, itself included, as one line of JSON.
 */

#include <sys/resource.h>
#include <sys/wait.h>

#include "load.h"

#define CHILD_NS 20000ULL

static uint64_t cpu_ns(int who)
{
	struct rusage ru;

	if (getrusage(who, &ru) < 0)
		abort();
	return (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * NSEC_PER_USEC;
}

int main(int argc, char *argv[])
{
	double rate = load_arg(argc, argv, 1, 1000);
	double seconds = load_arg(argc, argv, 2, 10);
	uint64_t start = load_now(CLOCK_MONOTONIC), now = start, forks = 0;
	uint64_t end = start + (uint64_t)(seconds * (double)NSEC_PER_SEC);

	for (; now < end; now = load_now(CLOCK_MONOTONIC)) {
		uint64_t due = start + (uint64_t)((double)forks / rate * (double)NSEC_PER_SEC);
		pid_t pid;

		if (now < due) {
			struct timespec ts = { .tv_nsec = (long)(due - now) };

			(void)nanosleep(&ts, NULL);
		}
		pid = fork();
		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (pid == 0)
			_exit((int)(churn_until(1, CLOCK_MONOTONIC,
						load_now(CLOCK_MONOTONIC) + CHILD_NS) &
				    1));
		(void)waitpid(pid, NULL, 0);
		forks++;
	}
	printf("{\"pid\": %d, \"forks\": %llu, \"seconds\": %.3f, \"cpu_ns\": %llu}\n", getpid(),
	       (unsigned long long)forks, (double)(now - start) / (double)NSEC_PER_SEC,
	       (unsigned long long)(cpu_ns(RUSAGE_SELF) + cpu_ns(RUSAGE_CHILDREN)));
	return 0;
}
