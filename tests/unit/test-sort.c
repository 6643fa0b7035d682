/* SPDX-License-Identifier: Apache-2.0 */

/* sort: against qsort(3), for numbers of all kinds of widths, and around where it changes its way. */

#include "check.h"

#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/rng.h"
#include "cprof/base/sort.h"

static int compare(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return CMP(*a, *b);
}

static void check_sort(const uint64_t *from, size_t cnt)
{
	_cleanup_free_ uint64_t *v = calloc(cnt + 1, sizeof(*v)), *w = calloc(cnt + 1, sizeof(*w));

	CHECK(v && w);
	memcpy(v, from, cnt * sizeof(*v));
	memcpy(w, from, cnt * sizeof(*w));
	v[cnt] = w[cnt] = 77;
	sort_u64(v, cnt);
	qsort(w, cnt, sizeof(*w), compare);
	CHECK(memcmp(v, w, (cnt + 1) * sizeof(*v)) == 0);
}

TEST(as_qsort)
{
	static const uint64_t masks[] = { 0, 1, 0xff, 0x7ff, 0xfffff, 0x3fffffff0000, UINT64_MAX };
	static const size_t cnts[] = { 0, 1, 2, 255, 256, 257, 258, 5000, 70000 };
	_cleanup_free_ uint64_t *v = calloc(70000, sizeof(*v));
	struct rng rng = { .state = 1 };

	CHECK(v);
	for (size_t m = 0; m < ELEMENTSOF(masks); m++) {
		for (size_t c = 0; c < ELEMENTSOF(cnts); c++) {
			for (size_t i = 0; i < cnts[c]; i++)
				v[i] = (rng_next(&rng) & masks[m]) | 0x5500000000000000;
			check_sort(v, cnts[c]);
		}
	}
}

TEST(in_order_and_backwards)
{
	uint64_t v[1000];

	for (size_t i = 0; i < ELEMENTSOF(v); i++)
		v[i] = i * 3;
	check_sort(v, ELEMENTSOF(v));
	for (size_t i = 0; i < ELEMENTSOF(v); i++)
		v[i] = UINT64_MAX - i;
	check_sort(v, ELEMENTSOF(v));
}

/* Numbers whose lowest bits are their places, for which those need not be looked at. */
TEST(placed)
{
	static const uint64_t masks[] = { 0, 0xff, 0xfffff, 0xffffffffff };
	static const size_t cnts[] = { 0, 3, 256, 257, 70000 };
	_cleanup_free_ uint64_t *v = calloc(70000, sizeof(*v)), *w = calloc(70000, sizeof(*w));
	struct rng rng = { .state = 2 };

	CHECK(v && w);
	for (size_t m = 0; m < ELEMENTSOF(masks); m++) {
		for (size_t c = 0; c < ELEMENTSOF(cnts); c++) {
			for (size_t i = 0; i < cnts[c]; i++)
				v[i] = (rng_next(&rng) & masks[m]) << 24 | i;
			memcpy(w, v, cnts[c] * sizeof(*v));
			sort_u64_placed(v, cnts[c], 24);
			qsort(w, cnts[c], sizeof(*w), compare);
			CHECK(memcmp(v, w, cnts[c] * sizeof(*v)) == 0);
		}
	}
}

CHECK_MAIN
