/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * recording — one recording from START to END: answers the sampler, watches the processes, the
 * command, the signals and the clock, and writes each profile when it comes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "accounting.h"
#include "child.h"
#include "cprof/base/loop.h"
#include "cprof/output.h"
#include "progress.h"
#include "record-options.h"
#include "session-client.h"
#include "targets.h"

enum recording_phase {
	RECORDING_STARTING,
	RECORDING_SAMPLING,
	RECORDING_FINISHING, /* no more samples; names and files */
	RECORDING_OVER,
};

struct recording_watch {
	struct recording *rec;
	struct target *target;
};

struct recording {
	/* Of the caller, before recording_run(). */
	const struct record_args *args;
	struct session_client *client;
	struct targets *targets;
	struct child *command; /* NULL: none */
	uint32_t command_pid;  /* also when it is reaped */
	struct output *output;
	struct output *raw; /* of the file for replay; NULL: none wanted */
	struct accounting *acc;
	struct progress progress;
	int signal_fd;

	/* What came of it. */
	bool failed;	/* something of ours; it was said */
	bool ran;	/* the command got to its exec */
	int exec_error; /* -errno of the command's exec, or 0 */
	size_t gone;	/* targets that ended meanwhile */

	/* Its own. */
	struct loop *loop;
	struct loop_source *session;
	struct loop_source *watchdog;
	struct loop_source *grace;
	struct recording_watch *watches;
	enum recording_phase phase;
	bool interrupted;
};

/* Runs to the end; faults of the recording are said and in rec->failed. -errno: we cannot run. */
int recording_run(struct recording *rec);
