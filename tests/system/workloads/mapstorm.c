/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapstorm [SECONDS [CPU [RATE]]] — one thread works while another maps, protects and unmaps without a pause.
 *
 * The tree of mappings changes under every look at it: nodes split, merge and die, the mmap lock is
 * mostly held. Each mapping is of another length and its neighbours differ in rights, so that none are
 * merged for long. With a RATE it is so many mmap()s a second, each over what was there before, and the
 * other thread rests as long as it works. Prints how many system calls changed the tree, as one line of
 * JSON.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "load.h"

#define SLOTS 512u
#define SLOT_SZ (16u * 4096u)

static atomic_bool over;
static double rate;

static char *reserve(void)
{
	char *base = mmap(NULL, SLOTS * SLOT_SZ, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		abort();
	return base;
}

/* In bursts of a millisecond; a slow stretch is made up for. */
static void *storm_at_rate(void *arg)
{
	const uint64_t begun = load_now(CLOCK_MONOTONIC);
	uint64_t *changes = arg, random = 88172645463325252ULL;
	char *base = reserve();

	while (!over) {
		const double passed = (double)(load_now(CLOCK_MONOTONIC) - begun);
		const uint64_t due = (uint64_t)(passed * rate / (double)NSEC_PER_SEC);

		for (int i = 0; i < 1024 && *changes < due; i++, (*changes)++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			if (mmap(base + (random >> 33) % SLOTS * SLOT_SZ,
				 (1 + (random >> 45) % 15) * 4096,
				 (random >> 50) % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
				abort();
		}
		if (*changes >= due)
			usleep(1000);
	}
	return NULL;
}

static void *storm(void *arg)
{
	uint64_t *changes = arg, random = 88172645463325252ULL;
	char *base = reserve();

	while (!over) {
		char *slot;
		size_t sz;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		slot = base + (random >> 33) % SLOTS * SLOT_SZ;
		sz = (1 + (random >> 45) % 15) * 4096;
		if (mmap(slot, sz, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
			    MAP_FAILED ||
		    mprotect(slot, sz, PROT_READ | PROT_WRITE) < 0 || munmap(slot, SLOT_SZ) < 0)
			abort();
		*changes += 3;
	}
	return NULL;
}

static LOAD_HOT uint64_t mapstorm_work(uint64_t x)
{
	return churn(x, 20000);
}

int main(int argc, char *argv[])
{
	double seconds = load_arg(argc, argv, 1, 10);
	uint64_t end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	uint64_t changes = 0, x = 1;
	pthread_t thread;

	load_pin((int)load_arg(argc, argv, 2, -1));
	rate = load_arg(argc, argv, 3, 0);
	if (pthread_create(&thread, NULL, rate > 0 ? storm_at_rate : storm, &changes) != 0)
		abort();
	while (load_now(CLOCK_MONOTONIC) < end) {
		const uint64_t before = load_now(CLOCK_PROCESS_CPUTIME_ID);

		x = mapstorm_work(x);
		if (rate > 0)
			usleep((useconds_t)((load_now(CLOCK_PROCESS_CPUTIME_ID) - before) / 1000));
	}
	over = true;
	(void)pthread_join(thread, NULL);
	printf("{\"pid\": %d, \"changes\": %llu, \"odd\": %llu}\n", getpid(),
	       (unsigned long long)changes, (unsigned long long)(x & 1));
	return 0;
}
