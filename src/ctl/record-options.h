/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* record-options — the command line of `cprofctl record`, judged as a whole. */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/base/vec.h"
#include "cprof/event.h"
#include "ctl.h"
#include "cprof/session.h"
#include "options.h"
#include "sampler.h"

#define RECORD_HZ_DEFAULT 99
#define RECORD_SECONDS_DEFAULT 10

struct record_args {
	VEC(int32_t) pids;	    /* each once */
	char unit[SESSION_UNIT_SZ]; /* "": none given */
	bool all;
	bool children; /* the pids with all that descends from them */
	bool help;
	uint64_t duration_ns; /* 0: until the command exits */
	uint32_t hz;	      /* 0: none given */
	const struct event *event;
	uint64_t event_count; /* a sample for every so many; 0: hz */
	uint32_t ring_bytes;  /* 0: the sampler's default */
	const char *output;   /* NULL: none given */
	const char *raw;      /* the file for replay; NULL: none wanted */
	bool with_memory;     /* in it the memory of stacks */
	struct sampler_choice sampler;
	char **command; /* NULL: none; ends with NULL as argv does */
};

/*
 * Fills *args with the defaults in place. 0; -EINVAL and *ret_problem: wrong usage; -ENOMEM. With
 * args->help set nothing else was checked. In every case record_args_done() is the caller's.
 */
int record_args_parse(struct record_args *args, struct ctl_globals *globals, int argc, char **argv,
		      struct option_problem *ret_problem);
void record_args_done(struct record_args *args);
void record_args_help(void);
