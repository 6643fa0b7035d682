/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table comes from counters.def, as everything else about counters does; the books add up by
 * kind, so that a counter appended there takes part without a change here.
 */

#include "cprof/counters.h"

#define COUNTER(name, side, kind, prose) { #name, COUNTER_SIDE_##side, COUNTER_KIND_##kind, prose },

const struct counter_desc counter_descs[COUNTER_MAX] = {
#include "cprof/counters.def"
};

static __u64 sum_of_kind(const struct counters *c, enum counter_kind kind)
{
	__u64 sum = 0;

	for (int i = 0; i < COUNTER_MAX; i++)
		if (counter_descs[i].kind == kind)
			sum += c->v[i];
	return sum;
}

static __u64 distance(__u64 a, __u64 b)
{
	return a > b ? a - b : b - a;
}

void counters_books(const struct counters *c, __u64 open_window, struct books *ret)
{
	struct books b = {
		.runs = c->v[COUNTER_runs],
		.missed = c->v[COUNTER_missed],
		.dropped = sum_of_kind(c, COUNTER_KIND_DROP),
		.delivered = c->v[COUNTER_delivered],
		.in_profiles = c->v[COUNTER_in_profiles],
		.open_window = open_window,
		.discarded = sum_of_kind(c, COUNTER_KIND_DISCARD),
	};

	b.produced = b.runs + b.missed;
	/* Apart: a wrong `delivered` would cancel out of a sum of both. */
	b.difference = distance(b.runs, b.dropped + b.delivered) +
		       distance(b.delivered, b.in_profiles + b.open_window + b.discarded);
	*ret = b;
}
