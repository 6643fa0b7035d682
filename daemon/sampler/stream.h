/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * stream — one collection: BPF objects and rings of its own, the interval that they fill, its counters
 * and books. Whose it is (a recording, the machine's rotation) hears of it by callbacks, and writes its
 * intervals.
 *
 * While it runs it consumes its rings, asks for names and looks after its events by timers of its own.
 * What is known of files serves every stream: a new one's BPF is told at once.
 */

#include "cprof/base/clock.h"
#include "cprof/base/vec.h"
#include "cprof/collect.h"
#include "cprof/record.h"
#include "interval.h"

/* For so long after the end of an interval records that belong to it may still come. */
#define STREAM_DRAIN_MAX_NS NSEC_PER_SEC

struct stream_opts {
	struct sampler *sampler;
	const struct event *event;
	uint64_t event_count; /* a sample for every so many of it; 0: by hz */
	uint32_t hz;
	uint32_t frames_max;	/* of a user stack; 0: CPROF_USER_FRAMES_MAX */
	size_t ring_bytes;	/* 0: by the number of CPUs */
	bool all, tree, groups; /* as of struct collect_opts */
	bool keep_all;		/* the memory of every stack, for on_memory */
	/* It looks less often where nothing is new, or nothing runs: exits are heard of later. */
	bool may_sleep;
	bool is_small; /* its windows have a part of the room that is of all small ones */
	/* Only samples that this user may see: those of others are discard_forbidden. */
	bool own_only;
	uint32_t uid;
	/* All may be NULL. */
	void (*on_kept)(const struct cprof_sample *head, uint32_t process, uint32_t stack,
			void *ctx);
	/* What was kept of a user stack's memory; the object of a map is an index of the table. */
	void (*on_memory)(const struct record *rec, void *ctx);
	void (*on_cgroup)(const struct cprof_cgroup *c, void *ctx);
	/* Something works less well than it should; false: to be told again. */
	bool (*on_note)(const char *text, void *ctx);
	void *ctx;
};

struct stream {
	struct stream_opts opts;
	struct sampler *sampler;
	unsigned int slot;	  /* in the role's list, and its bit */
	struct collect *collect;  /* NULL: a replay */
	struct interval *open;	  /* where samples go; after the end it stays here */
	struct counters counters; /* user space's, of this stream alone */
	struct counters before;	  /* the role's when it began */
	uint32_t told;		  /* objects whose ids its BPF has */
	uint32_t hz;		  /* 0: one sample for every so many of the event */
	uint32_t cpus;		  /* with an event */
	bool running;
	bool names_wait;    /* those of the open interval are not asked for before it ends */
	bool walk_told;	    /* that it is switched off */
	VEC(uint64_t) seqs; /* last of each CPU */
	unsigned int quiet; /* ticks in a row without a sample */
	bool asleep;
	uint64_t maintain_ns;
	uint64_t calm_ns;   /* nothing is new from then on; all CLOCK_MONOTONIC */
	uint64_t look_ns;   /* names and all else are looked after */
	uint64_t redraw_ns; /* the rates are drawn anew; UINT64_MAX: asleep */
	uint64_t names_ns;  /* names were last asked for */
	uint64_t urgent_ns; /* or those alone for which it may be too late soon */
	uint64_t jits;	    /* objects of run-time code that there ever were, at the last look */
	uint64_t retry_ns;  /* not before: what could not be opened is tried again */
	uint64_t jit_ns;    /* when a new one was met; 0: none yet */
	uint32_t objects;   /* that were known at the last look */
	struct loop_source *events;
	struct loop_source *samples;
	struct loop_source *tick; /* the sooner of look_ns and redraw_ns */
	bool announced;		  /* the events that were just read had a file that is new */
	uint64_t drop_count;	  /* of the build that loses one in N on purpose */
};

/* Loads and attaches, samples nothing yet: 0, or -errno with @failure. */
int stream_new(const struct stream_opts *opts, struct stream **ret,
	       struct collect_failure *failure);
struct stream *stream_free(struct stream *st);
/*
 * Opens the first interval and switches the events on. 0, or -errno with @failure; which also tells
 * what works less well than it should where it is 0.
 */
int stream_start(struct stream *st, struct collect_failure *failure);
/* Fetches what is in the rings, ends the open interval and opens the next: *ret is the caller's. */
int stream_cut(struct stream *st, struct interval **ret);
/* No new run from now on; what is in the rings is fetched, and the open interval ended. */
void stream_stop(struct stream *st);
/* After stop: has all that ran arrived? */
bool stream_is_drained(struct stream *st, uint64_t now_ns);
/* Its counters, BPF's and what the role counted since it began, and the books; 0 or -errno (no BPF's). */
int stream_books(const struct stream *st, struct counters *ret_counters, struct books *ret_books);

/* pipeline.c */
int pipeline_on_sample(const void *bytes, size_t sz, void *ctx);
int pipeline_on_event(const void *bytes, size_t sz, void *ctx);

/* latecoming.c: a record KEPT or REST, for whichever interval has its sample. */
void latecoming_take(const struct stream *st, const struct record *rec);

DEFINE_CLEANUP(struct stream *, stream_free);
