/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sleepers COUNT SECONDS LIBRARY... — COUNT processes that have the libraries mapped and wake five times a
 * second for half a millisecond, and one in fifteen that works for 19 ms of each 600: a host on which
 * many services mostly sleep. Libraries that have it (own-lib) work in own_entry() meanwhile.
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

/* Half of it in a library: a round there takes about a nanosecond. */
static uint64_t work_once(uint64_t ns, void *library)
{
	uint64_t (*entry)(uint64_t rounds) = NULL;

	if (library)
		*(void **)&entry = dlsym(library, "own_entry");
	return entry ? sleeper_work(ns / 2) + entry(ns / 2) : sleeper_work(ns);
}

struct libraries {
	void **handles;
	int cnt;
};

/* Once, before there are others: so they are there at once. */
static struct libraries load_libraries(int cnt, char *names[])
{
	struct libraries l = { calloc((size_t)cnt + 1, sizeof(*l.handles)), cnt };

	if (!l.handles)
		abort();
	for (int i = 0; i < cnt; i++)
		l.handles[i] = dlopen(names[i], RTLD_LAZY | RTLD_LOCAL);
	return l;
}

static void child(int i, uint64_t end, const struct libraries *libraries)
{
	bool burst = i % 15 == 0;
	uint64_t work_ns = burst ? 19000000 : 500000, pause_ns = burst ? 581000000 : 199500000;
	uint64_t x = (uint64_t)i;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int turn = i; load_now(CLOCK_MONOTONIC) < end; turn++) {
		struct timespec ts = { .tv_nsec = (long)(pause_ns + (uint64_t)(i % 50) * 10000) };

		x += work_once(work_ns, libraries->cnt > 0
						? libraries->handles[turn % libraries->cnt]
						: NULL);
		(void)nanosleep(&ts, NULL);
	}
	_exit((int)(x & 1));
}

int main(int argc, char *argv[])
{
	int count = (int)load_arg(argc, argv, 1, 300);
	struct libraries libraries = load_libraries(argc > 3 ? argc - 3 : 0, argv + 3);
	uint64_t end = load_now(CLOCK_MONOTONIC) +
		       (uint64_t)(load_arg(argc, argv, 2, 10) * (double)NSEC_PER_SEC);

	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (pid == 0)
			child(i, end, &libraries);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
