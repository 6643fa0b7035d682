/* SPDX-License-Identifier: Apache-2.0 */

/* The options of `cprofctl ls`. Lists may be given in one word or in several, or both. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "ls-options.h"
#include "times.h"
#include "units.h"

#define LS_LIST_MAX 256
#define LS_DAY_NS (24 * 3600 * NSEC_PER_SEC)

/* Calls @add for each word between commas. */
static int for_each_word(const char *list, int (*add)(struct ls_args *a, const char *word),
			 struct ls_args *a)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *word;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (word = strsep(&rest, ",")))
		r = add(a, word);
	return r;
}

static int add_pid(struct ls_args *a, const char *word)
{
	uint64_t pid;

	if (a->pids.cnt == LS_LIST_MAX || units_parse_number(word, 1, INT32_MAX, &pid) < 0)
		return -EINVAL;
	return vec_push(&a->pids, pid);
}

static int set_pid(void *ctx, const char *arg)
{
	return for_each_word(arg, add_pid, ctx);
}

static int add_kind(struct ls_args *a, const char *word)
{
	char *copy;
	int r;

	if (a->kinds.cnt == LS_LIST_MAX || !*word ||
	    strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(word))
		return -EINVAL;
	copy = strdup(word);
	if (!copy)
		return -ENOMEM;
	r = vec_push(&a->kinds, copy);
	if (r < 0)
		free(copy);
	return r;
}

static int set_kind(void *ctx, const char *arg)
{
	return for_each_word(arg, add_kind, ctx);
}

static int set_comm(void *ctx, const char *arg)
{
	struct ls_args *a = ctx;

	if (a->by_comm)
		regfree(&a->comm);
	a->by_comm = *arg && regcomp(&a->comm, arg, REG_EXTENDED | REG_NOSUB) == 0;
	return a->by_comm ? 0 : -EINVAL;
}

static int set_since(void *ctx, const char *arg)
{
	struct ls_args *a = ctx;

	return times_parse(arg, a->now_ns, &a->since_ns) < 0 ? -EINVAL : 0;
}

static int set_until(void *ctx, const char *arg)
{
	struct ls_args *a = ctx;

	a->until_of_day = strlen(arg) <= strlen("14:00:00") && strchr(arg, ':');
	return times_parse(arg, a->now_ns, &a->until_ns) < 0 ? -EINVAL : 0;
}

static int set_help(void *ctx, const char *arg)
{
	struct ls_args *a = ctx;

	a->help = true;
	return 0;
}

static const struct option_desc ls_option_descs[] = {
	{ "pid", 'p', "P[,P...]", "of these processes", set_pid, "process ids" },
	{ "comm", 0, "RE", "of processes whose name matches", set_comm,
	  "a regular expression, as grep -E" },
	{ "kind", 0, "K[,K...]", "of these kinds: cpu", set_kind, "kinds of profiles: cpu" },
	{ "since", 0, "TIME", "of samples from then on", set_since, TIMES_ALLOWED },
	{ "until", 0, "TIME", "of samples before then", set_until, TIMES_ALLOWED },
	{ "help", 'h', NULL, "this text", set_help, NULL },
};

int ls_args_parse(struct ls_args *args, struct ctl_globals *globals, int argc, char **argv,
		  struct option_problem *ret_problem)
{
	const struct option_set sets[] = { { ls_option_descs, ELEMENTSOF(ls_option_descs), args },
					   ctl_global_options(globals) };
	int r;

	*args = (struct ls_args){ .now_ns = clock_real_ns(), .until_ns = UINT64_MAX };
	(void)snprintf(ret_problem->why, sizeof(ret_problem->why), "too many arguments");
	r = options_parse(sets, ELEMENTSOF(sets), argc, argv, ret_problem);
	if (r < 0)
		return r;
	/* From 14:00 until 14:30, said at 14:10: that is no yesterday. */
	if (args->until_of_day && args->since_ns >= args->until_ns)
		args->until_ns += LS_DAY_NS;
	if (r == argc && args->since_ns >= args->until_ns) {
		(void)snprintf(ret_problem->why, sizeof(ret_problem->why),
			       "--since is not before --until");
		return -EINVAL;
	}
	return r < argc ? -EINVAL : 0;
}

void ls_args_done(struct ls_args *args)
{
	vec_done(&args->pids);
	for (size_t i = 0; i < args->kinds.cnt; i++)
		free(args->kinds.v[i]);
	vec_done(&args->kinds);
	if (args->by_comm)
		regfree(&args->comm);
	args->by_comm = false;
}

void ls_args_help(void)
{
	const struct option_set set = { ls_option_descs, ELEMENTSOF(ls_option_descs), NULL };

	fputs("Usage: cprofctl ls [OPTIONS]\n"
	      "\n"
	      "The profiles that the daemon has stored, the newest last. It tells root and its\n"
	      "group, cprofd.\n"
	      "\n"
	      "Options:\n",
	      stdout);
	options_print(stdout, &set);
	fputs("\n"
	      "A TIME is 30s, 5m, -10m, 2h or 7d ago, 14:00, 2026-01-31, or RFC 3339.\n"
	      "\n"
	      "Exit status: 0 done; 1 failed; 2 wrong usage; 3 there are none.\n"
	      "\n"
	      "Examples:\n"
	      "  sudo cprofctl ls --comm '^nginx' --since 1h\n"
	      "  sudo cprofctl ls --pid 1234 --since 14:00 --until 14:30\n"
	      "  sudo cprofctl --json ls --since 10m | jq -r '.files[].path'\n",
	      stdout);
}
