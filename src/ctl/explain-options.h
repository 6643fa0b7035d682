/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* explain-options — the command line of `cprofctl explain`. */

#include "ctl.h"
#include "options.h"

struct explain_args {
	const char *root; /* files and debug files are below it; "": "/" */
	bool help;
	const char **files; /* of argv; the array is ours */
	size_t files_cnt;
};

/* As top_args_parse(). */
int explain_args_parse(struct explain_args *args, struct ctl_globals *globals, int argc,
		       char **argv, struct option_problem *ret_problem);
void explain_args_done(struct explain_args *args);
void explain_args_help(void);
