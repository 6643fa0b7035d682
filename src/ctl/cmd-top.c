/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `cprofctl top`: the hottest functions of profile files, all together; of what the daemon stored of the
 * machine lately; or, where there is nothing of the kind, of the machine right now.
 * Header, rows and their order are those of `go tool pprof -top`. A file that cannot be used is said
 * in one line and makes the exit status 1; the others are shown all the same.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "live.h"
#include "losses.h"
#include "sampler.h"
#include "sources.h"
#include "stored.h"
#include "top-options.h"
#include "top-table.h"

#define TOP_LIVE_NS (5 * NSEC_PER_SEC)
#define TOP_LIVE_HZ 99
#define TOP_STORED_MINUTES 10

struct top {
	const struct ctl_globals *globals;
	struct top_args args;
	struct accounting acc; /* holds the report; the books only of a live one */
	struct stored stored;  /* its directory is "" where nothing of the kind is shown */
	size_t files;	       /* in the report */
	bool failed;
};

static void top_done(struct top *t)
{
	accounting_done(&t->acc);
	top_args_done(&t->args);
}

static void top_refuse(struct top *t, const char *shown, int error)
{
	struct report_header h;

	t->failed = true;
	report_header(t->acc.report, &h);
	if (error == -EBADMSG)
		log_error(0, "top: %s: not a profile; give files in pprof's format", shown);
	else if (error == -ENODATA)
		log_error(
			0,
			"top: %s: no profiles in this directory; their names end in .pb.gz, .pb or "
			".pprof",
			shown);
	else if (error == -E2BIG)
		log_error(0, "top: %s: larger than cprofctl reads; use go tool pprof", shown);
	else if (error != -EPROTOTYPE)
		log_error(error, "top: %s: %m; check the name and its permissions", shown);
	else if (t->args.sample_index && t->files == 0)
		log_error(0, "top: %s: no sample type %s; it has: %s", shown, t->args.sample_index,
			  h.types);
	else
		log_error(0,
			  "top: %s: its sample types (%s) cannot be added to %s in %s; show it "
			  "alone or choose with --sample-index",
			  shown, h.types, h.type, h.unit);
}

static void on_file(void *ctx, const char *shown, const void *bytes, size_t sz)
{
	struct top *t = ctx;
	int r = report_add(t->acc.report, bytes, sz);

	if (r < 0)
		top_refuse(t, shown, r);
	else
		t->files++;
}

static void on_error(void *ctx, const char *shown, int error)
{
	top_refuse(ctx, shown, error);
}

/* What is lost must never look like what was idle. */
static bool top_books_are_wrong(const struct accounting *acc)
{
	struct losses l;

	if (acc->end.books.difference != 0)
		log_error(
			0,
			"top: THE BOOKS DO NOT BALANCE: %llu samples are unaccounted for; this is "
			"a fault of cprofd, please report it",
			(unsigned long long)acc->end.books.difference);
	else if (acc->received == 0 && losses_find(&acc->end.counters, &l))
		log_error(0, "top: all %" PRIu64 " samples were lost: %s (%s); %s", l.samples,
			  l.why, l.counters, l.next);
	else if (acc->received == 0 && acc->end.counters.v[COUNTER_discard_forbidden] > 0)
		log_error(0, "top: no samples of your own processes; " LOSSES_FORBIDDEN_NEXT);
	else
		return false;
	return true;
}

/* 0: it is in the report, or why not was said; -ENODATA: there is none that we can have. */
static int top_stored(struct top *t)
{
	const struct source_visitor visitor = { on_file, on_error, t };
	struct problem problem;
	int r;

	t->stored.since_real_ns = clock_real_ns() - TOP_STORED_MINUTES * 60 * NSEC_PER_SEC;
	r = stored_visit(&t->stored, t->globals, &visitor, &problem);
	switch (r) {
	case 0:
		return 0;
	case -ENODATA:
		log_info("top: the daemon has stored nothing of the last %d minutes; recording "
			 "%llu s",
			 TOP_STORED_MINUTES, TOP_LIVE_NS / NSEC_PER_SEC);
		break;
	case -ENOENT:
	case -ECONNREFUSED:
	case -EPERM:
	case -EACCES:
		break;
	default:
		return log_error(r, "top: %s", problem.why);
	}
	t->stored.directory[0] = '\0';
	return -ENODATA;
}

