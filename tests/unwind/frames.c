/* SPDX-License-Identifier: Apache-2.0 */

/*
 * frames — functions whose frames differ, for files of all kinds to be made of: how it is compiled and
 * linked says where its call frame information is. It needs a C library and nothing else.
 */

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t seen;

static void on_signal(int number)
{
	seen = number;
}

__attribute__((noinline)) static int leaf(int n)
{
	return n * 7 + (int)seen;
}

__attribute__((noinline)) static int deep(int n)
{
	return n == 0 ? leaf(n) : deep(n - 1) + leaf(n);
}

__attribute__((noinline)) static int with_alloca(int n)
{
	char *p = __builtin_alloca((size_t)n + 16);

	memset(p, n, (size_t)n + 16);
	return deep(n) + p[n];
}

__attribute__((noinline)) static int with_registers(int a, int b, int c, int d, int e)
{
	int sum = 0;

	for (int i = 0; i < a; i++)
		sum += deep(b + i % 3) * c - deep(d) * e + deep(c) * b;
	return sum;
}

static void *in_thread(void *arg)
{
	return (void *)(intptr_t)deep((int)(intptr_t)arg);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, in_thread, NULL) != 0 || pthread_join(thread, NULL) != 0)
		return EXIT_FAILURE;
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	printf("%d\n", with_alloca(argc) + with_registers(argc, 2, 3, 4, 5));
	return seen == SIGUSR1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
