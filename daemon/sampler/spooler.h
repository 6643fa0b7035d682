/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * spooler — the thread that owns the spool, so that the loop never waits for a disk.
 *
 * The loop hands over finished windows (bytes in memory) and takes them back when the disk has them,
 * or when it is known that it never will. A descriptor becomes readable for each. What the loop wants
 * to know it gets by copy, under a mutex that is never held over a call to the spool.
 *
 * Windows wait in a short queue. One that finds no place stays the caller's, who counts it: a disk
 * that hangs must not become memory that grows. A directory that cannot be opened is tried again every
 * second, and with each window.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/vec.h"
#include "cprof/profile_name.h"
#include "cprof/spool.h"

/* Beside the one that is written. */
#define SPOOLER_WAITING_MAX 2

struct spooler_file {
	char name[PROFILE_NAME_MAX];
	void *bytes; /* owned */
	size_t sz;
};

/* A window, encoded. */
struct spooler_window {
	struct spooler_window *next;
	uint64_t from_real_ns;
	uint64_t to_real_ns;
	uint64_t to_boot_ns;
	uint64_t gap_ns;      /* what its files say was not sampled before it */
	uint64_t untold_ns;   /* what was not, and neither they nor any other say */
	uint64_t run_boot_ns; /* 0, or when this run began: what was not sampled before is untold */
	uint64_t samples;     /* in all of its files */
	size_t bytes;	      /* likewise */
	VEC(struct spooler_file) files;
	int error; /* when it comes back: 0: committed; -errno: none of it is there */
};

struct spooler_figures {
	struct spool_figures spool;
	struct spool_failure failure; /* why the directory cannot be opened; "" when it could */
	uint64_t last_end_ns;	      /* spool_last_end_ns() when it was opened */
	uint64_t busy_since_ns;	      /* CLOCK_MONOTONIC: in one call to the spool; 0: in none */
	unsigned int waiting;
	bool tried; /* to open the directory */
	bool open;
};

struct spooler;

/* Starts the thread. @dir_fd is owned from now on, also when it fails. */
int spooler_new(int dir_fd, const struct spool_opts *opts, struct spooler **ret);
/*
 * Ends the thread: what waits is written first. One that hangs in the disk for longer than @wait_ns is
 * left behind with all that is its: the process is about to end.
 */
void spooler_end(struct spooler *s, uint64_t wait_ns);

struct spooler_window *spooler_window_free(struct spooler_window *w);
/* Takes @bytes over in every case. */
int spooler_window_add(struct spooler_window *w, const char *name, void *bytes, size_t sz);

/* Hands *w over and makes it NULL; -EAGAIN: too many wait, and it stays as it was. */
int spooler_submit(struct spooler *s, struct spooler_window **w);
/* Readable when a window came back; and then the next one that did. NULL: none. */
int spooler_fd(const struct spooler *s);
struct spooler_window *spooler_take(struct spooler *s);

void spooler_set_limits(struct spooler *s, const struct spool_limits *limits);
void spooler_figures(struct spooler *s, struct spooler_figures *ret);

DEFINE_CLEANUP(struct spooler_window *, spooler_window_free);
