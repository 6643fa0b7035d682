/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * recording — a client's session (cprof/session.h) on a stream of its own, from its connection to the
 * last profile.
 */

#include "cprof/session.h"
#include "cprof/wire.h"
#include "stream.h"
#include "writing.h"

/* Of these a client that does not read may be owed so many. */
#define RECORDING_NOTES_MAX 8

/* A descendant that was there when the recording began. */
struct tree_process {
	uint32_t pid;
	uint64_t start_ns;
};

/* ASKED: it begins when those before it have begun. */
enum phase { PHASE_NONE, PHASE_ASKED, PHASE_SAMPLING, PHASE_NAMING, PHASE_WRITING, PHASE_DONE };

struct recording {
	struct sampler *sampler;
	unsigned int slot; /* in the role's list */
	uint32_t uid;	   /* the client's */
	bool sees_all;	   /* else only what is its own */

	int client_fd;
	struct loop_source *client;
	bool hung_up;					 /* by itself */
	bool lingers;					 /* we wait for that */
	struct session_note *notes[RECORDING_NOTES_MAX]; /* not sent yet, the oldest first */
	unsigned int notes_cnt;

	enum phase phase;
	struct session_start start;
	const struct event *event;
	uint64_t asked;	   /* so many were before it */
	bool stop_at_once; /* STOP came before it began */
	struct stream *stream;
	struct writing writing;
	struct raw *raw;	 /* NULL: not asked for, or sent */
	struct memory *memory;	 /* what else is in it; NULL: not asked for */
	unsigned int groups_cnt; /* control groups of the unit asked for */
	VEC(int) pidfds;
	VEC(struct loop_source *) pid_sources;
	bool roots_gone;	       /* all of these have ended */
	VEC(struct tree_process) tree; /* their descendants when it began */
	struct loop_source *tick;      /* progress, limits, the end: every 100 ms or sooner */
	uint64_t begun_ns;	       /* CLOCK_MONOTONIC */
	uint64_t ended_ns;
	uint64_t progress_at_ns;
	enum session_ended ended_by;

	uint32_t profiles; /* sent */
	uint64_t profile_waits_ns;
};

/* session.c */
/* Who connected, and what he may see. The descriptor is ours in every case. */
struct session_peer {
	int fd;
	uint32_t uid;
	bool sees_all;
};

int session_init(struct sampler *s);
/* 0, or -errno of a private sampler's only client. */
int session_attach(struct sampler *s, const struct session_peer *peer);
/* Ends all that sample; true: some are still to be waited for. */
bool session_stop_all(struct sampler *s);
void session_done(struct sampler *s);
void session_progress(struct recording *rec);
/* The client is gone, or is not served any more: so is the recording. Freed later, or with the program. */
void session_lost(struct recording *rec);
/* It is told why; 0. */
int session_fail(struct recording *rec, int error, const char *text);

/* notes.c */
/*
 * One line "what: why; what it means": something works less well than it should. False: too many wait
 * for a client that does not read, and this one is lost.
 */
bool session_note(struct recording *rec, const char *text);
/* 1: none waits; 0: the client does not read now; -errno: it is gone. */
int session_send_notes(struct recording *rec);
void session_drop_notes(struct recording *rec);

/* recording.c */
/* Can what was asked for be had at all? 0, or -errno and the client was told. */
int recording_check(struct recording *rec);
int recording_begin(struct recording *rec);
bool recording_is_under_way(const struct recording *rec);
void recording_tick(struct recording *rec, uint64_t now_ns);
void recording_end(struct recording *rec, enum session_ended why);
/* All but the client. */
void recording_drop(struct recording *rec);

/* targets.c: 0, or -errno and the client was told. */
int targets_add_pids(struct recording *rec);
int targets_add_unit(struct recording *rec);
/* A control group came or went: one of the unit's? */
void targets_on_cgroup(const struct cprof_cgroup *c, void *ctx);

/* tree.c */
int tree_begin(struct recording *rec);
bool tree_is_gone(const struct recording *rec);

/* finish.c */
void finish_begin(struct recording *rec);
/* Sends what the client takes; 0 while there is more, 1 when END was sent, or -errno. */
int finish_step(struct recording *rec);

/* raw.c */
int raw_new(uint64_t bytes_max, struct raw **ret);
struct raw *raw_free(struct raw *raw);
/* A sample that is in the window; @ctx is the recording. */
void raw_keep(const struct cprof_sample *head, uint32_t process, uint32_t stack, void *ctx);
/* Makes the file in the writing's place; the client is told when that fails. */
void raw_finish(struct recording *rec);

/* memory.c */
struct replay_writer;
int memory_new(uint64_t bytes_max, struct memory **ret);
struct memory *memory_free(struct memory *m);
/* What was kept of a stack's memory; @ctx is the recording. */
void memory_keep(const struct record *record, void *ctx);
/* All that maps lead to; of NULL none. */
const uint32_t *memory_objects(const struct memory *m, size_t *ret_cnt);
/* Behind the samples of the file, which may get so long; 0 or -errno. */
int memory_write(struct recording *rec, struct replay_writer *w, uint64_t room);

DEFINE_CLEANUP(struct raw *, raw_free);
DEFINE_CLEANUP(struct memory *, memory_free);
