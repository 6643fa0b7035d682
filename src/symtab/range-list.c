/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A large table is mostly this, and of its places some hundred are ever asked for. Each stretch is told by what it
 * differs in from the one before: how long it is, with two bits that say whether there is a gap before it, and
 * whether its function began earlier; these two; and its name, which of texts, written in the same order, is
 * little further on. Numbers have 7 bits to a byte, the lowest first (LEB128: DWARF 5, 7.6). Each group of 32 can
 * be read without those before it: finding one is a binary search among groups, and some dozen steps.
 */

#include "range-list.h"

#include <stdlib.h>

#include "cprof/base/cleanup.h"

#define GROUP 32
#define GAP 1
#define NESTED 2
#define FLAG_BITS 2
#define NUMBER_MAX 5 /* bytes of 34 bits */
#define ENTRY_MAX (4 * NUMBER_MAX)

static size_t put(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v > 0x7f; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}

static uint64_t take(const uint8_t *from, size_t *at)
{
	uint64_t v = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = from[(*at)++];
		v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return v;
}

/* Little numbers for what is little more or less. */
static uint32_t fold(uint32_t difference)
{
	return difference << 1 ^ (difference >> 31 ? UINT32_MAX : 0);
}

static uint32_t unfold(uint32_t v)
{
	return v >> 1 ^ (v & 1 ? UINT32_MAX : 0);
}

int range_list_add(struct range_list *l, const struct range *range)
{
	uint32_t gap, nested = range->from - range->start;
	uint8_t *to;
	int r = vec_reserve(&l->bytes, ENTRY_MAX);

	if (r == 0 && l->cnt % GROUP == 0) {
		r = vec_push(&l->groups,
			     (struct range_group){ range->from, (uint32_t)l->bytes.cnt });
		l->last_to = range->from;
		l->last_name = 0;
	}
	if (r < 0)
		return r;
	gap = range->from - l->last_to;
	to = l->bytes.v + l->bytes.cnt;
	to += put(to, (uint64_t)(range->to - range->from) << FLAG_BITS | (nested ? NESTED : 0) |
			      (gap ? GAP : 0));
	if (gap)
		to += put(to, gap);
	if (nested)
		to += put(to, nested);
	to += put(to, fold(range->name - l->last_name));
	l->bytes.cnt = (size_t)(to - l->bytes.v);
	l->last_to = range->to;
	l->last_name = range->name;
	l->cnt++;
	return 0;
}

void range_list_fit(struct range_list *l)
{
	uint8_t *bytes = l->cnt > 0 ? realloc(l->bytes.v, l->bytes.cnt) : NULL;
	struct range_group *groups =
		l->cnt > 0 ? realloc(l->groups.v, l->groups.cnt * sizeof(*groups)) : NULL;

	if (bytes) {
		l->bytes.v = bytes;
		l->bytes.cap = l->bytes.cnt;
	}
	if (groups) {
		l->groups.v = groups;
		l->groups.cap = l->groups.cnt;
	}
}

void range_list_done(struct range_list *l)
{
	vec_done(&l->bytes);
	vec_done(&l->groups);
	l->cnt = 0;
}

size_t range_list_bytes(const struct range_list *l)
{
	return l->bytes.cap + l->groups.cap * sizeof(*l->groups.v);
}

/* The next one of a group that *last was of; before the first it ends where the group begins, and has no name. */
static void step(const struct range_list *l, size_t *at, struct range *last)
{
	const uint8_t *bytes = l->bytes.v;
	uint64_t head = take(bytes, at);

	last->from = last->to + (head & GAP ? (uint32_t)take(bytes, at) : 0);
	last->to = last->from + (uint32_t)(head >> FLAG_BITS);
	last->start = last->from - (head & NESTED ? (uint32_t)take(bytes, at) : 0);
	last->name += unfold((uint32_t)take(bytes, at));
}

bool range_list_next(const struct range_list *l, struct range_walk *w, struct range *ret)
{
	if (w->i == l->cnt)
		return false;
	if (w->i % GROUP == 0)
		w->last = (struct range){ .to = l->groups.v[w->i / GROUP].from };
	step(l, &w->at, &w->last);
	w->i++;
	*ret = w->last;
	return true;
}

bool range_list_find(const struct range_list *l, uint32_t place, struct range *ret)
{
	size_t lo = 0, hi = l->groups.cnt, at, end;
	struct range range = { 0 };

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->groups.v[mid].from <= place)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return false;
	at = l->groups.v[lo - 1].at;
	end = lo < l->groups.cnt ? l->groups.v[lo].at : l->bytes.cnt;
	range.to = l->groups.v[lo - 1].from;
	while (at < end && range.to <= place)
		step(l, &at, &range);
	*ret = range;
	return range.from <= place && place < range.to;
}
