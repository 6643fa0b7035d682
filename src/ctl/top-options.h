/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* top-options — the command line of `cprofctl top`. */

#include "cprof/report.h"
#include "ctl.h"
#include "options.h"
#include "sampler.h"

#define TOP_FRACTION_DEFAULT 0.005 /* pprof's */

struct top_args {
	struct report_query query;
	const char *sample_index; /* NULL: the profile's default */
	bool help;
	struct sampler_choice sampler;
	const char **sources; /* of argv; the array is ours */
	size_t sources_cnt;   /* 0: the machine now */
};

/* As record_args_parse(). */
int top_args_parse(struct top_args *args, struct ctl_globals *globals, int argc, char **argv,
		   struct option_problem *ret_problem);
void top_args_done(struct top_args *args);
void top_args_help(void);
