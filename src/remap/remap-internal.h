/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* remap-internal — what the files of src/remap share. */

#include "cprof/base/clock.h"
#include "cprof/base/map.h"
#include "cprof/base/vec.h"
#include "cprof/remap.h"

/* Questions on their way at once, each of one process: enough to hide the round trip. */
#define ASKS_MAX 8
/* Whom an opener died of, or could not be read, is not asked for more often. */
#define TRIES_MAX 3

/* A mapping that was asked for, or a page without one. */
struct range {
	uint64_t start, end;
	uint64_t base;	 /* of a file: offset = address - start + base */
	uint64_t at_ns;	 /* when it was told */
	uint32_t object; /* CPROF_OBJECT_NONE: no code there, or */
	bool unknown;	 /* what is there could not be looked at */
};

/* By start, without overlaps. */
struct ranges {
	VEC(struct range) v;
};

/* A generation of a process; its index is the window's. */
struct process {
	struct ranges ranges;
	VEC(uint32_t) waiting; /* stacks */
	uint32_t round;	       /* of these, the first are being asked for; 0: none */
	uint64_t fresh_ns;     /* what was told before is asked again */
	uint64_t next_ns;      /* not to be asked before */
	uint8_t tries;
	bool asking; /* a question is on its way */
	bool gone;   /* nothing more can be known */
	bool queued; /* in remap.queue */
};

struct ask {
	uint64_t id;
	uint64_t asked_ns;
	uint32_t process;
	uint32_t cnt;
	uint64_t addresses[WIRE_MAPS_MAX];
};

/* A file by what stat tells of it, and its object. */
struct file {
	struct cprof_key key;
	uint32_t object;
};

struct remap {
	struct remap_opts opts;
	uint64_t seed;
	VEC(struct process) processes;
	struct map process_map; /* by struct window_owner */
	VEC(struct file) files;
	struct map file_map;
	uint32_t scanned;     /* stacks of the window that were looked at */
	unsigned int waiting; /* stacks, of all processes */
	VEC(uint32_t) queue;  /* processes with stacks that wait */
	size_t ranges_cnt;    /* of all processes */
	struct ask asks[ASKS_MAX];
	unsigned int asks_cnt;
	uint64_t next_id;
	bool finished; /* what still comes is of no use, and no lie */
	uint64_t heard_ns;
	VEC(uint64_t) pages; /* to be asked for: scratch */
};

/* ranges.c */
const struct range *ranges_find(const struct ranges *r, uint64_t address);
/* Takes the place of whatever it overlaps; the change in number, or -ENOMEM. */
int ranges_put(struct ranges *r, const struct range *range);
void ranges_clear(struct ranges *r);

/* files.c: the object of a mapped file, announced. 0 or -ENOMEM. */
int files_object(struct remap *r, const struct window *w, uint32_t process,
		 const struct wire_range *m, uint32_t *ret_object);

/* settle.c: whether a stack has user frames without a place; their places. */
bool settle_is_open(const struct window_stack *s);
/* @p NULL: nobody knows whose it is. */
void settle_stack(struct remap *r, struct window *w, struct process *p, uint32_t stack);
/* The first @cnt of those that wait; @cnt. */
int settle_waiting(struct remap *r, struct window *w, struct process *p, uint32_t cnt);

/* asks.c: how many stacks got their places. */
int asks_pump(struct remap *r, struct window *w, uint64_t now_ns);
