/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree [MS] — processes of every kind of descent, each with a function of its own.
 *
 * Three generations are there from the start. At a byte on standard input all of them work for so many
 * milliseconds of CPU time; meanwhile the middle one ends first and leaves its child an orphan, a
 * second thread of the first one forks, and what it forked forks and ends in turn, or becomes another
 * program. A storm of children that fork and end runs all the time. Each process but those of the storm
 * prints its CPU time at work as one line of JSON.
 *
 *	tree outsider [MS]	at a byte, the same work by somebody who descends from nobody here, and by
 *				a child of it
 */

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "load.h"

#define LEAF_NS 2000000ULL

struct shared {
	int go;
	int stop;
	uint64_t leaf_ns;
};

static struct shared *shared;
static uint64_t work_ns = 400000000;
static char **arguments;

/* The loop is in the function itself: its name is the leaf of the stack or the one above churn(). */
#define WORK(name)                                                                                \
	LOAD_HOT static uint64_t name(void)                                                       \
	{                                                                                         \
		uint64_t x = 1, from = load_now(CLOCK_PROCESS_CPUTIME_ID);                        \
                                                                                                  \
		while (load_now(CLOCK_PROCESS_CPUTIME_ID) - from < work_ns)                       \
			x = churn(x, 20000);                                                      \
		printf("{\"name\": \"" #name "\", \"pid\": %d, \"cpu_ns\": %llu, "                \
		       "\"x\": %llu}\n",                                                          \
		       getpid(), (unsigned long long)(load_now(CLOCK_PROCESS_CPUTIME_ID) - from), \
		       (unsigned long long)x % 10);                                               \
		fflush(stdout);                                                                   \
		return x;                                                                         \
	}

WORK(in_root)
WORK(in_child)
WORK(in_grandchild)
WORK(in_thread_child)
WORK(in_orphan)
WORK(in_program)
WORK(in_outsider)

LOAD_HOT static uint64_t in_leaf(void)
{
	uint64_t x = 1, now, from = load_now(CLOCK_PROCESS_CPUTIME_ID);

	do {
		x = churn(x, 20000);
		now = load_now(CLOCK_PROCESS_CPUTIME_ID);
	} while (now - from < LEAF_NS);
	if (__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE))
		__atomic_add_fetch(&shared->leaf_ns, now - from, __ATOMIC_RELAXED);
	return x;
}

static void nap(void)
{
	const struct timespec ts = { .tv_nsec = 5000000 };

	(void)nanosleep(&ts, NULL);
}

static void wait_for_go(void)
{
	while (!__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE))
		nap();
}

static pid_t fork_or_die(void)
{
	pid_t pid = fork();

	if (pid < 0)
		abort();
	return pid;
}

/* A child whose child does the work, an orphan by then, as shells and daemons do it. */
static void storm(void)
{
	while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
		pid_t pid = fork_or_die();

		if (pid == 0) {
			if (fork_or_die() == 0)
				_exit((int)(in_leaf() & 1));
			_exit(0);
		}
		(void)waitpid(pid, NULL, 0);
		nap();
	}
	_exit(0);
}

/* Forked by the second thread, while the recording runs. */
static void thread_child(void)
{
	if (fork_or_die() == 0) {
		while (getppid() > 1 && !__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE))
			nap();
		_exit((int)(in_orphan() & 1));
	}
	if (fork_or_die() == 0) {
		arguments[1] = (char[]){ "program" };
		(void)execv("/proc/self/exe", arguments);
		_exit(1);
	}
	_exit((int)(in_thread_child() & 1));
}

static void *second_thread(void *arg)
{
	pid_t pid;

	wait_for_go();
	pid = fork_or_die();
	if (pid == 0)
		thread_child();
	(void)waitpid(pid, NULL, 0);
	return NULL;
}

static void first_generations(void)
{
	if (fork_or_die() == 0) {
		if (fork_or_die() == 0) {
			wait_for_go();
			_exit((int)(in_grandchild() & 1));
		}
		wait_for_go();
		_exit((int)(in_child() & 1));
	}
	if (fork_or_die() == 0)
		storm();
}

static int outsider(void)
{
	pid_t pid;
	char byte;

	(void)!read(STDIN_FILENO, &byte, 1);
	pid = fork_or_die();
	(void)in_outsider();
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	return 0;
}

int main(int argc, char *argv[])
{
	pthread_t thread;
	char byte;

	arguments = argv;
	if (argc > 2)
		work_ns = strtoull(argv[2], NULL, 10) * 1000000;
	if (argc > 1 && strcmp(argv[1], "program") == 0)
		return (int)(in_program() & 1) * 0;
	if (argc > 1 && strcmp(argv[1], "outsider") == 0)
		return outsider();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		abort();
	first_generations();
	if (pthread_create(&thread, NULL, second_thread, NULL))
		abort();
	if (read(STDIN_FILENO, &byte, 1) != 1)
		__atomic_store_n(&shared->stop, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&shared->go, 1, __ATOMIC_RELEASE);
	(void)in_root();
	(void)pthread_join(thread, NULL);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELEASE);
	nap();
	nap();
	printf("{\"name\": \"in_leaf\", \"cpu_ns\": %llu}\n", (unsigned long long)shared->leaf_ns);
	return 0;
}
