/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rhythm BUSY_US SLEEP_US [SECONDS [CPU]] — works and sleeps in a fixed rhythm.
 *
 * A profiler with a fixed period falls into step with such a program and sees all of it or nothing.
 * Work is measured in the process's own CPU time, so that being preempted does not shorten it. At
 * the end it prints its exact CPU time as one line of JSON.
 */

#include "load.h"

static volatile sig_atomic_t stopped;

static void on_term(int sig)
{
	stopped = sig;
}

LOAD_HOT static uint64_t rhythm_work(uint64_t x, uint64_t busy_ns)
{
	return churn_until(x, CLOCK_PROCESS_CPUTIME_ID,
			   load_now(CLOCK_PROCESS_CPUTIME_ID) + busy_ns);
}

static void rhythm_sleep(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / NSEC_PER_SEC),
			       .tv_nsec = (long)(ns % NSEC_PER_SEC) };

	(void)nanosleep(&ts, NULL);
}

int main(int argc, char *argv[])
{
	uint64_t busy = (uint64_t)load_arg(argc, argv, 1, 5000) * NSEC_PER_USEC;
	uint64_t idle = (uint64_t)load_arg(argc, argv, 2, 5000) * NSEC_PER_USEC;
	double seconds = load_arg(argc, argv, 3, 3600);
	uint64_t end, turns = 0, x = 1;

	signal(SIGTERM, on_term);
	load_pin((int)load_arg(argc, argv, 4, -1));
	end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	while (!stopped && load_now(CLOCK_MONOTONIC) < end) {
		x = rhythm_work(x, busy);
		rhythm_sleep(idle);
		turns++;
	}
	printf("{\"pid\": %d, \"cpu_ns\": %llu, \"turns\": %llu, \"x\": %llu}\n", getpid(),
	       (unsigned long long)load_now(CLOCK_PROCESS_CPUTIME_ID), (unsigned long long)turns,
	       (unsigned long long)x % 10);
	return 0;
}
