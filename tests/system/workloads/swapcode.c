/* SPDX-License-Identifier: Apache-2.0 */

/*
 * swapcode — one address, two files, as with dlclose() and dlopen(): spins in code of first.bin, then
 * of second.bin, mapped in its place. SECONDS of each; both are made in the current directory.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PLACE ((void *)0x10000000)
#define SZ 4096

/* dec %rdi; jnz to its begin; ret */
static const unsigned char loop[] = { 0x48, 0xff, 0xcf, 0x75, 0xfb, 0xc3 };

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void *load(const char *name)
{
	unsigned char page[SZ] = { 0 };
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	void *p = MAP_FAILED;

	memcpy(page, loop, sizeof(loop));
	if (fd >= 0 && write(fd, page, sizeof(page)) == (ssize_t)sizeof(page))
		p = mmap(PLACE, SZ, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
	(void)close(fd);
	return p == MAP_FAILED ? NULL : p;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "first.bin", "second.bin" };
	double seconds = argc > 1 ? atof(argv[1]) : 3;

	for (int i = 0; i < 2; i++) {
		void (*spin)(long) = (void (*)(long))load(names[i]);

		if (!spin)
			return 1;
		for (double end = now() + seconds; now() < end;)
			spin(1000000);
	}
	return 0;
}
