/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* counters — names and order of all counters; see counters.def. In the sampler a plain array. */

#include "cprof/abi.h"

enum counter {
#define COUNTER(name, side, kind, prose) COUNTER_##name,
#include "cprof/counters.def"
	COUNTER_MAX,
};

#ifndef __bpf__

enum counter_side { COUNTER_SIDE_BPF, COUNTER_SIDE_USER };
enum counter_kind {
	COUNTER_KIND_RUNS,
	COUNTER_KIND_DROP,
	COUNTER_KIND_DISCARD,
	COUNTER_KIND_NS,
	COUNTER_KIND_EVENT,
};

struct counter_desc {
	const char *name;
	enum counter_side side;
	enum counter_kind kind;
	const char *prose;
};

struct counters {
	__u64 v[COUNTER_MAX];
};

/* The figures whose difference must be nothing. */
struct books {
	__u64 produced, runs, missed, dropped, delivered, in_profiles, open_window, discarded;
	/* |runs - dropped - delivered| + |delivered - in_profiles - open_window - discarded| */
	__u64 difference;
};

extern const struct counter_desc counter_descs[COUNTER_MAX];

void counters_books(const struct counters *c, __u64 open_window, struct books *ret);

#endif
