/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mixidle [SEED [SECONDS [CPU]]] — works and sleeps for random times, from 50 us to 40 ms each.
 *
 * Every length is drawn with an even chance for every magnitude, so that a CPU goes idle and comes
 * back thousands of times at all distances from a tick: the ground on which an account of missed
 * ticks raises false alarms. Prints its CPU time as one line of JSON.
 */

#include "load.h"

#define SHORTEST_NS 50000ULL
#define DOUBLINGS 640 /* in 64ths: up to SHORTEST_NS * 2^10 */

static uint64_t mixidle_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t mixidle_length(uint64_t *state)
{
	uint64_t d = mixidle_next(state) % DOUBLINGS;

	return (SHORTEST_NS << (d / 64)) / 64 * (64 + d % 64);
}

int main(int argc, char *argv[])
{
	uint64_t state = (uint64_t)load_arg(argc, argv, 1, 1) * 2654435761ULL + 1;
	double seconds = load_arg(argc, argv, 2, 3600);
	uint64_t end, x = 1;

	load_pin((int)load_arg(argc, argv, 3, -1));
	end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	while (load_now(CLOCK_MONOTONIC) < end) {
		uint64_t idle = mixidle_length(&state);
		struct timespec ts = { .tv_nsec = (long)idle };

		x = churn_until(x, CLOCK_MONOTONIC,
				load_now(CLOCK_MONOTONIC) + mixidle_length(&state));
		(void)nanosleep(&ts, NULL);
	}
	printf("{\"pid\": %d, \"cpu_ns\": %llu, \"x\": %llu}\n", getpid(),
	       (unsigned long long)load_now(CLOCK_PROCESS_CPUTIME_ID), (unsigned long long)x % 10);
	return 0;
}
