/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The options of `cprofctl record`. Each option only notes what was asked for; whether the whole
 * makes sense (one kind of target, a length for it) is judged once at the end.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/str.h"
#include "cprof/session.h"
#include "record-options.h"
#include "units.h"

static int set_pid(struct record_args *a, const char *text)
{
	uint64_t pid;

	if (units_parse_number(text, 1, INT32_MAX, &pid) < 0)
		return -EINVAL;
	for (size_t i = 0; i < a->pids.cnt; i++) {
		if (a->pids.v[i] == (int32_t)pid)
			return 0;
	}
	if (a->pids.cnt == SESSION_PIDS_MAX)
		return -EINVAL;
	return vec_push(&a->pids, (int32_t)pid);
}

static int set_pids(void *ctx, const char *arg)
{
	_cleanup_free_ char *copy = strdup(arg);
	char *rest = copy, *word;
	int r;

	if (!copy)
		return -ENOMEM;
	while ((word = strsep(&rest, ","))) {
		r = set_pid(ctx, word);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = strlen(suffix);

	return len > tail && strcmp(name + len - tail, suffix) == 0;
}

/* As systemctl: without a suffix it is a service. */
static int set_unit(void *ctx, const char *arg)
{
	bool whole = has_suffix(arg, ".service") || has_suffix(arg, ".scope") ||
		     has_suffix(arg, ".slice");
	struct record_args *a = ctx;
	char name[3 * SESSION_UNIT_SZ];
	bool changed;
	int n;

	if (!*arg || strchr(arg, '/'))
		return -EINVAL;
	(void)str_clean(name, sizeof(name), arg, strlen(arg), &changed);
	if (changed)
		return -EINVAL;
	n = snprintf(a->unit, sizeof(a->unit), "%s%s", name, whole ? "" : ".service");
	return n < (int)sizeof(a->unit) ? 0 : -EINVAL;
}

static int set_all(void *ctx, const char *arg)
{
	struct record_args *a = ctx;

	a->all = true;
	return 0;
}

static int set_children(void *ctx, const char *arg)
{
	struct record_args *a = ctx;

	a->children = true;
	return 0;
}

static int set_seconds(void *ctx, const char *arg)
{
	struct record_args *a = ctx;

	return units_parse_duration(arg, &a->duration_ns) < 0 ? -EINVAL : 0;
}

static int set_hz(void *ctx, const char *arg)
{
	struct record_args *a = ctx;
	uint64_t hz;

	if (units_parse_number(arg, 1, SESSION_HZ_MAX, &hz) < 0)
		return -EINVAL;
	a->hz = (uint32_t)hz;
	return 0;
}

static int set_event(void *ctx, const char *arg)
{
	struct record_args *a = ctx;

	return event_parse(arg, &a->event, &a->event_count) < 0 ? -EINVAL : 0;
}

static int set_output(void *ctx, const char *arg)
{
	struct record_args *a = ctx;

	if (!*arg || strcmp(arg, "-") == 0)
		return -EINVAL;
	a->output = arg;
	return 0;
}

static int set_raw(void *ctx, const char *arg)
{
	struct record_args *a = ctx;

	if (!*arg || arg[strlen(arg) - 1] == '/' || strcmp(arg, "-") == 0)
		return -EINVAL;
	a->raw = arg;
	return 0;
}

static int set_with_memory(void *ctx, const char *arg)
{
	struct record_args *a = ctx;

	a->with_memory = true;
	return 0;
}

static int set_ring(void *ctx, const char *arg)
{
	struct record_args *a = ctx;
	uint64_t bytes;

	if (units_parse_number(arg, 4096, 1u << 30, &bytes) < 0 || (bytes & (bytes - 1)))
		return -EINVAL;
	a->ring_bytes = (uint32_t)bytes;
	return 0;
}

static int set_help(void *ctx, const char *arg)
{
	struct record_args *a = ctx;

	a->help = true;
	return 0;
}

static const char record_events[] = "one of"
#define EVENT(id, name, ...) " " name
#include "cprof/event.def"
				    ", or such a one with /count (a clock's in ns, from 100000)";

static const struct option_desc record_options[] = {
	{ "pid", 'p', "P[,P...]", "these processes; may be given again", set_pids,
	  "process ids, at most 256, like 1234 or 1234,1235" },
	{ "children", 0, NULL, "with --pid: also all that descends from them, now and later",
	  set_children, NULL },
	{ "unit", 0, "U", "the processes of a systemd unit", set_unit,
	  "the name of a service, a scope or a slice, like nginx.service" },
	{ "all", 'a', NULL, "the whole machine", set_all, NULL },
	{ "seconds", 0, "N", "how long: 30, 30s, 5m (default 10; a command: to its exit)",
	  set_seconds, "a time like 30, 30s or 5m" },
	{ "hz", 0, "N", "samples a second on each CPU (default 99)", set_hz,
	  "a number from 1 to 10000" },
	{ "event", 0, "EV[/COUNT]", "what to sample, see below; COUNT: one of so many", set_event,
	  record_events },
	{ "output", 'o', "FILE|DIR", "where to write", set_output,
	  "the name of a file or directory" },
	{ "raw", 0, "FILE", "also keep what the profiles are made of, for cprofd --replay", set_raw,
	  "the name of a file" },
	{ "with-memory", 0, NULL, "with --raw: also registers, stacks and mappings; root only",
	  set_with_memory, NULL },
	{ "ring", 0, "BYTES", "size of the sample ring (default 512 KiB a CPU)", set_ring,
	  "a power of two from 4096" },
	{ "help", 'h', NULL, "this text", set_help, NULL },
};

static struct option_set record_option_set(struct record_args *args)
{
	return (struct option_set){ record_options, ELEMENTSOF(record_options), args };
}

/* One kind of target, how often, and how long when it was not said. */
static int record_args_judge(struct record_args *a, struct option_problem *ret_problem)
{
	int targets = (a->pids.cnt > 0) + (a->unit[0] != '\0') + a->all + !!a->command;

	if (targets != 1) {
		(void)snprintf(ret_problem->why, sizeof(ret_problem->why), "%s",
			       targets == 0
				       ? "what? give --pid P, --unit U, -a, or a command after --"
				       : "choose one of --pid, --unit, -a and a command");
		return -EINVAL;
	}
	if (a->children && a->pids.cnt == 0) {
		(void)snprintf(ret_problem->why, sizeof(ret_problem->why),
			       "--children goes with --pid%s",
			       a->command ? "; a command is recorded with all that it starts" : "");
		return -EINVAL;
	}
	if (a->with_memory && !a->raw) {
		(void)snprintf(ret_problem->why, sizeof(ret_problem->why),
			       "--with-memory goes with --raw, whose file is to hold it");
		return -EINVAL;
	}
	if (a->hz > 0 && a->event_count > 0) {
		(void)snprintf(ret_problem->why, sizeof(ret_problem->why),
			       "choose one of --hz and a count of --event");
		return -EINVAL;
	}
	if (a->command && !*a->command[0]) {
		(void)snprintf(ret_problem->why, sizeof(ret_problem->why),
			       "the command's name is empty");
		return -EINVAL;
	}
	/* What the kernel counts is seldom: each one is a sample, unless a rate was asked for. */
	if (a->hz == 0 && a->event_count == 0 && a->event->kind == EVENT_SOFTWARE)
		a->event_count = 1;
	if (a->hz == 0)
		a->hz = RECORD_HZ_DEFAULT;
	if (a->duration_ns == 0 && !a->command)
		a->duration_ns = RECORD_SECONDS_DEFAULT * NSEC_PER_SEC;
	return 0;
}

int record_args_parse(struct record_args *args, struct ctl_globals *globals, int argc, char **argv,
		      struct option_problem *ret_problem)
{
	const struct option_set sets[] = { record_option_set(args), sampler_options(&args->sampler),
					   ctl_global_options(globals) };
	int r;

	*args = (struct record_args){ .event = &event_table[0] };
	r = options_parse(sets, ELEMENTSOF(sets), argc, argv, ret_problem);
	if (r < 0)
		return r;
	if (args->help)
		return 0;
	if (r < argc)
		args->command = argv + r;
	return record_args_judge(args, ret_problem);
}

void record_args_done(struct record_args *args)
{
	vec_done(&args->pids);
	sampler_choice_done(&args->sampler);
}

static void record_events_help(void)
{
	fputs("\n"
	      "Events (perf's names). A clock weighs samples in CPU time; of the others a sample\n"
	      "counts as many as it stands for. The kernel's own counts: each one is a sample, "
	      "unless\n"
	      "COUNT or --hz is given. The PMU's, where there is one: by --hz, unless COUNT is "
	      "given.\n",
	      stdout);
	for (size_t i = 0; i < EVENT_MAX; i++) {
		const struct event *e = &event_table[i];
		char name[64];

		(void)snprintf(name, sizeof(name), "%s%s%s", e->name, e->alias ? ", " : "",
			       e->alias ? e->alias : "");
		printf("  %-30s %s%s\n", name, e->prose, e->kind == EVENT_HARDWARE ? " (PMU)" : "");
	}
}

void record_args_help(void)
{
	const struct option_set set = record_option_set(NULL);

	fputs("Usage: cprofctl record --pid P[,P...] [--children] [OPTIONS]\n"
	      "       cprofctl record --unit U [OPTIONS]\n"
	      "       cprofctl record -a [OPTIONS]\n"
	      "       cprofctl record [OPTIONS] [--] CMD [ARG...]\n"
	      "\n"
	      "Takes a CPU profile now, in pprof's format. A command is profiled from its first\n"
	      "instruction to its exit, with all that it starts; its exit status becomes ours.\n"
	      "--children ends early when no process of the tree is left; a child whose parents\n"
	      "were gone before is not found. Ctrl-C ends early and keeps what there is; a second\n"
	      "Ctrl-C gives up.\n"
	      "\n"
	      "Options:\n",
	      stdout);
	options_print(stdout, &set);
	record_events_help();
	fputs("\n"
	      "Files: one per process, <comm>-<pid>-<start>-<exec>.cpu.<from>-<to>.pb.gz (UTC), "
	      "in\n"
	      "the current directory, or for -a and --unit in cprofd-profiles-<date>-<time>.\n"
	      "Nothing is replaced but the FILE of -o. A command and what it starts make one "
	      "file,\n"
	      "and so do processes with --children; with a directory (one that exists, or a name "
	      "that\n"
	      "ends in /) one file each. Those that began and ended within the recording share\n"
	      "<comm>-ended-<id>.cpu... per executable, user, unit and container, except those of\n"
	      "--pid; labels tell them apart.\n"
	      "\n"
	      "Exit status: 0 done; 1 failed; 2 wrong usage; 3 there were no samples; of a "
	      "command\n"
	      "its own, 126 or 127 where it could not be run.\n"
	      "\n"
	      "Examples:\n"
	      "  cprofctl record --pid 1234 --seconds 30\n"
	      "  cprofctl record --pid 1234,1235 -o profiles/\n"
	      "  cprofctl record --pid 1234 --children --seconds 5m\n"
	      "  cprofctl record --unit nginx --seconds 30\n"
	      "  cprofctl record -a --seconds 5m --hz 49\n"
	      "  cprofctl record -o make.pb.gz -- make -j2\n"
	      "  cprofctl record --pid 1234 --event page-faults\n"
	      "  cprofctl record -a --event context-switches/100\n"
	      "  cprofctl --json record --pid 1234 | jq .top\n",
	      stdout);
}
