/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * replay — one file with all that the profiles of a recording were made of, so that another run, by
 * a plain user on another machine, makes the same profiles of it. Format: docs/formats/replay.md.
 *
 * Nothing in it tells where memory of the kernel or of a process was: keys of files become numbers,
 * kernel text becomes its distance from _stext, runtime addresses become numbers that keep equality.
 * But for one that was asked for with memory: it has registers, stacks and mappings as they were.
 *
 *	writing		tables of a window, then each sample, then memory if asked for, then the end
 *	reading		entry by entry, checked; replay_restore() fills tables again
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cprof/cgroups.h"
#include "cprof/counters.h"
#include "cprof/names.h"
#include "cprof/object.h"
#include "cprof/replay_format.h"
#include "cprof/window.h"

/* Takes the next bytes of the file; 0 or -errno, which ends the writing. */
typedef int (*replay_write_fn)(const void *bytes, size_t sz, void *ctx);
/* Gives at most @sz bytes: their number, 0 at the end of the file, or -errno. */
typedef ssize_t (*replay_read_fn)(void *dst, size_t sz, void *ctx);

struct replay_writer_opts {
	const struct replay_session *session; /* size may be 0 */
	const struct window *window;	      /* finished: it changes no more */
	struct objects *objects;
	const struct names *names;
	const struct cgroups *cgroups;
	bool memory;	      /* rows and kept stacks will come */
	const uint32_t *more; /* objects that these lead to */
	size_t more_cnt;
	replay_write_fn write;
	void *ctx;
};

struct replay_writer;

/* Writes the head and all tables: 0 and *ret, or -ENOMEM or the writer's error. */
int replay_writer_new(const struct replay_writer_opts *opts, struct replay_writer **ret);
struct replay_writer *replay_writer_free(struct replay_writer *w);

/*
 * A sample of the window: its head as BPF sent it, the indexes of its process and stack. What of the
 * head is not of this file is replaced.
 */
int replay_write_sample(struct replay_writer *w, const struct cprof_sample *head, uint32_t process,
			uint32_t stack);
/*
 * Memory of processes, where it was asked for: behind the samples all blocks of rows (rows.h), behind
 * these the stacks. Objects are indexes of the table, of opts->more.
 */
int replay_write_rows(struct replay_writer *w, uint32_t object, const void *bytes, size_t sz);
int replay_write_kept(struct replay_writer *w, const struct cprof_kept *head,
		      const struct cprof_kept_map *maps, const void *stack);
/* What is known of the processes besides their samples, the counters, the mark of the end. */
int replay_write_end(struct replay_writer *w, const struct counters *counters);
/* Of the file so far, those that still wait to be written included. */
uint64_t replay_writer_bytes(const struct replay_writer *w);

/* What is wrong with a file, for one line to the user. */
struct replay_fault {
	uint64_t offset; /* in the file, of the chunk or entry */
	char text[160];
};

/*
 * An entry, checked: its sizes and counts hold, its references lead to what came before. Of RECORDS and
 * KEPT it is a struct cprof_head; whether the record is one, decode_record() tells. -errno ends the reading.
 */
typedef int (*replay_entry_fn)(enum replay_type type, const void *entry, void *ctx);

struct replay_reader_opts {
	replay_read_fn read;
	replay_entry_fn entry;
	void *ctx; /* of both */
};

/*
 * Reads a whole file. 0; -EBADMSG: it is cut, damaged or no such file; -EPROTONOSUPPORT: another
 * version; both with *ret_fault. Or an error of the callbacks or -ENOMEM, with the offset.
 */
int replay_read(const struct replay_reader_opts *opts, struct replay_fault *ret_fault);

/* Tables to fill; all fresh when reading begins. */
struct replay_tables {
	struct objects *objects;
	struct names *names;
	struct cgroups *cgroups;
	struct window *window; /* for PROCESS entries; the samples are folded by then */
	uint32_t process;      /* of the window: the next that an entry may mean */
};

/* OBJECT, NAME, GROUP and PROCESS entries go to the tables, others are ignored; 0 or -errno. */
int replay_restore(struct replay_tables *t, enum replay_type type, const void *entry);

DEFINE_CLEANUP(struct replay_writer *, replay_writer_free);
