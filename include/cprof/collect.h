/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * collect — the live source: a perf event on every CPU, the BPF programs, the two rings.
 *
 * The only module that calls libbpf. It hands out raw records by callback and knows nothing of what is in
 * them. Knows no event loop: the owner polls collect_event_fd() and collect_sample_fd(), calls
 * collect_consume() now and then all the same, and collect_redraw() at times drawn at random.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/rng.h"
#include "cprof/base/root.h"
#include "cprof/counters.h"
#include "cprof/event.h"

struct collect;
struct collect_pool;

/* A record as it lies in the ring; valid during the call. Negative ends the consumption with it. */
typedef int (*collect_record_fn)(const void *bytes, size_t sz, void *ctx);

struct collect_opts {
	const struct event *event;
	uint64_t event_count; /* a sample for every so many of it; 0: by hz */
	uint32_t hz;
	size_t ring_bytes;    /* of the sample ring; a power of two */
	uint32_t frames_max;  /* of a user stack */
	bool all;	      /* every process; else only those added */
	bool tree;	      /* those added are recorded with their descendants */
	bool groups;	      /* control groups are added */
	bool keep_all;	      /* a record KEPT behind every sample of a user stack */
	bool steady;	      /* for long: periods are drawn anew less often */
	bool walk_off;	      /* begin with the walk of the mapping tree switched off */
	uint32_t check_every; /* one sample in so many is compared with bpf_find_vma(); 0: none */
	/* For tests: no comparison at the start; a walk that looks so many bytes beside the slots. */
	bool walk_trusted;
	uint32_t walk_skew;
	const struct collect_pool *pool; /* unwinding rows; NULL: none */
	struct rng rng;
	const struct root *root;
	collect_record_fn on_sample;
	collect_record_fn on_event;
	void *ctx;
};

struct collect_failure {
	char text[512]; /* what could not be done, and what to do about it: one line for the user */
};

/*
 * Loads and attaches, all counters at 0 and nothing sampled yet. 0, or -errno with @failure. The walk
 * of mappings is compared with /proc/self/maps; where it differs, it is switched off from the start.
 */
int collect_new(const struct collect_opts *opts, struct collect **ret,
		struct collect_failure *failure);
struct collect *collect_free(struct collect *c);

/*
 * Adds a process: pid in our namespace and start in clock ticks, as /proc/PID/stat gives it (0: whoever
 * has that pid), so that nobody who takes the pid later is recorded. Of a tree also all that it forks
 * from now on. 0, -E2BIG: there are too many, or -errno.
 */
int collect_add_pid(struct collect *c, pid_t pid, uint64_t start_ticks);
#define COLLECT_PIDS_MAX 32768 /* of a tree */

/* Those who were there before have all been added. */
void collect_tree_grown(struct collect *c);
/* Does no process live any more that was forked in the tree? Those that were added are the caller's. */
bool collect_tree_is_gone(const struct collect *c);

/*
 * Adds a control group, (hierarchy, id) as in struct cprof_sample, with all below it, also what is made
 * later. 0 or -errno (-E2BIG: too many).
 */
int collect_add_group(struct collect *c, uint8_t hierarchy, uint64_t id);
void collect_remove_group(struct collect *c, uint8_t hierarchy, uint64_t id);

/*
 * Opens the events, which do not count yet: what cannot be had is known before something else is given
 * up for it. -errno with @failure; where some CPU cannot have one, it is 0 all the same, and @failure
 * has a text that says so.
 */
int collect_arm(struct collect *c, struct collect_failure *failure);
/* Switches them on; arms first, as above, where that was not done. *ret_cpus: with an event. */
int collect_start(struct collect *c, uint32_t *ret_cpus, struct collect_failure *failure);
/* Switches them off: after it no new run is counted. */
void collect_stop(struct collect *c);

/* Delivers what is in the sample ring; the number of records, or -errno of the callback. */
int collect_consume(struct collect *c);
/* Readable when samples come faster than they are fetched. */
int collect_sample_fd(const struct collect *c);
/*
 * Consumes; where there was nothing (0) the next sample makes collect_sample_fd() readable, and until
 * then nobody need look.
 */
int collect_sleep(struct collect *c);
/* Delivers what is in the event ring. */
int collect_consume_events(struct collect *c);
int collect_event_fd(const struct collect *c);

/*
 * CPUs come and go: to be called once a second. Events of CPUs that were offline are opened anew,
 * *ret_opened of them. -errno with @failure when some could not be: the others go on.
 */
int collect_maintain(struct collect *c, uint32_t *ret_opened, struct collect_failure *failure);

/* Code that came to the kernel (a BPF program), or went; start 0: some did, nobody knows where. */
#define COLLECT_KSYM_NAME 96
struct collect_ksym {
	uint64_t start, end;
	bool gone;
	char name[COLLECT_KSYM_NAME]; /* as kallsyms has it; raw bytes, terminated */
};

typedef void (*collect_ksym_fn)(const struct collect_ksym *k, void *ctx);
/* Tells what did since the last call. */
void collect_consume_ksyms(struct collect *c, collect_ksym_fn fn, void *ctx);

/* Draws each CPU's period anew around the mean: no rhythm of a program meets ours. Clocks. */
void collect_redraw(struct collect *c);
/* When to do so next, CLOCK_MONOTONIC, given now; UINT64_MAX: never. */
uint64_t collect_next_redraw(struct collect *c, uint64_t now_ns);

/* Tells BPF the id of a file: from now on frames in it carry the id. 0, -E2BIG when full. */
int collect_learn_object(struct collect *c, const struct cprof_key *key, struct cprof_known known);
/* Takes the id back: it is announced again when next seen. */
void collect_forget_object(struct collect *c, const struct cprof_key *key);

/*
 * No walk of the mapping tree from now on: user frames carry their addresses (CPROF_SAMPLE_RAW), for
 * somebody else to locate. For good: there is no way back within a recording.
 */
void collect_switch_walk_off(struct collect *c);
bool collect_walk_is_off(const struct collect *c);
/* Why, as a clause to be put behind a colon; NULL while it is on. */
const char *collect_walk_why(const struct collect *c);

/* Adds BPF's own counters into @counters (those of side BPF only). */
int collect_counters(const struct collect *c, struct counters *counters);
uint64_t collect_map_bytes(const struct collect *c); /* without those of opts->pool */

DEFINE_CLEANUP(struct collect *, collect_free);
