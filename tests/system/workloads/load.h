/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * load — what the workloads share: the clocks, pinning, and work whose amount is a count and not
 * a time. churn() is a chain of dependent multiplications: its speed is the multiplier's latency
 * and hardly depends on alignment, caches or the other hardware thread, so that a function that is
 * given three times as many rounds takes three times as long.
 */

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_USEC 1000ULL

/*
 * A function of this very name, called and not inlined, cloned or specialised. (A compiler that does
 * not know noipa does less of that, too.)
 */
#ifdef __clang__
#define LOAD_HOT __attribute__((noinline, aligned(64)))
#else
#define LOAD_HOT __attribute__((noipa, aligned(64)))
#endif

static inline uint64_t load_now(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		abort();
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* A negative CPU: anywhere. */
static inline void load_pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		perror("sched_setaffinity");
		exit(1);
	}
}

static inline double load_arg(int argc, char *argv[], int i, double otherwise)
{
	return i < argc ? strtod(argv[i], NULL) : otherwise;
}

static inline __attribute__((always_inline)) uint64_t churn(uint64_t x, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

/* Works until the clock says so; some 10 us between looks, so that it is work and not looking. */
static inline __attribute__((always_inline)) uint64_t churn_until(uint64_t x, clockid_t clock,
								  uint64_t end_ns)
{
	while (load_now(clock) < end_ns)
		x = churn(x, 10000);
	return x;
}
