/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * writing — the files that a settled interval becomes, one after another, each a sealed memfd. Who
 * takes them (a client, the spool, a replay) asks for the next when it has room.
 */

#include "cprof/event.h"
#include "cprof/profile_name.h"
#include "cprof/replay_format.h"
#include "cprof/session.h"
#include "stream.h"

/* A file to be: some of w->processes. */
struct parcel {
	uint64_t exe_id; /* of ended processes; 0: not known */
	uint32_t kind;	 /* enum session_profile_kind */
	uint32_t at;
	uint32_t cnt;
};

struct writing {
	struct interval *interval; /* borrowed */
	const struct event *event;
	/* Processes that are not wanted are discard_excluded; NULL: all are. */
	bool (*wants)(const struct window_process *p, void *ctx);
	void *wants_ctx;
	struct replay_session about; /* what files say of the machine and the recording */
	VEC(struct parcel) parcels;
	VEC(uint32_t) processes;
	size_t next;			/* parcel */
	int fd;				/* of the latest, for whoever takes it */
	struct session_profile profile; /* describes it */
};

#define WRITING_INIT ((struct writing){ .fd = -EBADF })

/* What a recording of this stream says of itself; who was asked for and how is to be added. */
void writing_describe(struct writing *w, const struct stream *st, struct interval *iv);
/* Decides which files there are to be. */
void writing_begin(struct writing *w);
/* Makes the next in w->fd and w->profile, if there is one more: else w->fd is -EBADF. */
void writing_next(struct writing *w);
/* What became of it: COUNTER_in_profiles, or a discard. */
void writing_settle(struct writing *w, enum counter counter);
void writing_done(struct writing *w);
/* The name of a file; one of several processes is of those outside of our pid namespace. */
void writing_name(const struct session_profile *m, char name[static PROFILE_NAME_MAX]);
/* Writes all bytes to the descriptor that @ctx points to. */
int writing_write(const void *bytes, size_t sz, void *ctx);

/* parcels.c */
int parcels_make(struct writing *w); /* 0 or -ENOMEM */
