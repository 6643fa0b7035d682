/* SPDX-License-Identifier: Apache-2.0 */

/*
 * swapcode [SECONDS [TURNS]] — one address, two files, as with dlclose() and dlopen(): spins in code of
 * first.bin, called by run_first(), then of second.bin, mapped in its place, called by run_second(). So
 * often, and so long each; both are made in the current directory.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "load.h"

#define PLACE ((void *)0x10000000)
#define SZ 4096

/* push %rbp; mov %rsp, %rbp; and then dec %rdi until it is 0; pop %rbp; ret */
static const unsigned char loop[] = {
	0x55, 0x48, 0x89, 0xe5, 0x48, 0xff, 0xcf, 0x75, 0xfb, 0x5d, 0xc3,
};

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int make(const char *name)
{
	unsigned char page[SZ] = { 0 };
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	memcpy(page, loop, sizeof(loop));
	if (fd < 0 || write(fd, page, sizeof(page)) != (ssize_t)sizeof(page))
		exit(1);
	return fd;
}

static void *load(int fd)
{
	void *p = mmap(PLACE, SZ, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);

	if (p == MAP_FAILED)
		exit(1);
	return p;
}

static LOAD_HOT void run_first(void (*spin)(long), double seconds)
{
	for (double end = now() + seconds; now() < end;)
		spin(100000);
}

static LOAD_HOT void run_second(void (*spin)(long), double seconds)
{
	for (double end = now() + seconds; now() < end;)
		spin(100000);
}

int main(int argc, char **argv)
{
	double seconds = load_arg(argc, argv, 1, 3);
	int turns = (int)load_arg(argc, argv, 2, 1), first = make("first.bin"),
	    second = make("second.bin");

	for (int i = 0; i < turns; i++) {
		run_first((void (*)(long))load(first), seconds);
		run_second((void (*)(long))load(second), seconds);
	}
	return 0;
}
