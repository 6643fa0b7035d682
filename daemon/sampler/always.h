/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * always — the daemon's own collection: the whole machine, for ever, a window after the other.
 *
 *	always.c	begin, another configuration, the end; once a second
 *	rotation.c	a window ends, waits for its names, becomes files, goes to the spool's thread
 *	status.c	how it goes: figures, costs, what is degraded
 *	front.c		who asks
 *	spooler.c	the thread that writes
 *	ceiling.c	what it may cost
 */

#include <stdbool.h>

#include "ceiling.h"
#include "cprof/config.h"
#include "cprof/control.h"
#include "sampler.h"
#include "spooler.h"
#include "stream.h"
#include "writing.h"

/* Windows that have ended and are not with the spool's thread yet; one more, and the oldest waits no longer. */
#define ALWAYS_CLOSING_MAX 3
/* At the end one that was cut and one that was last, beside what there was. */
#define ALWAYS_CLOSING_CAP (ALWAYS_CLOSING_MAX + 3)
/* Collections that are gone, but for windows of theirs. */
#define ALWAYS_STREAMS_MAX 4

/* In one call to the spool: the disk hangs. */
#define ALWAYS_STUCK_NS (20 * NSEC_PER_SEC)

enum always_phase {
	ALWAYS_NONE, /* something is missing: the configuration, or the directory */
	ALWAYS_SAMPLING,
	ALWAYS_ENDING, /* told to stop: what there is goes to the disk, sampling goes on */
	ALWAYS_LAST,   /* no more samples: the last, short window is written */
	ALWAYS_DONE,
};

/* Of the whole machine. */
struct always_losses {
	uint64_t missed;
	uint64_t lost; /* dropped, or not understood, or there was no memory for it */
};

/* A window that has ended. */
struct closing {
	struct stream *stream;
	struct interval *interval;
	struct writing writing;	    /* its files, once @out is there */
	struct spooler_window *out; /* encoded so far; NULL: it waits for names */
	bool encoded;		    /* all of it; the spool's queue is full */
	bool first;		    /* of its collection: there was a gap before it */
};

struct always_processes {
	uint64_t window_ns;
	uint64_t from_real_ns;
	uint32_t cpus;
	VEC(struct control_process) v;
};

struct always {
	struct sampler *sampler;
	struct config config;
	bool configured;
	enum always_phase phase;
	const struct event *event;
	struct spooler *spooler;
	struct loop_source *spooled;
	struct loop_source *timer;

	struct stream *streams[ALWAYS_STREAMS_MAX]; /* the first samples, the others did */
	unsigned int streams_cnt;
	struct closing closing[ALWAYS_CLOSING_CAP]; /* the oldest first */
	unsigned int closing_cnt;
	struct always_losses cut; /* of the stream when its open window began */
	bool first;		  /* the open window is the first of its stream */
	uint64_t end_boot_ns;	  /* of the window before the open one; 0: there is none */

	/* Beside what the streams count: what became of files, and of streams that are gone. */
	struct counters counters;
	uint64_t with_spooler;	   /* samples */
	uint64_t discarded_before; /* discard_spool when the end began */
	unsigned int windows_out;  /* with the spool thread; one may hold no sample */
	uint64_t stack_ends[64];   /* of windows that are settled */
	struct always_processes processes;

	uint64_t from_boot_ns; /* of the first window of this run */
	uint64_t begun_ns;     /* all CLOCK_MONOTONIC */
	uint64_t rotate_ns;
	uint64_t second_ns;
	uint64_t progress_ns; /* that there is some was told, and is not again before */
	uint64_t ask_ns;      /* for names of windows that have ended: not before */
	uint64_t stop_ns;
	uint64_t early_ns;     /* when a window last ended early */
	uint64_t give_back_ns; /* freed memory, to the kernel: not before */
	uint64_t gap_ns;       /* before this run */
	bool gap_known;
	uint64_t untold_ns; /* not sampled, and no file that was made since says so */
	struct wire_roles roles;
	size_t roles_windows; /* what windows took when that came */
	uint64_t maps_bytes;  /* of the collections' maps, as of some time before maps_ns */
	uint64_t maps_ns;     /* they are asked for again then */
	uint64_t bpf_bytes;   /* of all maps, when that came */
	struct ceiling ceiling;
	unsigned int shift;		/* of the rate in force */
	char problem[CONTROL_TEXT_SZ];	/* of the latest change that could not be made */
	char degraded[CONTROL_TEXT_SZ]; /* of the event */
	char told[CONTROL_TEXT_SZ];
	uint64_t told_ns;
};

/* always.c */
int always_new(struct sampler *s, struct always **ret);
struct always *always_free(struct always *a);
int always_configure(struct always *a, const struct wire_config *m);
/* A configuration that means nothing to us; @a is NULL before there was one. */
void always_refuse(const struct always *a);
int always_set_spool(struct always *a, int fd);
void always_set_roles(struct always *a, const struct wire_roles *m);
void always_stop(struct always *a);
/* So many a second, as the ceiling has it now. */
uint32_t always_hz(const struct always *a);
struct stream *always_stream(const struct always *a);

/* rotation.c */
/* The open window ends, and the next begins. */
void rotation_cut(struct always *a, uint64_t now_ns);
/* There is too little memory: windows end now and wait for nothing, unused files go. */
void rotation_make_room(struct always *a, uint64_t now_ns);
/* @st has stopped: its last window. */
void rotation_take_last(struct always *a, struct stream *st);
/* Goes on with what has ended; when to be called again. */
uint64_t rotation_step(struct always *a, uint64_t now_ns);
int rotation_on_spooled(struct loop_source *src, uint32_t events, void *ctx);
void rotation_drop(struct always *a);

/* status.c */
void status_fill(struct always *a, struct control_status *ret);
/* All counters as of one moment, and the books over them. */
void status_books(struct always *a, struct counters *ret_counters, struct books *ret_books);
/* Samples that arrived, in no file yet and not discarded: each place counts its own. */
uint64_t status_open_samples(const struct always *a);
/* A window is settled: its samples by the ends of their stacks, its processes. */
void status_settled(struct always *a, const struct interval *iv, uint32_t cpus);
/* What works less well than it should, but for what the launcher told us; how many. */
unsigned int status_degraded(struct always *a, char texts[CONTROL_DEGRADED_MAX][CONTROL_TEXT_SZ]);
void status_measure(struct always *a, uint64_t now_ns);
/* What the maps of its collections take now, but for those of unwinding rows: a file of /proc for each. */
uint64_t status_maps_bytes(const struct always *a);

/* filter.c: do Include= and Exclude= want it? @ctx is the struct always. */
bool filter_wants(const struct window_process *p, void *ctx);

/* front.c */
int front_attach(struct sampler *s, int fd);
void front_done(struct sampler *s);

DEFINE_CLEANUP(struct always *, always_free);
