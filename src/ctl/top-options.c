/* SPDX-License-Identifier: Apache-2.0 */

/* The options of `cprofctl top`; they carry pprof's names, and may stand behind a SOURCE too. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "top-options.h"
#include "units.h"

#define TOP_TYPE_MAX 63

static int set_nodecount(void *ctx, const char *arg)
{
	struct top_args *a = ctx;
	uint64_t n;

	if (units_parse_number(arg, 0, INT32_MAX, &n) < 0)
		return -EINVAL;
	a->query.max = n;
	return 0;
}

static int set_nodefraction(void *ctx, const char *arg)
{
	struct top_args *a = ctx;
	char *end;
	double v = strtod(arg, &end);

	/* strtod(3) takes spaces, signs, hexadecimal and infinities too. */
	if (!*arg || *end || strspn(arg, "0123456789.") != strlen(arg) || v > 1)
		return -EINVAL;
	a->query.fraction = v;
	return 0;
}

static int set_cum(void *ctx, const char *arg)
{
	struct top_args *a = ctx;

	a->query.by_cum = true;
	return 0;
}

static int set_sample_index(void *ctx, const char *arg)
{
	struct top_args *a = ctx;

	if (!*arg || strlen(arg) > TOP_TYPE_MAX)
		return -EINVAL;
	a->sample_index = arg;
	return 0;
}

static int set_help(void *ctx, const char *arg)
{
	struct top_args *a = ctx;

	a->help = true;
	return 0;
}

static const struct option_desc top_option_descs[] = {
	{ "nodecount", 'n', "N", "show at most N functions (default 0: no limit)", set_nodecount,
	  "a number" },
	{ "nodefraction", 0, "F", "leave out functions below this share (default 0.005)",
	  set_nodefraction, "a number from 0 to 1" },
	{ "cum", 0, NULL, "sort by cum, not by flat", set_cum, NULL },
	{ "sample-index", 0, "TYPE", "what is shown: a sample type's name or number",
	  set_sample_index, "the name or number of a sample type" },
	{ "help", 'h', NULL, "this text", set_help, NULL },
};

static struct option_set top_option_set(struct top_args *args)
{
	return (struct option_set){ top_option_descs, ELEMENTSOF(top_option_descs), args };
}

int top_args_parse(struct top_args *args, struct ctl_globals *globals, int argc, char **argv,
		   struct option_problem *ret_problem)
{
	const struct option_set sets[] = { top_option_set(args), sampler_options(&args->sampler),
					   ctl_global_options(globals) };
	int at = 0;

	*args = (struct top_args){ .query = { .fraction = TOP_FRACTION_DEFAULT } };
	args->sources = calloc((size_t)argc, sizeof(*args->sources));
	if (!args->sources)
		return -ENOMEM;
	for (;;) {
		int r = options_parse(sets, ELEMENTSOF(sets), argc - at, argv + at, ret_problem);

		if (r < 0)
			return r;
		at += r;
		if (at >= argc)
			return 0;
		if (strcmp(argv[at - 1], "--") == 0)
			break;
		args->sources[args->sources_cnt++] = argv[at];
	}
	for (; at < argc; at++)
		args->sources[args->sources_cnt++] = argv[at];
	return 0;
}

void top_args_done(struct top_args *args)
{
	sampler_choice_done(&args->sampler);
	free(args->sources);
}

void top_args_help(void)
{
	const struct option_set set = top_option_set(NULL);

	fputs("Usage: cprofctl top [OPTIONS] [SOURCE...]\n"
	      "\n"
	      "The functions that took most, of all sources together, as `go tool pprof -top`\n"
	      "prints them. A SOURCE is a profile, a directory with profiles below it, or - for\n"
	      "standard input. Without any it is what the daemon stored of the last 10 minutes\n"
	      "of the machine; where it has nothing, or does not run, the machine is recorded\n"
	      "for 5 seconds, which needs a daemon or root.\n"
	      "\n"
	      "Options:\n",
	      stdout);
	options_print(stdout, &set);
	fputs("\n"
	      "Columns: flat is what a function took itself, cum with all that it called, sum% "
	      "the\n"
	      "flat shares so far.\n"
	      "\n"
	      "Exit status: 0 done; 1 failed, or a source could not be used (the others are\n"
	      "shown); 2 wrong usage; 3 there were no samples.\n"
	      "\n"
	      "Examples:\n"
	      "  cprofctl top profile.pb.gz\n"
	      "  cprofctl top --cum --nodecount 20 cprofd-profiles-20260101-120000/\n"
	      "  cprofctl top --sample-index samples *.pb.gz\n"
	      "  sudo cprofctl top\n",
	      stdout);
}
