/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Radix sort by digits of 11 bits, the lowest first (Knuth, The Art of Computer Programming 3, 5.2.5, algorithm R).
 * Digits in which all numbers agree are left out: addresses of one file differ in few bits. A comparison for each
 * step of a merge costs several times that for arrays that do not fit into the cache.
 */

#include "cprof/base/sort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"

#define DIGIT_BITS 11
#define DIGITS ((64 + DIGIT_BITS - 1) / DIGIT_BITS)
#define VALUES (1u << DIGIT_BITS)
#define FEW 256 /* for which the tables are not worth it */

struct counts {
	size_t of[DIGITS][VALUES];
};

static unsigned digit_of(uint64_t value, unsigned digit)
{
	return (unsigned)(value >> digit * DIGIT_BITS) & (VALUES - 1);
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

/* How often each digit that counts has each value. */
static void count(struct counts *c, const bool *counts, const uint64_t *v, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		for (unsigned digit = 0; digit < DIGITS; digit++)
			if (counts[digit])
				c->of[digit][digit_of(v[i], digit)]++;
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
	_cleanup_free_ struct counts *c = bits != 0 && cnt > FEW ? calloc(1, sizeof(*c)) : NULL;
	_cleanup_free_ uint64_t *other = c ? malloc(cnt * sizeof(*v)) : NULL;
	uint64_t *from = v, *to = other;
	bool counts[DIGITS];

	if (bits == 0)
		return;
	if (!c || !other) {
		qsort(v, cnt, sizeof(*v), compare);
		return;
	}
	for (unsigned digit = 0; digit < DIGITS; digit++)
		counts[digit] = digit_of(bits, digit) != 0;
	count(c, counts, v, cnt);
	for (unsigned digit = 0; digit < DIGITS; digit++) {
		size_t *at = c->of[digit];
		uint64_t *was = from;

		if (!counts[digit])
			continue;
		places(at);
		for (size_t i = 0; i < cnt; i++)
			to[at[digit_of(from[i], digit)]++] = from[i];
		from = to;
		to = was;
	}
	if (from != v)
		memcpy(v, from, cnt * sizeof(*v));
}
