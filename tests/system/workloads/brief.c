/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brief COUNT MS — starts itself COUNT times, one after the other; each lives MS milliseconds.
 *
 * Processes that are gone before anybody can look at /proc: a profiler must name their functions
 * all the same. Prints the CPU time of all children as one line of JSON.
 */

#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "load.h"

extern char **environ;

LOAD_HOT static uint64_t brief_work(uint64_t x, double ms)
{
	return churn_until(x, CLOCK_PROCESS_CPUTIME_ID,
			   load_now(CLOCK_PROCESS_CPUTIME_ID) + (uint64_t)(ms * 1e6));
}

static int brief_once(char *self, char *ms)
{
	char one[] = "0";
	char *args[] = { self, one, ms, NULL };
	pid_t pid;

	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ) != 0)
		return -1;
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

int main(int argc, char *argv[])
{
	int count = (int)load_arg(argc, argv, 1, 0);
	char ten[] = "10";
	struct rusage ru;

	if (count == 0)
		return (int)(brief_work(1, load_arg(argc, argv, 2, 10)) & 0);
	for (int i = 0; i < count; i++)
		if (brief_once(argv[0], argc > 2 ? argv[2] : ten) < 0)
			return 1;
	if (getrusage(RUSAGE_CHILDREN, &ru) < 0)
		return 1;
	printf("{\"pid\": %d, \"children_us\": %lld}\n", getpid(),
	       (long long)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000LL +
		       ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	return 0;
}
