/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `cprofctl ls`: stored profiles. The daemon is told the times, so that it need not walk through a
 * week for the last minute; which of its files are meant is decided here, whatever it sent.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "listing.h"
#include "ls-options.h"
#include "pager.h"
#include "table.h"
#include "times.h"
#include "units.h"

#define LS_TEXT_SZ 512

/* A moment of a row; 0 when there is none. */
static uint64_t ls_time(struct json_value row, const char *key)
{
	char text[TIMES_SZ];
	uint64_t ns = 0;

	(void)json_text_string(json_text_member(row, key), text, sizeof(text));
	return times_parse_rfc3339(text, &ns) < 0 ? 0 : ns;
}

static bool ls_is_pid(const struct ls_args *a, uint64_t pid)
{
	bool found = a->pids.cnt == 0;

	for (size_t i = 0; i < a->pids.cnt; i++)
		found = found || a->pids.v[i] == pid;
	return found;
}

static bool ls_is_kind(const struct ls_args *a, const char *kind)
{
	bool found = a->kinds.cnt == 0;

	for (size_t i = 0; i < a->kinds.cnt; i++)
		found = found || strcmp(a->kinds.v[i], kind) == 0;
	return found;
}

static bool ls_choose(struct json_value row, uint64_t *ret_order, void *ctx)
{
	const struct ls_args *a = ctx;
	char comm[LS_TEXT_SZ], kind[LS_TEXT_SZ];
	uint64_t from = ls_time(row, "from"), to = ls_time(row, "to");

	(void)json_text_string(json_text_member(row, "comm"), comm, sizeof(comm));
	(void)json_text_string(json_text_member(row, "kind"), kind, sizeof(kind));
	*ret_order = from;
	return ls_is_pid(a, json_text_u64(json_text_member(row, "pid"))) && ls_is_kind(a, kind) &&
	       from < a->until_ns && (to > a->since_ns || from >= a->since_ns) &&
	       !(a->by_comm && regexec(&a->comm, comm, 0, NULL, 0) != 0);
}

static void ls_add_text(struct table *t, struct json_value row, const char *key)
{
	char text[LS_TEXT_SZ];

	table_add(t, "%s", json_text_string(json_text_member(row, key), text, sizeof(text)));
}

static void ls_add_bytes(struct table *t, int64_t n)
{
	struct unit unit = units_of("bytes", n);
	char text[32];

	units_format(text, sizeof(text), n, &unit);
	table_add(t, "%s", text);
}

static int64_t ls_bytes(struct json_value row)
{
	return (int64_t)MIN(json_text_u64(json_text_member(row, "bytes")), (uint64_t)INT64_MAX / 2);
}

static void ls_add(struct table *t, struct json_value row)
{
	char from[TIMES_SZ], to[TIMES_SZ];

	table_add(t, "%s", times_local(ls_time(row, "from"), from));
	/* The time alone: it is the same day, or the first minutes of the next. */
	times_local(ls_time(row, "to"), to);
	table_add(t, "%s", strlen(to) > 11 ? to + 11 : to);
	ls_add_text(t, row, "kind");
	if (json_text_bool(json_text_member(row, "ended")))
		table_add(t, "ended");
	else
		table_add(t, "%" PRIu64, json_text_u64(json_text_member(row, "pid")));
	ls_add_text(t, row, "comm");
	ls_add_bytes(t, ls_bytes(row));
	ls_add_text(t, row, "path");
}

/* "412 profiles, 53.12MB in /var/lib/cprofd/profiles" */
static void ls_print_total(const struct listing *l, FILE *f)
{
	char text[32], dir[LS_TEXT_SZ];
	struct unit unit;
	int64_t sum = 0;

	for (size_t i = 0; i < l->rows.cnt; i++)
		(void)__builtin_add_overflow(sum, ls_bytes(l->rows.v[i].value), &sum);
	unit = units_of("bytes", sum);
	units_format(text, sizeof(text), sum, &unit);
	fprintf(f, "%zu profile%s, %s", l->rows.cnt, l->rows.cnt == 1 ? "" : "s", text);
	(void)json_text_string(json_text_member(l->answer.root, "directory"), dir, sizeof(dir));
	fprintf(f, "%s%s\n", *dir ? " in " : "", dir);
}

