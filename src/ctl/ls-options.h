/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ls-options — the command line of `cprofctl ls`: which profiles are meant. */

#include <regex.h>

#include "cprof/base/vec.h"
#include "ctl.h"
#include "options.h"

struct ls_args {
	uint64_t now_ns;   /* of the wall clock: what times are taken from */
	uint64_t since_ns; /* 0: from the first */
	uint64_t until_ns; /* UINT64_MAX: to the last */
	bool until_of_day; /* it was said as "14:30" */
	VEC(uint64_t) pids;
	VEC(char *) kinds;
	regex_t comm;
	bool by_comm; /* @comm is there */
	bool help;
};

/* As record_args_parse(). */
int ls_args_parse(struct ls_args *args, struct ctl_globals *globals, int argc, char **argv,
		  struct option_problem *ret_problem);
void ls_args_done(struct ls_args *args);
void ls_args_help(void);
