/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sampler — the role that holds the pipeline: BPF, rings, window, names, profiles.
 *
 * The only place that knows more than one stage. It serves one client (the session), asks the opener
 * and the symbolizer and believes neither, and waits for nobody: every wait is a timer or a readable
 * socket. One thread.
 *
 *	main.c		start, the loop
 *	roles.c		the link to the launcher: ends to neighbours come and go
 *	session.c	the protocol with the client
 *	notes.c		what it is to be told, kept until it reads
 *	recording.c	a recording: begin, periodic work, end
 *	targets.c	whom it is of: processes, the groups of a unit
 *	tree.c		descendants that were there before, and when the last is gone
 *	pipeline.c	a record through decode, locate and fold
 *	naming.c	files and names asked for, lost roles replaced
 *	remapping.c	user frames located by /proc, where the walk is switched off
 *	forget.c	what is remembered of files and names, within bounds
 *	parcels.c	which processes share a file
 *	finish.c	encode, hand over the profiles, the books
 *	cputime.c	the kernel's own account of CPU time
 *	raw.c		the file for replay, when the session asks for one
 *	replaying.c	that file through the same pipeline, by a plain user
 */

#include <stdbool.h>

#include "cprof/base/loop.h"
#include "cprof/base/root.h"
#include "cprof/base/share.h"
#include "cprof/base/vec.h"
#include "cprof/cgroups.h"
#include "cprof/collect.h"
#include "cprof/counters.h"
#include "cprof/event.h"
#include "cprof/names.h"
#include "cprof/object.h"
#include "cprof/remap.h"
#include "cprof/replay.h"
#include "cprof/session.h"
#include "cprof/symbolize.h"
#include "cprof/window.h"

/* A process's CPU time when the recording began. */
struct cputime {
	uint32_t pid;
	uint64_t cpu_ns;
};

/* A file to be: some of s->parcel_processes. */
struct parcel {
	uint64_t exe_id; /* of ended processes; 0: not known */
	uint32_t kind;	 /* enum session_profile_kind */
	uint32_t at;
	uint32_t cnt;
};

/* A descendant that was there when the recording began. */
struct tree_process {
	uint32_t pid;
	uint64_t start_ticks;
};

/* No more is written to what was handed over. */
#define FINISH_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Of these a client that does not read may be owed so many. */
#define SAMPLER_NOTES_MAX 8

/* What wakes us goes before what is done on time. */
#define PRIORITY_EVENTS 10

enum phase { PHASE_NONE, PHASE_SAMPLING, PHASE_NAMING, PHASE_WRITING, PHASE_DONE };

struct sampler {
	struct loop *loop;
	struct root root;
	struct loop_source *control;
	struct loop_source *opener;
	struct loop_source *symbolizer;

	struct objects *objects;
	struct names *names;
	struct cgroups *cgroups;
	struct counters counters; /* those that user space counts */
	struct symbolize *symbolize;
	uint32_t told;	   /* objects whose ids BPF has */
	uint64_t sweep_ns; /* names are not swept before */

	/* The client. */
	int client_fd;
	struct loop_source *client;
	struct session_note *notes[SAMPLER_NOTES_MAX]; /* not sent yet, the oldest first */
	unsigned int notes_cnt;

	/* The recording. */
	enum phase phase;
	struct session_start start;
	const struct event *event;
	uint32_t hz; /* 0: one sample for every so many of the event */
	struct collect *collect;
	struct window *window;
	struct symbolize_view *view; /* of the window */
	struct remap *remap;	     /* the window's */
	struct shares stacks;	     /* of the window, by user */
	struct replay_session about; /* what files say of the machine and the recording */
	struct raw *raw;	     /* NULL: not asked for, or sent */
	VEC(struct cputime) baseline;
	unsigned int groups_cnt; /* control groups of the unit asked for */
	VEC(int) pidfds;
	VEC(struct loop_source *) pid_sources;
	bool roots_gone;	       /* all of these have ended */
	VEC(struct tree_process) tree; /* their descendants when it began */
	struct loop_source *events;
	struct loop_source *samples;
	struct loop_source *tick; /* consume, names, limits: every 100 ms */
	struct loop_source *redraw;
	uint64_t begun_ns; /* CLOCK_MONOTONIC */
	uint64_t ended_ns;
	uint64_t progress_at_ns;
	uint64_t naming_since_ns; /* when naming last made progress */
	uint64_t naming_began_ns;
	unsigned int naming_owed; /* the least so far */
	uint64_t naming_answers;
	uint32_t cpus;
	bool walk_told; /* that it is switched off */
	enum session_ended ended_by;
	VEC(uint64_t) seqs; /* last of each CPU */

