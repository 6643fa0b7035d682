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

/* Macros: a profile names what was inlined, and the function that works is what the tests look for. */
#define churn(x, rounds)                                                                       \
	({                                                                                     \
		uint64_t churned_ = (x), rounds_ = (rounds);                                   \
                                                                                               \
		for (uint64_t i_ = 0; i_ < rounds_; i_++) {                                    \
			churned_ = churned_ * 6364136223846793005ULL + 1442695040888963407ULL; \
			__asm__ volatile("" : "+r"(churned_));                                 \
		}                                                                              \
		churned_;                                                                      \
	})

/* Works until the clock says so; some 10 us between looks, so that it is work and not looking. */
#define churn_until(x, clock, end_ns)                         \
	({                                                    \
		uint64_t until_ns_ = (end_ns), worked_ = (x); \
                                                              \
		while (load_now(clock) < until_ns_)           \
			worked_ = churn(worked_, 10000);      \
		worked_;                                      \
	})
