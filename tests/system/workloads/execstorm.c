/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execstorm RATE LOW HIGH SECONDS LOG PROGRAM... — starts programs at a rate, each to work between LOW and HIGH
 * microseconds of CPU time (burst), the programs in turn. The rate is kept by deadlines, but no more
 * than 8 run at once: what the machine cannot bear is not piled up, and nothing starts after SECONDS.
 * LOG gets "pid start_ticks cpu_us -" for each; the last line of output says how many there were.
 */

#include <errno.h>

#include "storm.h"

#define PARALLEL 8

static void wait_until(uint64_t due)
{
	struct timespec ts = { .tv_sec = (time_t)(due / NSEC_PER_SEC),
			       .tv_nsec = (long)(due % NSEC_PER_SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

int main(int argc, char *argv[])
{
	double rate = load_arg(argc, argv, 1, 100), low = load_arg(argc, argv, 2, 5000);
	double high = load_arg(argc, argv, 3, 15000), seconds = load_arg(argc, argv, 4, 10);
	uint64_t begun = load_now(CLOCK_MONOTONIC), x = 88172645463325252ULL;
	unsigned long count = (unsigned long)(rate * seconds), alive = 0;
	const uint64_t end = begun + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	unsigned long i = 0;
	char text[32];
	FILE *log;

	if (argc < 7)
		return 2;
	log = fopen(argv[5], "we");
	if (!log)
		return 1;
	for (; i < count && load_now(CLOCK_MONOTONIC) < end; i++) {
		char *program = argv[6 + i % (unsigned long)(argc - 6)];
		uint64_t due = begun + (uint64_t)((double)i / rate * (double)NSEC_PER_SEC);

		while (alive > 0 && storm_reap(log, alive >= PARALLEL ? 0 : WNOHANG, NULL) > 0)
			alive--;
		if (load_now(CLOCK_MONOTONIC) < due)
			wait_until(due);
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		snprintf(text, sizeof(text), "%.0f",
			 low + (high - low) * (double)(x >> 11) / 0x1p53);
		(void)storm_spawn(program, (char *[]){ program, text, NULL });
		alive++;
	}
	while (alive > 0 && storm_reap(log, 0, NULL) > 0)
		alive--;
	fclose(log);
	printf("{\"count\": %lu, \"seconds\": %.3f}\n", i,
	       (double)(load_now(CLOCK_MONOTONIC) - begun) / (double)NSEC_PER_SEC);
	return 0;
}