/* The whole machine, for a few seconds. */
static int top_live(struct top *t)
{
	_cleanup_(session_client_done) struct session_client client = SESSION_CLIENT_INIT;
	const struct ctl_globals *g = t->globals;
	bool watched = isatty(STDERR_FILENO) && !g->quiet && !g->json;
	struct live live = {
		.client = &client,
		.start = { .flags = SESSION_ALL | SESSION_MERGED,
			   .hz = TOP_LIVE_HZ,
			   .duration_ns = TOP_LIVE_NS },
		.acc = &t->acc,
		.progress = { .f = watched ? stderr : NULL },
	};
	struct problem problem;
	sigset_t mask;
	int r;

	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	r = sampler_find(&client, g, false, &problem);
	if (r == 0)
		r = sampler_start(&client, &t->args.sampler, g->verbose, &mask, &problem);
	if (r < 0) {
		log_error(0, "top: without a SOURCE it records the machine for 5 s: %s",
			  problem.why);
		return r;
	}
	r = live_run(&live);
	if (r < 0)
		return log_error(r, "top: %s", live.why);
	for (size_t i = 0; i < t->acc.degraded.cnt; i++)
		log_warning(0, "top: %s", t->acc.degraded.v[i]);
	t->failed = top_books_are_wrong(&t->acc);
	return 0;
}

/* Of the machine no file is the main one. */
static void print_time_and_type(const struct report_header *h, bool machine, FILE *f)
{
	time_t seconds = (time_t)(h->time_ns / (int64_t)NSEC_PER_SEC);
	char text[64];
	struct tm tm;

	if (*h->file && !machine)
		fprintf(f, "File: %s\n", h->file);
	if (*h->build_id && !machine)
		fprintf(f, "Build ID: %s\n", h->build_id);
	if (*h->type)
		fprintf(f, "Type: %s\n", h->type);
	if (h->time_ns != 0 && localtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &tm) > 0)
		fprintf(f, "Time: %s\n", text);
}

/* How much of the time the values are, where they are times. */
static void print_duration(const struct report_header *h, int64_t total, const char *total_text,
			   FILE *f)
{
	struct unit unit = units_of("nanoseconds", h->duration_ns), values = units_of(h->unit, 1);
	char duration[64], percent[16], ratio[24] = "";
	bool time = units_are_time(h->unit);
	int64_t ns = time ? (int64_t)((double)total * values.from) : 0;

	if (h->duration_ns == 0)
		return;
	units_format(duration, sizeof(duration), h->duration_ns, &unit);
	units_percent_format(percent, sizeof(percent), ns, h->duration_ns);
	if (ns != 0)
		(void)snprintf(ratio, sizeof(ratio), "(%s)", percent);
	fprintf(f, "Duration: %s, Total samples = %s %s\n", duration, total_text, ratio);
}

static void print_shown(const struct top *t, const struct report_rows *rows, int64_t total,
			const struct unit *unit, FILE *f)
{
	char shown[64], percent[16], whole[64], cutoff[64];
	int64_t sum = report_rows_flat(rows);

	units_format(shown, sizeof(shown), sum, unit);
	units_format(whole, sizeof(whole), total, unit);
	units_percent_format(percent, sizeof(percent), sum, total);
	units_format(cutoff, sizeof(cutoff), report_part(total, t->args.query.fraction), unit);
	fprintf(f, "Showing nodes accounting for %s, %s of %s total\n", shown,
		percent + strspn(percent, " "), whole);
	if (rows->dropped > 0)
		fprintf(f, "Dropped %zu node%s (cum <= %s)\n", rows->dropped,
			rows->dropped > 1 ? "s" : "", cutoff);
	if (rows->cnt > 0 && rows->cnt < rows->kept)
		fprintf(f, "Showing top %zu nodes out of %zu\n", rows->cnt, rows->kept);
}

