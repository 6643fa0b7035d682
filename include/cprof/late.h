/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * late — user stacks that get better after their samples were counted: walked again here when the unwinding
 * rows of their files are there, over what was kept of them (CPROF_RECORD_KEPT), or walked again in the
 * kernel (CPROF_RECORD_REST).
 *
 * A sample of CPROF_SAMPLE_LATE is in the window with the stack that there was, which is its alone. What a
 * later walk finds takes the place of the user frames if it is more. A stack waits at the first object
 * whose rows are not there; when the window ends, what waits is walked with what there is.
 *
 * What was kept is bounded in bytes, in all and by user. Never blocks, deterministic, knows no pool and no
 * object table: the owner finds rules, and tells what references of records mean. One late serves one window.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/counters.h"
#include "cprof/record.h"
#include "cprof/unwind.h"
#include "cprof/window.h"

struct late;

struct late_opts {
	struct counters *counters;
	/* The rule for a place, ROWS_FOUND, or why there is none. */
	enum rows_answer (*find)(uint32_t object, uint64_t offset, struct cprof_rule *ret,
				 void *ctx);
	/* Rows of this place, whose file has them, may be needed: a stack met it, or a word on it says so. NULL: nobody asks. */
	void (*want)(uint32_t object, uint64_t offset, void *ctx);
	/* Are rows of the object on their way? Others are not waited for. */
	bool (*awaits)(uint32_t object, void *ctx);
	uint32_t frames_max; /* of a user stack */
	size_t bytes_max;    /* of what is kept, and of new frames */
	void *ctx;
};

int late_new(const struct late_opts *opts, uint64_t seed, struct late **ret);
struct late *late_free(struct late *l);

/* A sample of CPROF_SAMPLE_LATE is in the window, with this stack. Without memory the stack stays as it is. */
void late_remember(struct late *l, const struct cprof_sample *s, uint32_t stack);
/* That sample; NULL: it is not of this window. */
const struct cprof_sample *late_sample(const struct late *l, uint16_t cpu, uint64_t seq);

/* A record KEPT; @objects are those of its mappings. What finds no room is counted. */
void late_keep(struct late *l, const struct record *rec, const uint32_t *objects);
/* A record REST; @user are its frames. True: the stack got them. */
bool late_take_rest(struct late *l, struct window *w, const struct record *rec,
		    const struct window_frame *user);

/* Walks what does not wait any more; how many stacks got other frames. */
unsigned int late_window(struct late *l, struct window *w);
/* How many stacks wait for rows that are on their way. */
unsigned int late_pending(struct late *l);
/* Nothing more comes: walks all that waits. How many stacks got other frames. */
unsigned int late_finish(struct late *l, struct window *w);

/* All that it takes of memory; nothing of NULL. */
size_t late_bytes(const struct late *l);

DEFINE_CLEANUP(struct late *, late_free);
