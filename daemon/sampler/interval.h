/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * interval — a window with all that is its own until its files are written: what asks for its names
 * and for the mappings of its processes, how its room is shared out, what is needed for its books.
 *
 * It is open (filled), then ended (no new run is in it; its last names are waited for, for as long as
 * answers keep coming), then settled (it changes no more, and may be written).
 */

#include "cprof/base/share.h"
#include "cprof/base/vec.h"
#include "cprof/late.h"
#include "cprof/remap.h"
#include "cprof/symbolize.h"
#include "cprof/window.h"
#include "sampler.h"

/* A process's CPU time when the interval began. */
struct cputime {
	uint32_t pid;
	uint64_t cpu_ns;
};

/*
 * Of a window and the objects that it names. Stacks stop at the first (then samples count without their
 * stack), all samples at the second: processes that were sampled once take the rest of the room.
 */
#define INTERVAL_STACKS_MAX (((size_t)128 << 20) >> CPROF_BOUNDS_SHIFT)
#define INTERVAL_BYTES_MAX (((size_t)192 << 20) >> CPROF_BOUNDS_SHIFT)

struct interval {
	struct sampler *sampler;
	struct stream *stream;	   /* whose samples it holds; NULL: it is gone, or a replay */
	struct counters *counters; /* the stream's */
	uint64_t serial;	   /* tells it from all others there ever were */
	struct window *window;
	struct symbolize_view *view;
	struct remap *remap;
	struct late *late;
	struct shares stacks; /* by user */
	bool is_small;	      /* a quarter of the room, and all of those have no more than one */
	VEC(struct cputime) baseline;
	uint64_t begun_ns; /* CLOCK_MONOTONIC */
	uint64_t ended_ns; /* 0: it is open */
	bool settled;
	uint64_t samples; /* in it, and neither in a file nor discarded yet: for the books */

	uint64_t naming_since_ns; /* when naming last made progress */
	unsigned int naming_owed; /* the least so far */
	uint64_t naming_answers;
};

/* interval.c */
/* An empty one, without a window, in the role's list; @counters have to outlive it. */
int interval_new(struct sampler *s, struct counters *counters, struct interval **ret);
/* Out of the list, with all that is its own. */
struct interval *interval_free(struct interval *iv);
/* What the window takes, with what is kept of its stacks. */
static inline size_t interval_bytes(const struct interval *iv)
{
	return window_bytes(iv->window) + late_bytes(iv->late);
}

/* What all windows that live take. */
static inline size_t intervals_bytes(const struct sampler *s)
{
	size_t sum = 0;

	for (size_t i = 0; i < s->intervals.cnt; i++) {
		if (s->intervals.v[i]->window)
			sum += interval_bytes(s->intervals.v[i]);
	}
	return sum;
}

/* A window that begins now; 0 or -errno. */
int interval_open(struct interval *iv, uint32_t hz);
/* The end of its window is set, and all that ran until then was fetched. */
void interval_end(struct interval *iv, const struct interval *next, uint64_t now_ns);
/* Asks for mappings, and walks stacks whose rows came. */
void interval_tick_places(struct interval *iv, uint64_t now_ns);
/* That, and asks for names. */
void interval_tick(struct interval *iv, uint64_t now_ns);
/* The same but for names that may as well be asked for later. */
void interval_tick_urgent(struct interval *iv, uint64_t now_ns);
/* Of an ended one, after a tick: nothing is owed any more, or nothing more came for too long. */
bool interval_is_named(struct interval *iv, uint64_t now_ns);
/* No more names, exits, places: what is late is counted, and it may be written. */
void interval_settle(struct interval *iv);

/* cputime.c */
int cputime_baseline(struct interval *iv);
/* When it ends; @next follows it without a gap, or is NULL. */
void cputime_read(struct interval *iv, const struct interval *next);
void cputime_settle(struct interval *iv); /* when the last exits have come */

/* remapping.c */
int remapping_begin(struct interval *iv);
bool remapping_is_on(const struct interval *iv);
void remapping_tick(struct interval *iv, uint64_t now_ns);
/* No more answers are waited for. */
void remapping_finish(struct interval *iv);

/* latecoming.c */
int latecoming_begin(struct interval *iv);
/* Looks at what was kept of stacks whose files became known. */
void latecoming_tick(struct interval *iv);
/* No more is waited for. */
void latecoming_finish(struct interval *iv);

DEFINE_CLEANUP(struct interval *, interval_free);
