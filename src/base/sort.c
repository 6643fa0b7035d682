/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Radix sort by digits of up to 11 bits, the lowest first (Knuth, The Art of Computer Programming 3, 5.2.5, algorithm R).
 * Digits in which all numbers agree are left out: addresses of one file differ in few bits. A comparison for each
 * step of a merge costs several times that for arrays that do not fit into the cache.
 */

#include "cprof/base/sort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"

#define DIGIT_BITS 11
#define DIGITS_MAX ((64 + DIGIT_BITS - 1) / DIGIT_BITS)
#define VALUES (1u << DIGIT_BITS)
#define FEW 256 /* for which the tables are not worth it */

/* The digits that are sorted by: where each begins, and how often it has each value. */
struct digits {
	unsigned cnt;
	unsigned at[DIGITS_MAX];
	size_t (*of)[VALUES];
};

static unsigned digit_of(uint64_t value, unsigned at)
{
	return (unsigned)(value >> at) & (VALUES - 1);
}

static int compare(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return CMP(*a, *b);
}

/* In which bits they differ; 0: they are in order already. */
static uint64_t differences(const uint64_t *v, size_t cnt)
{
	bool in_order = true;
	uint64_t bits = 0;

	for (size_t i = 1; i < cnt; i++) {
		in_order = in_order && v[i - 1] <= v[i];
		bits |= v[i] ^ v[0];
	}
	return in_order ? 0 : bits;
}

/* As few as have all bits in which they differ. */
static void choose(struct digits *d, uint64_t bits)
{
	for (unsigned at = 0; at < 64 && bits >> at != 0; at += DIGIT_BITS) {
		at += (unsigned)__builtin_ctzll(bits >> at);
		d->at[d->cnt++] = at;
	}
}

static void count(const struct digits *d, const uint64_t *v, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		for (unsigned digit = 0; digit < d->cnt; digit++)
			d->of[digit][digit_of(v[i], d->at[digit])]++;
	}
}

/* From how often a value comes to where its numbers begin. */
static void places(size_t *of)
{
	size_t at = 0;

	for (unsigned i = 0; i < VALUES; i++) {
		size_t here = of[i];

		of[i] = at;
		at += here;
	}
}

void sort_u64(uint64_t *v, size_t cnt)
{
	sort_u64_placed(v, cnt, 0);
}

/* Numbers that agree in what is sorted by stay as they stand. */
void sort_u64_placed(uint64_t *v, size_t cnt, unsigned int placed)
{
	uint64_t bits = differences(v, cnt) >> placed << placed;
	struct digits d = { 0 };
	_cleanup_free_ uint64_t *other = NULL;
	_cleanup_free_ size_t *of = NULL;
	uint64_t *from = v, *to;

	if (bits == 0)
		return;
	choose(&d, bits);
	if (cnt > FEW) {
		of = calloc(d.cnt, sizeof(*d.of));
		other = malloc(cnt * sizeof(*v));
	}
	if (!of || !other) {
		qsort(v, cnt, sizeof(*v), compare);
		return;
	}
	d.of = (size_t(*)[VALUES])of;
	to = other;
	count(&d, v, cnt);
	for (unsigned digit = 0; digit < d.cnt; digit++) {
		size_t *at = d.of[digit];
		uint64_t *was = from;

		places(at);
		for (size_t i = 0; i < cnt; i++)
			to[at[digit_of(from[i], d.at[digit])]++] = from[i];
		from = to;
		to = was;
	}
	if (from != v)
		memcpy(v, from, cnt * sizeof(*v));
}
