/* SPDX-License-Identifier: Apache-2.0 */

/*
 * clock-step.so — for LD_PRELOAD: CLOCK_REALTIME of one process is off by so many seconds as the first
 * eight bytes of the file $CLOCK_STEP say, from one call to the next. The other clocks are right.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static const volatile int64_t *step_s;

__attribute__((constructor)) static void clock_step_open(void)
{
	const char *path = getenv("CLOCK_STEP");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = MAP_FAILED;

	if (fd >= 0)
		map = mmap(NULL, sizeof(*step_s), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		abort(); /* a test that would test nothing */
	step_s = map;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ts)
{
	int (*real)(clockid_t, struct timespec *) = NULL;
	int r;

	*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	r = real(id, ts);
	if (r == 0 && id == CLOCK_REALTIME && step_s)
		ts->tv_sec += *step_s;
	return r;
}