static int ls_print(const struct ctl_globals *globals, const struct listing *l)
{
	static const struct table_column columns[] = {
		{ "FROM", false },    { "TO", false },	{ "KIND", false }, { "PID", true },
		{ "COMMAND", false }, { "SIZE", true }, { "PATH", false },
	};
	_cleanup_(table_done) struct table t = TABLE_INIT(columns);
	bool colour = ctl_colour(stdout);
	struct pager pager = pager_open(globals, PAGER_CHOP);
	int r;

	for (size_t i = 0; i < l->rows.cnt; i++)
		ls_add(&t, l->rows.v[i].value);
	r = table_print(&t, stdout, "", colour);
	if (r == 0)
		ls_print_total(l, stdout);
	pager_close(&pager);
	return r;
}

static int ls_ask(const struct ctl_globals *globals, const struct ls_args *args, struct listing *l,
		  struct problem *ret_problem)
{
	char since[TIMES_SZ], until[TIMES_SZ], target[256];
	size_t len = (size_t)snprintf(target, sizeof(target), "/ls");

	/* Whole seconds, so that the daemon never leaves out what is wanted. */
	if (args->since_ns > 0)
		len += (size_t)snprintf(target + len, sizeof(target) - len, "?since=%s",
					times_rfc3339(args->since_ns, since));
	if (args->until_ns < UINT64_MAX)
		(void)snprintf(target + len, sizeof(target) - len, "%cuntil=%s",
			       args->since_ns > 0 ? '&' : '?',
			       times_rfc3339(args->until_ns + NSEC_PER_SEC - 1, until));
	return ask_daemon(globals, target, &l->answer, ret_problem);
}

static bool ls_chooses(const struct ls_args *a)
{
	return a->since_ns > 0 || a->until_ns < UINT64_MAX || a->pids.cnt > 0 || a->kinds.cnt > 0 ||
	       a->by_comm;
}

static int ls_run(const struct ctl_globals *globals, struct ls_args *args)
{
	_cleanup_(listing_done) struct listing l = LISTING_INIT("files");
	struct problem problem;
	int r;

	if (ls_ask(globals, args, &l, &problem) < 0) {
		log_error(0, "ls: %s", problem.why);
		return CTL_FAILED;
	}
	r = listing_choose(&l, ls_choose, args);
	if (r == 0 && globals->json)
		listing_print_json(&l, stdout);
	else if (r == 0 && l.rows.cnt > 0 && !globals->quiet)
		r = ls_print(globals, &l);
	if (r < 0) {
		log_error(r, "ls: %m; free memory");
		return CTL_FAILED;
	}
	if (l.rows.cnt > 0)
		return CTL_DONE;
	log_info("ls: %s", ls_chooses(args)
				   ? "no stored profile fits; cprofctl ls without options shows all"
				   : "no profile is stored yet: the files of a window come when it "
				     "is over; see cprofctl status");
	return CTL_NOTHING;
}

int cmd_ls(struct ctl_globals *globals, int argc, char **argv)
{
	_cleanup_(ls_args_done) struct ls_args args;
	struct option_problem problem = { "" };
	int r = ls_args_parse(&args, globals, argc, argv, &problem);

	ctl_log_open(globals);
	if (r == 0 && args.help) {
		ls_args_help();
		return CTL_DONE;
	}
	if (r == -EINVAL) {
		log_error(0, "ls: %s; see cprofctl ls --help", problem.why);
		return CTL_USAGE;
	}
	if (r < 0) {
		log_error(r, "ls: %m");
		return CTL_FAILED;
	}
	return ls_run(globals, &args);
}
