/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * remap — where the walk of the mapping tree is switched off: user frames that carry their address
 * alone get an object and an offset by asking the opener which mapping holds it.
 *
 * A stack is located once, by the mappings there are when it is asked for: later than its sample.
 * What is known of a process are the mappings that were asked for, for a second. A role that is gone,
 * hangs or lies costs places, never samples; a process that is gone keeps its addresses unlocated.
 *
 * Never blocks, knows no loop and no socket: the owner sends what ask() is given, hands the answers
 * in, and gives the time. One remap serves one window.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/counters.h"
#include "cprof/object.h"
#include "cprof/window.h"
#include "cprof/wire.h"

struct remap;

struct remap_opts {
	struct objects *objects;
	struct counters *counters;
	/* Sends it to the opener: 0, or -errno and it is asked again later. */
	int (*ask)(const struct wire_maps *m, void *ctx);
	/* A mapped file, as BPF would have announced it: to be opened while the process lives. */
	void (*on_file)(const struct cprof_announce *a, void *ctx);
	uint64_t first_id; /* of its questions; the next ones count up from it */
	void *ctx;
};

int remap_new(const struct remap_opts *opts, uint64_t seed, struct remap **ret);
struct remap *remap_free(struct remap *r);

/*
 * Takes the stacks that the window got since the last call, asks for what is not known. How many
 * stacks got their places in this call, or -ENOMEM: those not taken yet are taken by the next.
 */
int remap_window(struct remap *r, struct window *w, uint64_t now_ns);

/*
 * The opener's answer: how many stacks got their places by it (after remap_finish() none), or -EBADMSG:
 * it lies.
 */
int remap_on_mapped(struct remap *r, struct window *w, const struct wire_mapped *m,
		    uint64_t now_ns);

/* It said something, be it of another matter: it is at work. */
void remap_opener_heard(struct remap *r, uint64_t now_ns);
/* Since when it owes the oldest answer; UINT64_MAX: it owes none. */
uint64_t remap_opener_owes_ns(const struct remap *r);
/*
 * It is gone: what it owed is asked of the next, but whom it died of is given up in the end: nobody,
 * if it owed others an answer since before (@others_ns; UINT64_MAX: it owed none).
 */
void remap_opener_lost(struct remap *r, uint64_t others_ns);
/* It waited for a CPU for so long: that was no silence. */
void remap_opener_waited(struct remap *r, uint64_t ns);
/* True when it owes an answer and was silent for @limit_ns. */
bool remap_opener_is_stuck(const struct remap *r, uint64_t now_ns, uint64_t limit_ns);

/* How many stacks wait for answers. */
unsigned int remap_pending(const struct remap *r);

/*
 * No more answers: what waits stays unlocated, and is counted. Also sums up anew how many samples of
 * each process have whole stacks: of some, the last frames turned out to be none.
 */
void remap_finish(struct remap *r, struct window *w);

DEFINE_CLEANUP(struct remap *, remap_free);