static void top_print(const struct top *t, const struct report_rows *rows, FILE *f)
{
	int64_t total = report_total(t->acc.report);
	struct report_header h;
	char total_text[64];
	struct unit unit;

	report_header(t->acc.report, &h);
	unit = top_table_unit(rows, h.unit, total);
	units_format(total_text, sizeof(total_text), total, &unit);
	print_time_and_type(&h, t->acc.ended || t->stored.directory[0], f);
	if (t->stored.directory[0]) /* of many processes at once: their sum is nobody's time */
		fprintf(f, "Stored: %zu profile%s in %s, Total samples = %s\n", t->files,
			t->files == 1 ? "" : "s", t->stored.directory, total_text);
	else
		print_duration(&h, total, total_text, f);
	print_shown(t, rows, total, &unit, f);
	top_table_print(f, rows, total, &unit, ctl_colour(f));
}

static void top_print_json(const struct top *t, const struct report_rows *rows, FILE *f)
{
	struct json j = JSON_INIT(f);
	struct report_header h;

	report_header(t->acc.report, &h);
	json_object(&j, NULL);
	json_string(&j, "type", h.type);
	json_string(&j, "unit", h.unit);
	json_u64(&j, "files", t->files);
	json_i64(&j, "time_ns", h.time_ns);
	json_i64(&j, "duration_ns", h.duration_ns);
	json_i64(&j, "total", report_total(t->acc.report));
	json_u64(&j, "rows", rows->kept);
	json_u64(&j, "dropped", rows->dropped);
	top_table_json(&j, rows);
	json_object_end(&j);
	fputc('\n', f);
}

static int top_show(struct top *t)
{
	_cleanup_(report_rows_done) struct report_rows rows = { 0 };
	int r = report_top(t->acc.report, &t->args.query, &rows);

	if (r < 0)
		return log_error(r, "top: %m");
	if (t->globals->json) {
		top_print_json(t, &rows, stdout);
	} else if (report_total(t->acc.report) != 0) {
		if (t->acc.ended)
			accounting_print_books(&t->acc, stdout);
		top_print(t, &rows, stdout);
	}
	return 0;
}

static int top_run(struct top *t)
{
	const struct source_visitor visitor = { on_file, on_error, t };
	int r = 0;

	if (t->args.sources_cnt == 0) {
		r = top_stored(t);
		if (r == -ENODATA)
			r = top_live(t);
	}
	for (size_t i = 0; i < t->args.sources_cnt; i++)
		source_visit(t->args.sources[i], &visitor);
	if (r == 0 && (t->files > 0 || t->acc.ended))
		r = top_show(t);
	if (r < 0 || t->failed)
		return CTL_FAILED;
	if (report_total(t->acc.report) != 0)
		return CTL_DONE;
	log_info("top: no samples; %s",
		 t->acc.ended ? "the machine was idle" : "the profiles are empty");
	return CTL_NOTHING;
}

int cmd_top(struct ctl_globals *globals, int argc, char **argv)
{
	_cleanup_(top_done) struct top t = { .globals = globals };
	struct option_problem problem = { "" };
	int r;

	r = top_args_parse(&t.args, globals, argc, argv, &problem);
	ctl_log_open(globals);
	if (r == -EINVAL) {
		log_error(0, "top: %s; see cprofctl top --help", problem.why);
		return CTL_USAGE;
	}
	if (r == 0 && t.args.help) {
		top_args_help();
		return CTL_DONE;
	}
	if (r == 0)
		r = accounting_init(&t.acc);
	if (r == 0 && t.args.sample_index)
		r = report_choose_type(t.acc.report, t.args.sample_index);
	if (r < 0) {
		log_error(r, "top: %m");
		return CTL_FAILED;
	}
	return top_run(&t);
}
