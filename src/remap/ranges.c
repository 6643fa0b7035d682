/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ranges — the mappings of one process as far as they were asked for, in a sorted array: few, and
 * looked up far more often than changed.
 */

#include <string.h>

#include "remap-internal.h"

/* The first that ends behind the address. */
static size_t lower(const struct ranges *r, uint64_t address)
{
	size_t low = 0, high = r->v.cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->v.v[mid].end <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct range *ranges_find(const struct ranges *r, uint64_t address)
{
	size_t i = lower(r, address);

	return i < r->v.cnt && r->v.v[i].start <= address ? &r->v.v[i] : NULL;
}

int ranges_put(struct ranges *r, const struct range *range)
{
	size_t from = lower(r, range->start), to = from;
	int e = vec_reserve(&r->v, 1);

	if (e < 0)
		return e;
	while (to < r->v.cnt && r->v.v[to].start < range->end)
		to++;
	memmove(r->v.v + from + 1, r->v.v + to, (r->v.cnt - to) * sizeof(*r->v.v));
	r->v.v[from] = *range;
	r->v.cnt = r->v.cnt + 1 - (to - from);
	return 1 - (int)(to - from);
}

void ranges_clear(struct ranges *r)
{
	vec_done(&r->v);
}
