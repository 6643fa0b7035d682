/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * symbolize — the sampler's side of naming: asks the opener for files and the symbolizer for names, believes
 * neither, remembers the answers. A role that is gone, hangs or lies costs names: what it owed is asked again of
 * its successor, up to a limit of tries per object. Never blocks: the owner dispatches, and gives the time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/counters.h"
#include "cprof/names.h"
#include "cprof/object.h"
#include "cprof/rows.h"
#include "cprof/window.h"
#include "cprof/wire.h"

struct symbolize;

struct symbolize_opts {
	struct objects *objects;
	struct names *names;
	struct counters *counters;
	/* The file was opened, or never will be: BPF may be told its id and announce it no more. */
	void (*on_object)(uint32_t object, void *ctx);
	/* Its table was lost with a symbolizer: BPF should forget the id and announce it again. */
	void (*on_forget)(uint32_t object, void *ctx);
	/*
	 * An answer to symbolize_send_opener(), valid during the call, which may send further questions:
	 * 0, or -EBADMSG: it is a lie. NULL: none is ever asked for.
	 */
	int (*on_mapped)(const struct wire_mapped *m, void *ctx);
	/*
	 * How the code of a file or of the vDSO is undone, checked, valid during the call; one without pages: nothing
	 * is known. Comes some time after on_object(), once more when a separate debug file says more, and of large
	 * files by the page, each time the others absent. NULL: dropped, and nobody is asked.
	 */
	void (*on_rows)(uint32_t object, const struct rows_view *rows, void *ctx);
	/*
	 * Asks for the lines of these places in BPF programs, of which at most SYMBOLIZE_CODE_MAX come at once: those
	 * that are known are told to symbolize_code_line() (symbolize_kernel.h) during the call. NULL: nobody knows any.
	 */
	void (*on_code)(const uint64_t *places, size_t cnt, void *ctx);
	void *ctx;
	size_t names_max; /* bytes of names, shared out among the owners of files; 0: no bound */
};

int symbolize_new(const struct symbolize_opts *opts, struct symbolize **ret);
struct symbolize *symbolize_free(struct symbolize *s);

/*
 * New ends, owned from now on (the old ones are closed); -EBADF: there is none for now. @others_ns is
 * since when the opener owed the oldest of the others' answers: only what is older may have killed it.
 */
void symbolize_set_opener(struct symbolize *s, int fd, uint64_t others_ns, uint64_t now_ns);
void symbolize_set_symbolizer(struct symbolize *s, int fd, uint64_t now_ns);

/* A file was announced: has it opened unless that is done, under way, or refused. */
void symbolize_announce(struct symbolize *s, const struct cprof_announce *a, uint64_t now_ns);

/* Sends somebody else's question over the same socket; 0, -EBADF: there is none, or -errno: not now. */
int symbolize_send_opener(struct symbolize *s, const struct wire_maps *m);
/* Since when the opener owes the file that it was asked for first; UINT64_MAX: it owes none. */
uint64_t symbolize_opener_owes_ns(struct symbolize *s);
/* A stack of this process has frames of it: its rows, if they are due, are worth more, and its file is there. */
void symbolize_use(struct symbolize *s, uint32_t object, uint32_t pid, uint64_t start_ns);
/* Of this page of the file (64 KiB of it) rows would be something new: a stack met it, or may have. */
void symbolize_want_page(struct symbolize *s, uint32_t object, uint32_t page);
/* That process has ended; @pid 0: by its start alone it is known which. */
void symbolize_gone(struct symbolize *s, uint32_t pid, uint64_t start_ns);
/* Is a file let go of soon that nobody may have any more? What it tells is to be asked for now. */
bool symbolize_lets_go(struct symbolize *s);
/* Does a process tell names of code that it makes? The same memory may have another one soon. */
bool symbolize_has_maps(struct symbolize *s);
/* There is little CPU time: rows are asked for slowly from now on, or as they come again. */
void symbolize_defer(struct symbolize *s, bool deferred);
/* Its file is to be read once more, for what else came of it, as soon as a process has it. */
void symbolize_read_again(struct symbolize *s, uint32_t object, uint64_t now_ns);
/* Its unwinding rows are on their way: the file is being opened or read. */
bool symbolize_awaits_rows(struct symbolize *s, uint32_t object);

