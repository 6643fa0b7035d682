/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * event — what can be sampled: perf's names, what the kernel calls them (perf_event_open(2)), and
 * what their values are called in profiles. One list for the help, the completion, the errors, the
 * sampler and the files: event.def.
 *
 * A sample of a clock weighs the busy time since the previous one; of every other event, how many of
 * it the sample stands for.
 */

#include <stdint.h>

enum event_kind {
	EVENT_CLOCK,	/* a timer: by rate, or every so many nanoseconds */
	EVENT_SOFTWARE, /* counted by the kernel: each one, every so many, or by rate */
	EVENT_HARDWARE, /* counted by the PMU, if there is one: by rate, or every so many */
};

struct event {
	const char *name;
	const char *alias; /* NULL: none */
	const char *value; /* of samples in profiles: "cpu" with the unit "nanoseconds" */
	const char *unit;
	const char *prose;
	enum event_kind kind;
	uint32_t perf_type;
	uint64_t perf_config;
};

enum event_id {
#define EVENT(id, ...) EVENT_##id,
#include "cprof/event.def"
	EVENT_MAX,
};

extern const struct event event_table[EVENT_MAX];

/* By name or alias; NULL: there is no such event. An empty name is the default. */
const struct event *event_find(const char *name);

/*
 * "EV" or "EV/count"; *ret_count is 0 without a count. 0, -ENOENT: no such event, -ERANGE: no count
 * that is allowed (a clock's is in nanoseconds, from EVENT_CLOCK_MIN).
 */
int event_parse(const char *text, const struct event **ret, uint64_t *ret_count);
/* Is @count one for this event? 0, which means by rate, always is. */
int event_check_count(const struct event *event, uint64_t count);

#define EVENT_CLOCK_MIN 100000ULL      /* 10,000 samples a second */
#define EVENT_CLOCK_MAX 10000000000ULL /* one in 10 seconds */
#define EVENT_COUNT_MAX (1ULL << 62)
