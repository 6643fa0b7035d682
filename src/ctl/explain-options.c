/* SPDX-License-Identifier: Apache-2.0 */

/* The options of `cprofctl explain`; they may stand behind a FILE too. */

#include "explain-options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"

static int set_root(void *ctx, const char *arg)
{
	struct explain_args *a = ctx;

	if (arg[0] != '/')
		return -EINVAL;
	a->root = strcmp(arg, "/") == 0 ? "" : arg;
	return 0;
}

static int set_help(void *ctx, const char *arg)
{
	struct explain_args *a = ctx;

	a->help = true;
	return 0;
}

static const struct option_desc explain_option_descs[] = {
	{ "root", 0, "DIR", "ELF files and their debug files are below DIR", set_root,
	  "a path that begins with /" },
	{ "help", 'h', NULL, "this text", set_help, NULL },
};

int explain_args_parse(struct explain_args *args, struct ctl_globals *globals, int argc,
		       char **argv, struct option_problem *ret_problem)
{
	const struct option_set sets[] = {
		{ explain_option_descs, ELEMENTSOF(explain_option_descs), args },
		ctl_global_options(globals),
	};
	int at = 0;

	*args = (struct explain_args){ .root = "" };
	args->files = calloc((size_t)argc, sizeof(*args->files));
	if (!args->files)
		return -ENOMEM;
	for (;;) {
		int r = options_parse(sets, ELEMENTSOF(sets), argc - at, argv + at, ret_problem);

		if (r < 0)
			return r;
		at += r;
		if (at >= argc || strcmp(argv[at - 1], "--") == 0)
			break;
		args->files[args->files_cnt++] = argv[at];
	}
	for (; at < argc; at++)
		args->files[args->files_cnt++] = argv[at];
	if (args->files_cnt > 0 || args->help)
		return 0;
	(void)snprintf(ret_problem->why, sizeof(ret_problem->why), "which FILE?");
	return -EINVAL;
}

void explain_args_done(struct explain_args *args)
{
	free(args->files);
}

void explain_args_help(void)
{
	const struct option_set set = { explain_option_descs, ELEMENTSOF(explain_option_descs),
					NULL };

	fputs("Usage: cprofctl explain [OPTIONS] FILE...\n"
	      "\n"
	      "Where names and lines come from, and why some are missing. Of an ELF file: each\n"
	      "source of names, lines and unwinding rows that it has, which one wins, and what\n"
	      "to do for more. Of profiles, all together: a row for each object with how many of\n"
	      "its frames are named. A directory is all profiles below it, - standard input.\n"
	      "\n"
	      "Options:\n",
	      stdout);
	options_print(stdout, &set);
	fputs("\n"
	      "Exit status: 0 done; 1 a file cannot be used; 2 wrong usage; 3 no frames.\n"
	      "\n"
	      "Examples:\n"
	      "  cprofctl explain server.pb.gz\n"
	      "  cprofctl explain /usr/bin/openssl /lib/x86_64-linux-gnu/libc.so.6\n"
	      "  cprofctl explain --root /proc/1234/root /usr/bin/server\n",
	      stdout);
}