/*
 * The object is about to be forgotten: its table in the symbolizer is dropped. False when a role is
 * at work on it; then it has to stay.
 */
bool symbolize_forget(struct symbolize *s, uint32_t object);

/* Drops names that no stack wanted since, and those of forgotten objects; 0 or -ENOMEM. */
int symbolize_sweep(struct symbolize *s, uint64_t before_ns);
/* A symbolizer was caught: its names are dropped, and files read again. Its rows are the caller's to drop. */
void symbolize_disbelieve(struct symbolize *s, uint64_t now_ns);

/*
 * Reads what has come; 0, or -EPIPE: that role is gone, or -EBADMSG: it lied. The owner then stops
 * watching the descriptor, sets it to -EBADF, and has a liar replaced by the launcher.
 */
int symbolize_dispatch_opener(struct symbolize *s, uint64_t now_ns);
int symbolize_dispatch_symbolizer(struct symbolize *s, uint64_t now_ns);

/*
 * A view: which places of one window were asked for. Any number of windows may be looked at side by
 * side (one that is filled, those that wait for their last names, those of recordings); what one
 * learns all know. The window has to outlive its view, the view must be freed before @s. 0, -ENOMEM,
 * or -E2BIG: there are SYMBOLIZE_VIEWS_MAX already.
 */
#define SYMBOLIZE_VIEWS_MAX 64
struct symbolize_view;
int symbolize_view_new(struct symbolize *s, const struct window *w, struct symbolize_view **ret);
struct symbolize_view *symbolize_view_free(struct symbolize_view *v);

/* For timers: what could not be opened is tried again, if due; files are let go of, and what waits is sent. */
void symbolize_retry(struct symbolize *s, uint64_t now_ns);
void symbolize_tick(struct symbolize *s, uint64_t now_ns);
/*
 * Asks for every name of the window that is not known yet, in batches; or for the urgent ones, of files that
 * are let go of soon and of run-time code, and the others wait. Names are kept for the offset of an exact frame
 * (a leaf) and the offset minus one of a return address, names_offset(). Nothing while answers are still owed.
 */
int symbolize_window(struct symbolize_view *v, uint64_t now_ns);
int symbolize_window_urgent(struct symbolize_view *v, uint64_t now_ns);
/* Stacks of the window got other frames than they had: all are to be looked at again. */
void symbolize_look_again(struct symbolize_view *v);
/* The window ends: perf maps are read once more, and names that they tell are asked for again. */
void symbolize_close_window(struct symbolize_view *v, uint64_t now_ns);
/* How many answers the window still waits for: its own files on their way, not others', and names asked for. */
unsigned int symbolize_pending(const struct symbolize_view *v);
/* Frames of the window that have no name because the answer did not come in time. */
uint64_t symbolize_late(struct symbolize_view *v);

/* Answers of symbolizers so far that made sense: whoever waits sees that it is worth it. */
uint64_t symbolize_answers(const struct symbolize *s);
/*
 * True when that role owes something and was silent for @limit_ns, five times that while it makes rows: it
 * hangs and should be replaced. On a busy machine it may only be slow: a symbolizer that said nothing before
 * it was judged leaves twice the patience (to 15 times) to those who follow.
 */
bool symbolize_is_stuck(struct symbolize *s, uint64_t now_ns, uint64_t limit_ns);
/* How long the symbolizer is waited for now. */
uint64_t symbolize_patience(const struct symbolize *s, uint64_t limit_ns);
/* Does the opener or the symbolizer owe an answer? */
bool symbolize_owes(const struct symbolize *s);
/* They waited for a CPU for so long: that was no silence. */
void symbolize_waited(struct symbolize *s, uint64_t symbolizer_ns, uint64_t opener_ns);
bool symbolize_opener_is_stuck(const struct symbolize *s, uint64_t now_ns, uint64_t limit_ns);

DEFINE_CLEANUP(struct symbolize *, symbolize_free);
DEFINE_CLEANUP(struct symbolize_view *, symbolize_view_free);
