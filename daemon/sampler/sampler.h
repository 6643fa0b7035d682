/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sampler — the role that holds the pipeline: BPF, rings, windows, names, profiles.
 *
 * The only place that knows more than one stage. It serves several recordings side by side, asks the
 * opener and the symbolizer and believes neither, and waits for nobody: every wait is a timer or a
 * readable socket. One thread.
 *
 * What is learnt of files, names and control groups is everybody's, and kept here. A collection is a
 * stream (stream.h), what it collected until the files are written an interval (interval.h), which
 * become files by writing (writing.h). A client's session is a recording (recording.h).
 *
 *	main.c		start, the loop
 *	roles.c		the link to the launcher: ends to neighbours come and go
 *	naming.c	files opened, names asked for, lost roles replaced
 *	forget.c	what is remembered of files and names, within bounds
 *	unwinding.c	unwinding rows of files, in the memory that walks read
 *	stream.c	a collection: its timers, its end, its books
 *	pipeline.c	a record through decode, locate and fold
 *	interval.c	a window and what is its own, until no more names come
 *	remapping.c	user frames located by /proc, where the walk is switched off
 *	latecoming.c	user stacks that get better when rows of their files come
 *	cputime.c	the kernel's own account of CPU time
 *	writing.c	an interval's files, one after another
 *	parcels.c	which processes share a file
 *	session.c	clients: how many, what they ask, who is next, what they are told
 *	starts.c	how often users who do not see all may begin
 *	notes.c		what one is to be told, kept until it reads
 *	recording.c	a recording: begin, end
 *	targets.c	whom it is of: processes, the groups of a unit
 *	tree.c		descendants that were there before, and when the last is gone
 *	finish.c	hands over the profiles, closes the books
 *	always.c	the daemon's own collection, and its parts (always.h)
 *	raw.c		the file for replay, when the session asks for one
 *	memory.c	what that file has of stacks' memory, when root asks for it
 *	replaying.c	that file through the same pipeline, by a plain user
 */

#include <stdbool.h>

#include "cprof/base/loop.h"
#include "cprof/base/root.h"
#include "cprof/base/vec.h"
#include "cprof/cgroups.h"
#include "cprof/collect_pool.h"
#include "cprof/counters.h"
#include "cprof/names.h"
#include "cprof/object.h"
#include "cprof/symbolize.h"
#include "starts.h"

struct always;
struct interval;
struct recording;
struct stream;

#define SAMPLER_BOOT_ID_SZ 40 /* a UUID, and what ends it */

/* Under emulation everything takes longer: tests in there are built with more. */
#ifndef CPROF_PATIENCE
#define CPROF_PATIENCE 1
#endif

/* What wakes us goes before what is done on time. */
#define PRIORITY_EVENTS 10
#define PRIORITY_TICK 25

/* Each has a bit in what objects know of who was told their ids. */
#define SAMPLER_STREAMS_MAX 32
#define SAMPLER_CLIENTS_MAX 32
#define SAMPLER_RECORDINGS_MAX 16 /* of these, under way */
/* Of each, for users who do not see all: there is always room for one who does. */
#define SAMPLER_CLIENTS_OF_OTHERS_MAX 24
#define SAMPLER_RECORDINGS_OF_OTHERS_MAX 12

/* unwinding.c: unwinding rows, of all streams. */
struct unwinding {
	struct collect_pool *maps; /* NULL: not begun yet */
	struct pool *pool;
	size_t bytes_max;
};

/* naming.c: a neighbour as the kernel's scheduler knows it. */
struct neighbour {
	uint32_t pid; /* 0: not known */
	uint64_t waited_ns;
};

struct sampler {
	struct loop *loop;
	struct root root;
	char boot_id[SAMPLER_BOOT_ID_SZ]; /* "": it cannot be read */
	struct loop_source *control;
	struct loop_source *opener;
	struct loop_source *symbolizer;
	struct neighbour opener_at, symbolizer_at;
	uint64_t
		excused_ns; /* how long they waited for a CPU is known up to then, or they owed nothing */
	bool owed;	    /* at the last look */

