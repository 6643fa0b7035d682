/* SPDX-License-Identifier: Apache-2.0 */

/*
 * shapes NAME: one kind of frames, for ever: tails (calls that are jumps), alloca (frames of any size),
 * aligned (frames whose stack is aligned anew), altstack (a handler on a stack of its own), vfork
 * (a child on its parent's stack), threads (roots other than main's), clones (threads that
 * are made and end), libc (its string and sort functions), absent (a stack whose pages are given back
 * to the file that they are of, but for those below).
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAME __attribute__((noinline, noclone))

static volatile unsigned sink;

FRAME void bottom(unsigned x)
{
	for (int i = 0; i < 100000; i++) {
		x = x * 1664525 + 1013904223;
		__asm__ volatile("" : "+r"(x));
	}
	sink = x;
}

/* Calls that are jumps: only who called the first of them has a frame. */
FRAME void tail_last(unsigned x)
{
	sink++;
	bottom(x);
}

FRAME void tail_middle(unsigned x)
{
	sink++;
	tail_last(x + 1);
}

FRAME void tail_first(unsigned x)
{
	sink++;
	tail_middle(x + 1);
}

FRAME void caller_of_tails(unsigned x)
{
	tail_first(x);
	sink++;
}

FRAME void with_alloca(unsigned n)
{
	char *p = __builtin_alloca(n * 32 + 16);

	memset(p, (int)n, n * 32 + 16);
	if (n > 1)
		with_alloca(n - 1);
	else
		bottom(n);
	sink += (unsigned char)p[n];
}

FRAME void with_aligned(unsigned n, ...)
{
	alignas(64) volatile char p[128];

	p[n & 127] = (char)n;
	if (n > 1)
		with_aligned(n - 1, 1, 2, 3);
	else
		bottom(n);
	sink += (unsigned char)p[n & 127];
}

static void on_signal(int number)
{
	bottom((unsigned)number);
	sink++;
}

FRAME void interrupted(unsigned n)
{
	if (n > 1)
		interrupted(n - 1);
	else
		raise(SIGUSR1);
	sink++;
}

static void set_altstack(void)
{
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
}

FRAME void with_vfork(unsigned n)
{
	pid_t pid = vfork();

	if (pid == 0) {
		for (int i = 0; i < 30; i++)
			bottom(n);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

FRAME void *in_thread(void *arg)
{
	for (int i = 0; i < 300; i++)
		bottom((unsigned)i);
	sink++;
	return arg;
}

FRAME void with_threads(unsigned n)
{
	pthread_t thread[2];

	for (unsigned i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, in_thread, &n) != 0)
			abort();
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

#define ABSENT_SZ (1ul << 20)
#define PAGE 4096ul

static char *absent;

FRAME void with_absent(unsigned n)
{
	volatile char frame[1500];

	frame[n] = (char)n;
	if (n > 0)
		with_absent(n - 1);
	for (unsigned i = 0; n == 0 && i < 200; i++) {
		char *from = (char *)(((unsigned long)frame + 2 * PAGE) & ~(PAGE - 1));

		madvise(from, (size_t)(absent + ABSENT_SZ - from), MADV_DONTNEED);
		for (unsigned k = 0; k < 50; k++)
			bottom(k);
	}
	sink += (unsigned)frame[n];
}

FRAME void *in_absent(void *arg)
{
	with_absent(20);
	sink++;
	return arg;
}

/* A stack of a file's pages: given back they are there, but not in the thread's page table. */
static void with_file(unsigned n)
{
	int fd = memfd_create("stack", 0);
	pthread_attr_t attr;
	pthread_t thread;

	absent = MAP_FAILED;
	if (fd >= 0 && ftruncate(fd, ABSENT_SZ) == 0)
		absent = mmap(NULL, ABSENT_SZ, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (absent == MAP_FAILED || pthread_attr_init(&attr) != 0 ||
	    pthread_attr_setstack(&attr, absent, ABSENT_SZ) != 0 ||
	    pthread_create(&thread, &attr, in_absent, &n) != 0)
		abort();
	pthread_join(thread, NULL);
	munmap(absent, ABSENT_SZ);
	close(fd);
}

static void *at_once(void *arg)
{
	return arg;
}

FRAME void with_clones(unsigned n)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, at_once, &n) != 0)
		abort();
	pthread_join(thread, NULL);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

FRAME void with_libc(unsigned n)
{
	enum { CNT = 4096 };
	int *numbers = malloc(CNT * sizeof(int)), *copy = malloc(CNT * sizeof(int));
	char text[64];

	for (unsigned i = 0; i < CNT; i++)
		numbers[i] = (int)(i * 2654435761u + sink);
	memcpy(copy, numbers, CNT * sizeof(int));
	qsort(copy, CNT, sizeof(int), compare);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%u %g", i, (double)numbers[i] / n);
		sink += (unsigned)strlen(text) + (unsigned)strtod(text, NULL);
	}
	free(copy);
	free(numbers);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(unsigned);
		unsigned arg;
	} shapes[] = {
		{ "tails", caller_of_tails, 1 }, { "alloca", with_alloca, 20 },
		{ "altstack", interrupted, 10 }, { "vfork", with_vfork, 1 },
		{ "threads", with_threads, 1 },	 { "clones", with_clones, 1 },
		{ "libc", with_libc, 3 },	 { "absent", with_file, 1 },
	};

	set_altstack();
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		while (argc > 1 && strcmp(argv[1], shapes[i].name) == 0)
			shapes[i].run(shapes[i].arg);
	while (argc > 1 && strcmp(argv[1], "aligned") == 0)
		with_aligned(20, 1, 2, 3);
	return EXIT_FAILURE;
}
