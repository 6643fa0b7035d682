/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * live — a recording that is only looked at: its profiles are summed up and written nowhere. For
 * `top` and `check`; `record` with its command, files and signals is recording.h.
 */

#include "accounting.h"
#include "progress.h"
#include "session-client.h"

struct live {
	/* Of the caller. */
	struct session_client *client;
	struct session_start start;
	struct accounting *acc;
	struct progress progress;
	/* Called when sampling has begun and when it is over; may be NULL. */
	void (*on_phase)(void *ctx, bool sampling);
	void *ctx;

	/* What came of it. */
	uint32_t cpus;		    /* with an event */
	uint64_t weight_ns;	    /* of all profiles */
	char why[SESSION_TEXT_MAX]; /* when it failed: clean text, "what: why; next step" */

	bool over; /* sampling is */
};

/* Runs to the end and lets the sampler go. 0 or -errno with l->why. */
int live_run(struct live *l);