	/* Handing over. */
	VEC(struct parcel) parcels;
	VEC(uint32_t) parcel_processes;
	size_t writing_next; /* parcel */
	uint32_t profiles;
	int profile_fd; /* encoded, not sent yet */
	struct session_profile profile;
	uint64_t profile_waits_ns;
	uint64_t drop_count; /* of the build that loses one in N on purpose */
};

/* roles.c */
int roles_begin(struct sampler *s);
void roles_replace(struct sampler *s, enum wire_role role);

/* session.c */
int session_attach(struct sampler *s, int fd);
void session_progress(struct sampler *s);
void session_lost(struct sampler *s);
int session_fail(struct sampler *s, int error, const char *text);

/* notes.c */
/*
 * One line "what: why; what it means": something works less well than it should. False: too many wait
 * for a client that does not read, and this one is lost.
 */
bool session_note(struct sampler *s, const char *text);
/* 1: none waits; 0: the client does not read now; -errno: it is gone. */
int session_send_notes(struct sampler *s);
void session_drop_notes(struct sampler *s);

/* recording.c */
int recording_begin(struct sampler *s);
void recording_end(struct sampler *s, enum session_ended why);
void recording_drop(struct sampler *s);
/* All counters as of now, BPF's with ours, and the books over them; 0 or -errno (ours alone). */
int recording_books(struct sampler *s, struct counters *ret_counters, struct books *ret_books);

/* targets.c: 0, or -errno and the client was told. */
int targets_add_pids(struct sampler *s);
int targets_add_unit(struct sampler *s);

/* tree.c */
int tree_begin(struct sampler *s);
bool tree_is_gone(const struct sampler *s);

/* pipeline.c */
int pipeline_on_sample(const void *bytes, size_t sz, void *ctx);
int pipeline_on_event(const void *bytes, size_t sz, void *ctx);

/* naming.c */
void naming_tick(struct sampler *s, uint64_t now_ns);
bool naming_is_done(struct sampler *s, uint64_t now_ns);
void naming_set_opener(struct sampler *s, int fd);
int naming_on_opener(struct loop_source *src, uint32_t events, void *ctx);
int naming_on_symbolizer(struct loop_source *src, uint32_t events, void *ctx);

/* remapping.c */
int remapping_begin(struct sampler *s);
bool remapping_is_on(const struct sampler *s);
int remapping_on_mapped(const struct wire_mapped *m, void *ctx);
void remapping_tick(struct sampler *s, uint64_t now_ns);
/* No more answers are waited for. */
void remapping_finish(struct sampler *s);

/* forget.c */
/* Bounds are smaller by this in a variant for tests. */
#ifndef CPROF_BOUNDS_SHIFT
#define CPROF_BOUNDS_SHIFT 0
#endif
/* What all names together may take: 100,000 of a hundred letters. */
#define FORGET_NAMES_BYTES ((24u << 20) >> CPROF_BOUNDS_SHIFT)
/* BPF may be told the id of the file, or should forget it. */
void forget_learn(uint32_t object, void *ctx);
void forget_unlearn(uint32_t object, void *ctx);
/* The collection that was told is gone. */
void forget_collect(struct sampler *s);
void forget_tick(struct sampler *s, uint64_t now_ns);

/* parcels.c */
int parcels_make(struct sampler *s); /* 0 or -ENOMEM */
void parcels_done(struct sampler *s);

/* finish.c */
void finish_begin(struct sampler *s);
/* All is in: decides which files there are to be; the next profile is the first one. */
void finish_parcels(struct sampler *s);
/* Sends what the client takes; 0 while there is more, 1 when END was sent, or -errno. */
int finish_step(struct sampler *s);
/* Makes the next profile in s->profile and s->profile_fd, if there is one more. */
void finish_next_profile(struct sampler *s);
/* Writes all bytes to the descriptor that @ctx points to. */
int finish_write(const void *bytes, size_t sz, void *ctx);

/* cputime.c */
uint64_t cputime_start_ticks(const struct sampler *s, uint32_t pid); /* 0: not known */
int cputime_baseline(struct sampler *s);
void cputime_read(struct sampler *s);	/* when the window ends */
void cputime_settle(struct sampler *s); /* when the last exits have come */

/* raw.c */
int raw_new(struct raw **ret);
struct raw *raw_free(struct raw *raw);
/* A sample that is in the window. */
void raw_keep(struct sampler *s, const struct cprof_sample *head, uint32_t process, uint32_t stack);
/* Makes the file in s->profile and s->profile_fd; the client is told when that fails. */
void raw_finish(struct sampler *s);

/* replaying.c: the whole program of --replay; the exit status. */
int replaying_main(struct sampler *s, const char *file, const char *dir);

DEFINE_CLEANUP(struct raw *, raw_free);
