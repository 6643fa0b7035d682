/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runcode [SECONDS] — makes a function in anonymous memory, as a compiler at run time does, prints its
 * address, and keeps the CPU in it. It leaves no perf map: the test writes what it likes.
 */

#include <string.h>
#include <sys/mman.h>

#include "load.h"

/* push rbp; mov rbp, rsp; again: dec rdi; jnz again; pop rbp; ret */
static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0xff,
				      0xcf, 0x75, 0xfb, 0x5d, 0xc3 };

int main(int argc, char *argv[])
{
	uint64_t end = load_now(CLOCK_MONOTONIC) +
		       (uint64_t)(load_arg(argc, argv, 1, 3600) * (double)NSEC_PER_SEC);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	void (*fn)(uint64_t);

	if (p == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	memcpy(p, code, sizeof(code));
	memcpy(&fn, &p, sizeof(fn));
	printf("%lx\n", (unsigned long)p);
	fflush(stdout);
	while (load_now(CLOCK_MONOTONIC) < end)
		fn(1000000);
	return 0;
}
