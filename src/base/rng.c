/* SPDX-License-Identifier: Apache-2.0 */

/*
 * splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
 * It decides sampling periods and seeds of hash tables; it is no source of secrets.
 */

#include <errno.h>
#include <sys/random.h>

#include "cprof/base/clock.h"
#include "cprof/base/rng.h"

uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

double rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * 0x1p-53;
}

uint64_t rng_seed(void)
{
	uint64_t seed;
	ssize_t n;

	do
		n = getrandom(&seed, sizeof(seed), 0);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(seed))
		return seed;
	/* A sandbox without getrandom(2): the clocks are hard enough to guess for a hash table. */
	seed = clock_real_ns() ^ (clock_mono_ns() << 20);
	return rng_next(&(struct rng){ .state = seed });
}
