/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counted PAGES SLEEPS — does what the kernel counts, a known number of times.
 *
 * touch_pages() writes to each of so many fresh pages: one fault each. sleep_often() gives up the CPU
 * so many times. At the end it prints the kernel's own account of itself as one line of JSON.
 */

#include <sys/mman.h>
#include <sys/resource.h>

#include "load.h"

#define PAGE 4096UL

LOAD_HOT static void touch_pages(volatile char *mem, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		mem[i * PAGE] = 1;
}

LOAD_HOT static void sleep_often(unsigned long times)
{
	const struct timespec ts = { .tv_nsec = 100000 };

	for (unsigned long i = 0; i < times; i++)
		(void)nanosleep(&ts, NULL);
}

int main(int argc, char *argv[])
{
	unsigned long pages = (unsigned long)load_arg(argc, argv, 1, 20000);
	unsigned long sleeps = (unsigned long)load_arg(argc, argv, 2, 1000);
	struct rusage ru;
	char *mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	/* A huge page would be one fault for many. */
	if (mem == MAP_FAILED || madvise(mem, pages * PAGE, MADV_NOHUGEPAGE) < 0) {
		perror("mmap");
		return 1;
	}
	touch_pages(mem, pages);
	sleep_often(sleeps);
	if (getrusage(RUSAGE_SELF, &ru) < 0)
		abort();
	printf("{\"pid\": %d, \"faults\": %ld, \"switches\": %ld}\n", getpid(),
	       ru.ru_minflt + ru.ru_majflt, ru.ru_nvcsw + ru.ru_nivcsw);
	return 0;
}
