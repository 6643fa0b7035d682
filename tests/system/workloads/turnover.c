/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turnover RATE SECONDS GROUPS — everything that a process can bring along comes and goes: RATE children a
 * second, four at once at most, each in a control group of its own below GROUPS (- for none), with code
 * made at run time, a perf map that names it, and two threads. Each removes its map and the next one its
 * group. Prints how many as one line of JSON.
 */

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "load.h"

#define PARALLEL 4
#define WORK_NS 3000000

/* push rbp; mov rbp, rsp; again: dec rdi; jnz again; pop rbp; ret */
static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0xff,
				      0xcf, 0x75, 0xfb, 0x5d, 0xc3 };

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
		perror(path);
		_exit(1);
	}
}

LOAD_HOT static void *thread_works(void *arg)
{
	(void)churn_until(1, CLOCK_THREAD_CPUTIME_ID, WORK_NS);
	return arg;
}

static void run_made_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	char path[64], line[64];
	void (*fn)(uint64_t);

	if (p == MAP_FAILED)
		_exit(1);
	memcpy(p, code, sizeof(code));
	memcpy(&fn, &p, sizeof(fn));
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	snprintf(line, sizeof(line), "%lx 10 made_by_%d\n", (unsigned long)p, getpid());
	write_text(path, line);
	for (uint64_t end = load_now(CLOCK_PROCESS_CPUTIME_ID) + WORK_NS;
	     load_now(CLOCK_PROCESS_CPUTIME_ID) < end;)
		fn(100000);
	unlink(path);
}

static void child(const char *group)
{
	char path[512];
	pthread_t threads[2];

	if (*group) {
		snprintf(path, sizeof(path), "%.400s/cgroup.procs", group);
		write_text(path, "0");
	}
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, thread_works, NULL) != 0)
			_exit(1);
	run_made_code();
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

static struct running {
	pid_t pid;
	char group[448];
} running[PARALLEL];

static void finish(struct running *r)
{
	int status;

	if (r->pid == 0)
		return;
	if (waitpid(r->pid, &status, 0) < 0 || status != 0)
		exit(1);
	r->pid = 0;
	if (*r->group && rmdir(r->group) < 0)
		perror(r->group);
}

static void start(struct running *r, const char *groups, unsigned long i)
{
	r->group[0] = '\0';
	if (strcmp(groups, "-") != 0) {
		snprintf(r->group, sizeof(r->group), "%.400s/turn-%lu", groups, i);
		if (mkdir(r->group, 0755) < 0) {
			perror(r->group);
			exit(1);
		}
	}
	r->pid = fork();
	if (r->pid == 0)
		child(r->group);
	if (r->pid < 0)
		exit(1);
}

int main(int argc, char *argv[])
{
	double rate = load_arg(argc, argv, 1, 10), seconds = load_arg(argc, argv, 2, 10);
	uint64_t begun = load_now(CLOCK_MONOTONIC), now = begun;
	uint64_t end = begun + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	unsigned long i = 0;

	if (argc != 4 || rate <= 0)
		return 2;
	for (; now < end; i++, now = load_now(CLOCK_MONOTONIC)) {
		uint64_t due = begun + (uint64_t)((double)i / rate * (double)NSEC_PER_SEC);

		if (now < due)
			usleep((useconds_t)((due - now) / NSEC_PER_USEC));
		finish(&running[i % PARALLEL]);
		start(&running[i % PARALLEL], argv[3], i);
	}
	for (int n = 0; n < PARALLEL; n++)
		finish(&running[n]);
	printf("{\"turned\": %lu}\n", i);
	return 0;
}
