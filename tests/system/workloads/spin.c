/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spin [CPU [SECONDS]] — keeps a CPU busy in two functions; one takes three times as long.
 *
 * hot3() is given exactly three times the rounds of hot1(), in turns of some 0.4 ms, so that any
 * stretch of the run has the ratio. At its end (SIGTERM or the time) it prints what it measured by
 * its own clock and the CPU time that the kernel charged it, as one line of JSON. The same source
 * is built as PIE, non-PIE and static, and hot with a damaged section table.
 */

#include "load.h"

#define ROUNDS 60000ULL

static volatile sig_atomic_t stopped;

static void on_term(int sig)
{
	stopped = sig;
}

LOAD_HOT static uint64_t hot3(uint64_t x)
{
	return churn(x, 3 * ROUNDS);
}

LOAD_HOT static uint64_t hot1(uint64_t x)
{
	return churn(x, ROUNDS);
}

int main(int argc, char *argv[])
{
	double seconds = load_arg(argc, argv, 2, 3600);
	uint64_t start, end, took3 = 0, took1 = 0, x = 1;

	signal(SIGTERM, on_term);
	load_pin((int)load_arg(argc, argv, 1, -1));
	start = load_now(CLOCK_MONOTONIC);
	end = start + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	while (!stopped && load_now(CLOCK_MONOTONIC) < end) {
		uint64_t t0 = load_now(CLOCK_THREAD_CPUTIME_ID), t1, t2;

		x = hot3(x);
		t1 = load_now(CLOCK_THREAD_CPUTIME_ID);
		x = hot1(x);
		t2 = load_now(CLOCK_THREAD_CPUTIME_ID);
		took3 += t1 - t0;
		took1 += t2 - t1;
	}
	printf("{\"pid\": %d, \"cpu_ns\": %llu, \"hot3_ns\": %llu, \"hot1_ns\": %llu, \"x\": "
	       "%llu}\n",
	       getpid(), (unsigned long long)load_now(CLOCK_PROCESS_CPUTIME_ID),
	       (unsigned long long)took3, (unsigned long long)took1, (unsigned long long)x % 10);
	return 0;
}
