/* SPDX-License-Identifier: Apache-2.0 */
/*
 * newborn MS — works for so much CPU time at the end of a chain of functions without frame pointers.
 * newborn DIR COUNT LOW HIGH SECONDS — so many programs that nobody saw before, one after the other, and none after
 * SECONDS: each a copy of this one in DIR, which works between LOW and HIGH milliseconds and is removed again.
 * What the n-th does its work in is named only_n (template.h).
 */

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "load.h"
#include "template.h"

extern char **environ;

static volatile uint64_t sink;

LOAD_HOT static void only_000000(double ms)
{
	const uint64_t end = load_now(CLOCK_PROCESS_CPUTIME_ID) + (uint64_t)(ms * 1e6);

	while (load_now(CLOCK_PROCESS_CPUTIME_ID) < end)
		sink += churn(sink, 20000);
}

/* Each with a frame of its own size, and something to do after the call. */
#define RUNG(n, next)                            \
	LOAD_HOT static void rung_##n(double ms) \
	{                                        \
		volatile uint64_t room[3 * (n)]; \
                                                 \
		room[0] = (uint64_t)ms;          \
		next(ms);                        \
		room[1] = room[0];               \
		sink += room[1];                 \
	}

RUNG(1, only_000000)
RUNG(2, rung_1)
RUNG(3, rung_2)
RUNG(4, rung_3)
RUNG(5, rung_4)
RUNG(6, rung_5)
RUNG(7, rung_6)
RUNG(8, rung_7)
RUNG(9, rung_8)
RUNG(10, rung_9)
RUNG(11, rung_10)

static void hatch(const struct template *t, const char *dir, unsigned long i, double ms)
{
	char path[512], symbol[32], text[32];
	char *argv[] = { path, text, NULL };
	pid_t pid;
	int r;

	snprintf(symbol, sizeof(symbol), "only_%06lu", i % 1000000);
	snprintf(path, sizeof(path), "%.400s/%s", dir, symbol);
	snprintf(text, sizeof(text), "%.3f", ms);
	template_write(t, path, symbol);
	r = posix_spawn(&pid, path, NULL, NULL, argv, environ);
	if (r != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(r));
		exit(1);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	(void)unlink(path);
}

int main(int argc, char *argv[])
{
	double low = load_arg(argc, argv, 3, 5), high = load_arg(argc, argv, 4, 30);
	uint64_t end = load_now(CLOCK_MONOTONIC), x = 88172645463325252ULL;
	struct template t = { 0 };

	if (argc < 3) {
		rung_11(load_arg(argc, argv, 1, 10));
		return 0;
	}
	template_load(&t, "/proc/self/exe");
	end += (uint64_t)load_arg(argc, argv, 5, 60) * NSEC_PER_SEC;
	for (unsigned long i = 0; i < strtoul(argv[2], NULL, 10); i++) {
		if (load_now(CLOCK_MONOTONIC) > end)
			break;
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		hatch(&t, argv[1], i, low + (high - low) * (double)(x >> 11) / 0x1p53);
	}
	return 0;
}