	struct objects *objects;
	struct names *names;
	struct cgroups *cgroups;
	struct counters counters; /* of files, names and roles: no stream's alone */
	struct symbolize *symbolize;
	struct unwinding unwinding;
	uint64_t sweep_ns;  /* names are not swept before */
	size_t windows_max; /* what the memory's ceiling leaves for all windows; 0: there is none */
	unsigned int unload; /* so many files that nobody uses are to be forgotten for its sake */

	struct stream *streams[SAMPLER_STREAMS_MAX];
	VEC(struct interval *) intervals;		   /* that live: filled, named or written */
	uint64_t serial;				   /* the latest interval's */
	struct recording *recordings[SAMPLER_CLIENTS_MAX]; /* also before and after */
	uint64_t asked;					   /* recordings so far */
	struct loop_source *next_start;			   /* the next of those that wait begins */
	struct starts starts;
	struct always *always; /* NULL: a private session, or not configured yet */
	int front_fd;
	struct loop_source *front;
	bool is_confined;
	bool is_private; /* of one client: we end with its recording */
};

/* roles.c */
int roles_begin(struct sampler *s);
void roles_replace(struct sampler *s, enum wire_role role);

/*
 * confine.c: before anybody but the launcher has a word; @spool, lent, is the directory to write to, or
 * negative. Does nothing when it was done. 0 or -errno.
 */
int confine(struct sampler *s, int spool);

/* naming.c */
void naming_tick(struct sampler *s, uint64_t now_ns);
void naming_set_opener(struct sampler *s, int fd);
/* The process that is our neighbour from now on; 0: not known. */
void naming_disbelieve(struct sampler *s);
void naming_meet(struct sampler *s, struct neighbour *who, uint32_t pid);
int naming_on_opener(struct loop_source *src, uint32_t events, void *ctx);
int naming_on_symbolizer(struct loop_source *src, uint32_t events, void *ctx);

/* forget.c */
/* Bounds are smaller by this in a variant for tests. */
#ifndef CPROF_BOUNDS_SHIFT
#define CPROF_BOUNDS_SHIFT 0
#endif
/* What all names together may take: 100,000 of a hundred letters. */
#define FORGET_NAMES_BYTES ((24u << 20) >> CPROF_BOUNDS_SHIFT)
/* All BPF may be told the id of the file, or should forget it. */
void forget_learn(uint32_t object, void *ctx);
void forget_unlearn(uint32_t object, void *ctx);
/* A collection begins: its BPF is told what is known. It is gone: what it was told counts no more. */
void forget_begin(struct stream *st);
void forget_end(struct stream *st);
void forget_tick(struct sampler *s, uint64_t now_ns);

/* codelines.c: symbolize_opts.on_code */
void codelines_ask(const uint64_t *places, size_t cnt, void *ctx);

/* Once, before the first stream: 0, or -errno with @failure. */
int unwinding_begin(struct sampler *s, struct collect_failure *failure);
void unwinding_done(struct sampler *s);
/* What all rows together may take. */
void unwinding_limit(struct sampler *s, uint64_t bytes_max);
/* The symbolizer told the rows of a file. */
void unwinding_on_rows(uint32_t object, const struct rows_view *rows, void *ctx);
/* Whether the object will ever have rows is known: nobody reads its file. */
void unwinding_settle(struct sampler *s, uint32_t object);
/* How a frame there is undone; that is a use. */
enum rows_answer unwinding_find(struct sampler *s, uint32_t object, uint64_t offset,
				struct cprof_rule *ret);
/* Rows of this place may be needed: they are asked for, if they are not there. */
void unwinding_want(struct sampler *s, uint32_t object, uint64_t offset);
/* A window has a stack of these frames. */
void unwinding_use(struct sampler *s, const struct cprof_sample *sample,
		   const struct window_frame *frames, uint32_t cnt);
/* The object is about to be forgotten. */
void unwinding_forget(struct sampler *s, uint32_t object);
void unwinding_tick(struct sampler *s, uint64_t now_ns);
/* Of the kernel's memory. */
uint64_t unwinding_bytes(const struct sampler *s);

/* remapping.c: answers of the opener, to whichever interval asked. */
int remapping_on_mapped(const struct wire_mapped *m, void *ctx);

/* replaying.c: the whole program of --replay; the exit status. */
int replaying_main(struct sampler *s, const char *file, const char *dir);
