/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * spool — the daemon's profiles on disk: windows committed as a whole, within a budget.
 *
 *	DIR/<YYYY-MM-DD>/<HH>/<name>	what readers see: complete, never changed, never replaced
 *	DIR/.new-<n>/			a window or an hour being written: litter after a crash
 *	DIR/.window-<date>-<hour>-<n>/	a committed window on its way to its place: finished after a crash
 *	DIR/.state			the end of the last committed window
 *	DIR/.quarantine/		what stood in the way and was not ours
 *
 * A window is committed by the rename of its directory from .new to .window, all of it synced before:
 * after a crash or a power cut all of it is there, or nothing. A failed fsync is never tried again on
 * the same data: the files are written anew, from memory, once; then the window is given up. Minutes
 * become hours by exchanging the whole hour's directory for another one, in one step: nothing is there
 * twice, whenever it ends.
 *
 * For one thread, which may block on the disk: nothing here is called where samples are fetched. The
 * time is a parameter; a clock that jumps deletes nothing in bulk. What is not ours in the directory is
 * left alone or moved aside (.quarantine), counted, and never followed. Formats, and how age is judged:
 * docs/formats/spool.md. Files are 0640 and directories 0750 under a umask of at most 027; a directory
 * with the setgid bit gives its group to all below.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"

struct spool;

struct spool_limits {
	uint64_t use_max;   /* bytes, as the file system counts them (blocks) */
	uint64_t files_max; /* inodes */
	uint64_t age_max_ns;
	uint32_t keep_free_ppm; /* of the file system's blocks and inodes */
	uint64_t floor;		/* bytes that are ours however full the file system is */
};

/* Merges finished pprof files into one: returns 0, or -errno and the files stay as they are. */
typedef int (*spool_merge_fn)(const int *fds, size_t cnt, int out_fd, void *ctx);

struct spool_opts {
	struct spool_limits limits;
	spool_merge_fn merge;		/* NULL: minutes stay minutes */
	uint64_t merge_after_ns;	/* 0: six hours */
	uint64_t (*mono_ns)(void *ctx); /* for commit_ns_max; NULL: commits are not timed */
	char boot_id[40];
	void *ctx;
};

/* All since it was opened, but files and bytes, which are what is there. */
struct spool_figures {
	uint64_t files, bytes;
	uint64_t windows;	   /* committed */
	uint64_t windows_failed;   /* given up, with all that was in them */
	uint64_t windows_finished; /* found committed at the start and brought to their place */
	uint64_t litter;	   /* leftovers of unfinished windows that were removed */
	uint64_t evicted;	   /* files that went for want of room, or for their age */
	uint64_t merged;	   /* minute files that became hours */
	uint64_t quarantined;	   /* things that are not ours: left alone, or moved aside */
	uint64_t sync_failed;
	uint64_t commit_ns_max; /* the longest that a commit took */
	int32_t last_error;	/* -errno of the last failure; 0: the last commit went well */
	uint32_t
		below_floor; /* 1: the file system is fuller than KeepFree; only the floor is used */
};

/* One line of why it cannot be opened, for one person. */
struct spool_failure {
	char text[512];
};

/*
 * Takes the directory (a descriptor, owned from now on, also on error) as it is: finishes what was
 * committed, removes litter, counts what is there. 0, or -errno with @failure: it is no directory, it
 * cannot be read, no memory, or -EBUSY: somebody who opened it himself writes to it. Nothing that lies
 * in it fails it, and no file system that is full, read-only or broken: then commits fail.
 */
int spool_open(int dir_fd, const struct spool_opts *opts, uint64_t now_real_ns, struct spool **ret,
	       struct spool_failure *failure);
struct spool *spool_free(struct spool *s);

/* A file of a window. The name is one that profile_name.h makes and reads. */
struct spool_file {
	const char *name;
	const void *bytes;
	size_t sz;
};

struct spool_window {
	uint64_t from_real_ns; /* decides the directory */
	uint64_t to_real_ns;
	uint64_t to_boot_ns;
	uint64_t
		untold_ns; /* not sampled before it, and no file says so: the state goes back so far */
	const struct spool_file *files;
	size_t files_cnt; /* 0 is fine: the state moves on */
};

/*
 * Commits all or nothing: 0, or -errno and none of it is visible, now or after a crash. -ENOSPC,
 * -EDQUOT: no room was found even after eviction; -EINVAL: a name that is none of ours. A name that is
 * taken gets ~N. What is committed but cannot be brought to its place is brought there by a later call.
 */
int spool_commit(struct spool *s, const struct spool_window *w);

/*
 * A piece of housekeeping (age, budget, hours): 1: there is more to do; 0: done for now; -errno.
 * @now_real_ns counts only until the first commit: from then on time is the end of the last window.
 */
int spool_maintain(struct spool *s, uint64_t now_real_ns);

void spool_set_limits(struct spool *s, const struct spool_limits *limits);
void spool_figures(const struct spool *s, struct spool_figures *ret);

/*
 * When the last committed window ended, less what is untold, CLOCK_BOOTTIME; 0: not known, or before this
 * boot.
 */
uint64_t spool_last_end_ns(const struct spool *s);

/* Reading, also by others than the one who writes. */
struct spool_entry {
	char path[256]; /* relative to the directory */
	char comm[80];
	char kind[16];
	uint64_t from_real_ns, to_real_ns;
	uint64_t start_ticks, exe_id;
	uint64_t bytes;
	uint32_t pid, exec;
	bool ended; /* of processes that began and ended within: pid, start_ticks and exec are 0 */
};

/* Negative ends the walk with it. */
typedef int (*spool_entry_fn)(const struct spool_entry *e, void *ctx);

/*
 * Every profile whose interval touches [since, until) of the wall clock (0, UINT64_MAX: all), oldest
 * hour first; files that come and go meanwhile are seen or not. 0 or -errno.
 */
int spool_list(int dir_fd, uint64_t since_real_ns, uint64_t until_real_ns, spool_entry_fn fn,
	       void *ctx);

DEFINE_CLEANUP(struct spool *, spool_free);
