/* SPDX-License-Identifier: Apache-2.0 */

/* `cprofctl ps`: who used the CPU in the last window of the daemon's, most first. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "listing.h"
#include "options.h"
#include "pager.h"
#include "table.h"
#include "times.h"
#include "units.h"

#define PS_TEXT_SZ 512
#define PS_CONTAINER_SHOWN 12 /* as much of an id as docker(1) shows */

struct ps {
	uint64_t limit; /* 0: all */
	bool help;
};

static int set_limit(void *ctx, const char *arg)
{
	struct ps *ps = ctx;

	return units_parse_number(arg, 0, INT32_MAX, &ps->limit) < 0 ? -EINVAL : 0;
}

static int set_help(void *ctx, const char *arg)
{
	struct ps *ps = ctx;

	ps->help = true;
	return 0;
}

static const struct option_desc ps_options[] = {
	{ "limit", 'n', "N", "show at most N processes (default 0: all)", set_limit, "a number" },
	{ "help", 'h', NULL, "this text", set_help, NULL },
};

static void ps_help(void)
{
	const struct option_set set = { ps_options, ELEMENTSOF(ps_options), NULL };

	fputs("Usage: cprofctl ps [OPTIONS]\n"
	      "\n"
	      "The processes that used the CPU in the daemon's last window, those that used most\n"
	      "first. Who is neither root nor of the daemon's group sees their own.\n"
	      "\n"
	      "Options:\n",
	      stdout);
	options_print(stdout, &set);
	fputs("\n"
	      "Columns: CPU is the share of one CPU, as in top(1); TIME the CPU time in the "
	      "window;\n"
	      "STACKS the share of samples whose stack reached its root.\n"
	      "\n"
	      "Exit status: 0 done; 1 failed; 2 wrong usage; 3 there are none, or no window yet.\n"
	      "\n"
	      "Examples:\n"
	      "  cprofctl ps --limit 10\n"
	      "  cprofctl --json ps | jq -r '.processes[].unit' | sort | uniq -c\n",
	      stdout);
}

static bool ps_choose(struct json_value row, uint64_t *ret_order, void *ctx)
{
	double cpu_s = json_text_double(json_text_member(row, "cpu_s"));

	/* Most first. */
	*ret_order = UINT64_MAX - (cpu_s > 0 && cpu_s < 1e9 ? (uint64_t)(cpu_s * 1e9) : 0);
	return true;
}

static void ps_add_text(struct table *t, struct json_value v, size_t max)
{
	char text[PS_TEXT_SZ];

	(void)json_text_string(v, text, MIN(sizeof(text), max));
	table_add(t, "%s", *text ? text : "-");
}

static void ps_add(struct table *t, struct json_value row, double window_s)
{
	uint64_t pid = json_text_u64(json_text_member(row, "pid"));
	double samples = json_text_double(json_text_member(row, "samples"));
	double complete = json_text_double(json_text_member(row, "complete"));
	double cpu_s = json_text_double(json_text_member(row, "cpu_s"));

	table_add(t, "%" PRIu64, pid);
	table_add(t, "%.1f%%", window_s > 0 ? 100 * cpu_s / window_s : 0.0);
	table_add(t, "%.2fs", cpu_s);
	table_add(t, "%.1f%%", samples > 0 ? 100 * complete / samples : 0.0);
	ps_add_text(t, json_text_member(row, "unit"), PS_TEXT_SZ);
	ps_add_text(t, json_text_member(row, "container"), PS_CONTAINER_SHOWN + 1);
	ps_add_text(t, json_text_member(row, "comm"), PS_TEXT_SZ);
}

/* "60s from 2026-01-31 14:00:00, 2 CPUs" */
static void ps_print_window(struct json_value root, FILE *f)
{
	double window_s = json_text_double(json_text_member(root, "window_s"));
	uint64_t cpus = json_text_u64(json_text_member(root, "cpus"));
	char text[TIMES_SZ], when[TIMES_SZ];
	uint64_t from_ns;

	(void)json_text_string(json_text_member(root, "from"), text, sizeof(text));
	fprintf(f, "%.3gs", window_s);
	if (times_parse_rfc3339(text, &from_ns) == 0)
		fprintf(f, " from %s", times_local(from_ns, when));
	if (cpus > 0)
		fprintf(f, ", %" PRIu64 " CPU%s", cpus, cpus == 1 ? "" : "s");
	fputs("\n\n", f);
}

static int ps_print(const struct ctl_globals *globals, const struct listing *l)
{
	static const struct table_column columns[] = {
		{ "PID", true },   { "CPU", true },	   { "TIME", true },	 { "STACKS", true },
		{ "UNIT", false }, { "CONTAINER", false }, { "COMMAND", false },
	};
	double window_s = json_text_double(json_text_member(l->answer.root, "window_s"));
	_cleanup_(table_done) struct table t = TABLE_INIT(columns);
	bool colour = ctl_colour(stdout);
	struct pager pager = pager_open(globals, PAGER_CHOP);
	int r;

	for (size_t i = 0; i < l->rows.cnt; i++)
		ps_add(&t, l->rows.v[i].value, window_s);
	ps_print_window(l->answer.root, stdout);
	r = table_print(&t, stdout, "", colour);
	pager_close(&pager);
	return r;
}

static int ps_nothing(const struct listing *l)
{
	if (json_text_double(json_text_member(l->answer.root, "window_s")) > 0)
		log_info("ps: no process of yours used the CPU in the last window; as root you see "
			 "all");
	else
		log_info("ps: nothing yet: the daemon's first window is not over; try again in a "
			 "minute");
	return CTL_NOTHING;
}

static int ps_run(const struct ctl_globals *globals, const struct ps *ps)
{
	_cleanup_(listing_done) struct listing l = LISTING_INIT("processes");
	struct problem problem;
	int r;

	if (ask_daemon(globals, "/ps", &l.answer, &problem) < 0) {
		log_error(0, "ps: %s", problem.why);
		return CTL_FAILED;
	}
	r = listing_choose(&l, ps_choose, NULL);
	if (ps->limit > 0)
		listing_limit(&l, ps->limit);
	if (r == 0 && globals->json)
		listing_print_json(&l, stdout);
	else if (r == 0 && l.rows.cnt > 0 && !globals->quiet)
		r = ps_print(globals, &l);
	if (r < 0) {
		log_error(r, "ps: %m; free memory");
		return CTL_FAILED;
	}
	return l.rows.cnt > 0 ? CTL_DONE : ps_nothing(&l);
}

int cmd_ps(struct ctl_globals *globals, int argc, char **argv)
{
	struct ps ps = { 0 };
	const struct option_set sets[] = { { ps_options, ELEMENTSOF(ps_options), &ps },
					   ctl_global_options(globals) };
	struct option_problem problem = { "too many arguments" };
	int r = options_parse(sets, ELEMENTSOF(sets), argc, argv, &problem);

	ctl_log_open(globals);
	if (r >= 0 && ps.help) {
		ps_help();
		return CTL_DONE;
	}
	if (r < 0 || r < argc) {
		log_error(0, "ps: %s; see cprofctl ps --help", problem.why);
		return CTL_USAGE;
	}
	return ps_run(globals, &ps);
}
