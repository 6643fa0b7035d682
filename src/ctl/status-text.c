/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Read at three in the morning by somebody who has never seen it: a line for each matter, its name in
 * front, and every counter that tells of trouble with its prose. Counters that only tell of work done
 * are listed below as such; one that is new is taken for trouble until it stands there.
 */

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/counters.h"
#include "status-text.h"
#include "table.h"
#include "times.h"
#include "units.h"

#define TEXT_SZ 512
#define INDENT "                "

static const bool counts_work[COUNTER_MAX] = {
	[COUNTER_runs] = true,
	[COUNTER_missed] = true, /* stands in the line of samples */
	[COUNTER_filtered] = true,
	[COUNTER_idle] = true,
	[COUNTER_idle_woken] = true,
	[COUNTER_outside_namespace] = true,
	[COUNTER_weight_ns] = true,
	[COUNTER_weight_dropped_ns] = true, /* the drops stand in the line of samples */
	[COUNTER_bpf_ns] = true,
	[COUNTER_walk_none] = true,
	[COUNTER_walk_retry] = true,
	[COUNTER_announce_sent] = true,
	[COUNTER_delivered] = true,
	[COUNTER_in_profiles] = true,
	[COUNTER_frames] = true,
	[COUNTER_frames_named] = true,
	[COUNTER_stacks_complete] = true,
	[COUNTER_stacks_truncated] = true,
	[COUNTER_objects_announced] = true,
	[COUNTER_objects_named] = true,
	[COUNTER_objects_unnamed] = true,
	[COUNTER_walk_checked] = true,
	[COUNTER_walk_unchecked] = true,
	[COUNTER_events_reopened] = true,
	[COUNTER_frames_remapped] = true,
	[COUNTER_objects_forgotten] = true,
	[COUNTER_names_forgotten] = true,
	[COUNTER_kernel_reloads] = true,
	[COUNTER_perf_maps_read] = true,
	[COUNTER_discard_forbidden] = true, /* somebody asked for them, and may not see them */
	[COUNTER_discard_excluded] = true,  /* stands in the line of samples */
};

static const struct {
	const char *name;
	const char *prose;
} stack_ends[] = {
#define CPROF_END(name, value, complete, prose) { #name, prose },
#include "cprof/stack_ends.def"
};

static const char *share_of(uint64_t part, uint64_t whole, char dst[static 16])
{
	(void)snprintf(dst, 16, "%.1f%%", whole ? 100.0 * (double)part / (double)whole : 0.0);
	return dst;
}

static const char *amount(const char *unit_name, double v, char dst[static 32])
{
	int64_t n = v < 9e18 ? (int64_t)v : INT64_MAX;
	struct unit unit = units_of(unit_name, n);

	units_format(dst, 32, n, &unit);
	return dst;
}

static const char *seconds(struct json_value v, char dst[static 32])
{
	return amount("nanoseconds", json_text_double(v) * (double)NSEC_PER_SEC, dst);
}

static const char *bytes(struct json_value v, char dst[static 32])
{
	return amount("bytes", json_text_double(v), dst);
}

static void label(FILE *f, const char *name)
{
	fprintf(f, "  %-12s  ", name);
}

/* "cprofd 0.1 is running, for 3h 12min", and all that works less well than it should. */
static void print_state(struct json_value s, FILE *f, bool colour)
{
	struct json_value degraded = json_text_member(s, "degraded");
	char version[TEXT_SZ], state[TEXT_SZ], span[TIMES_SZ], text[TEXT_SZ];
	double up = json_text_double(json_text_member(s, "uptime_s"));
	bool well;

	(void)json_text_string(json_text_member(s, "version"), version, sizeof(version));
	(void)json_text_string(json_text_member(s, "state"), state, sizeof(state));
	if (!*version)
		(void)snprintf(version, sizeof(version), "of unknown version");
	if (!*state)
		(void)snprintf(state, sizeof(state), "in an unknown state");
	well = strcmp(state, "running") == 0 && json_text_count(degraded) == 0;
	fprintf(f, "%scprofd %s is %s%s",
		!colour ? ""
		: well	? "\033[32m"
			: "\033[1;33m",
		version,
		well				? "running"
		: strcmp(state, "running") == 0 ? "degraded"
						: state,
		colour ? "\033[0m" : "");
	if (up > 0 && up < 1e9)
		fprintf(f, ", for %s", times_span((uint64_t)(up * (double)NSEC_PER_SEC), span));
	fputc('\n', f);
	for (struct json_value v = json_text_first(degraded); v.at; v = json_text_next(v))
		fprintf(f, "  %s! %s%s\n", colour ? "\033[33m" : "",
			json_text_string(v, text, sizeof(text)), colour ? "\033[0m" : "");
	if (strcmp(version, CPROF_VERSION) != 0)
		fputs("  ! this cprofctl is " CPROF_VERSION
		      ": after an upgrade, systemctl restart cprofd\n",
		      f);
	fputc('\n', f);
}

static void print_event(struct json_value s, FILE *f)
{
	uint64_t sessions = json_text_u64(json_text_member(s, "sessions"));
	struct json_value gap = json_text_member(s, "gap_s");
	char event[TEXT_SZ], text[32];

	(void)json_text_string(json_text_member(s, "event"), event, sizeof(event));
	if (!*event)
		return;
	label(f, "sampling");
	fprintf(f, "%s, %" PRIu64 " times a second on each busy CPU\n", event,
		json_text_u64(json_text_member(s, "hz")));
	if (sessions > 0) {
		label(f, "recordings");
		fprintf(f, "%" PRIu64 " under way beside that\n", sessions);
	}
	if (json_text_double(gap) > 0) {
		label(f, "gap");
		fprintf(f, "%s were not sampled between the run before and this one\n",
			seconds(gap, text));
	}
}

/* Rows of a count, a name and what it means. */
static const struct table_column reason_columns[] = { { NULL, true },
						      { NULL, false },
						      { NULL, false } };

/* COUNTER_MAX: one of another version of the daemon. */
static size_t find_counter(const char *name)
{
	size_t i = 0;

	while (i < COUNTER_MAX && strcmp(counter_descs[i].name, name) != 0)
		i++;
	return i;
}

static bool is_loss(size_t i)
{
	return i == COUNTER_MAX || ((counter_descs[i].kind == COUNTER_KIND_DROP ||
				     counter_descs[i].kind == COUNTER_KIND_DISCARD) &&
				    !counts_work[i]);
}

static uint64_t add_losses(struct table *t, struct json_value reasons)
{
	uint64_t sum = 0;
	struct json_entry e;

	for (bool more = json_text_first_entry(reasons, &e); more;
	     more = json_text_next_entry(&e)) {
		const size_t i = find_counter(e.key);
		const uint64_t n = json_text_u64(e.value);

		if (n == 0 || !is_loss(i))
			continue;
		sum += n;
		table_add(t, "%" PRIu64, n);
		table_add(t, "%s", e.key);
		table_add(t, "%s", i < COUNTER_MAX ? counter_descs[i].prose : "");
	}
	return sum;
}

/* What was taken and is in no profile, why, and which of it nobody wanted. */
static int print_losses(struct json_value books, FILE *f)
{
	_cleanup_(table_done) struct table t = TABLE_INIT(reason_columns);
	struct json_value discarded = json_text_member(books, "discarded");
	uint64_t lost = add_losses(&t, json_text_member(books, "dropped"));
	uint64_t excluded;

	lost += add_losses(&t, discarded);
	fprintf(f, ", %" PRIu64 " lost", lost);
	excluded = json_text_u64(
		json_text_member(discarded, counter_descs[COUNTER_discard_excluded].name));
	if (excluded > 0)
		fprintf(f, "; %" PRIu64 " left out by Include= and Exclude=", excluded);
	fputs(lost > 0 ? ":\n" : "\n", f);
	return table_print(&t, f, INDENT, false);
}

static int print_books(struct json_value s, FILE *f, bool colour)
{
	struct json_value books = json_text_member(s, "books");
	uint64_t difference = json_text_u64(json_text_member(books, "difference"));
	uint64_t missed = json_text_u64(json_text_member(books, "missed"));
	char text[16];
	int r;

	if (!books.at)
		return 0;
	label(f, "samples");
	fprintf(f,
		"%" PRIu64 " in profiles, %" PRIu64 " in the open window; %" PRIu64 " (%s) missed",
		json_text_u64(json_text_member(books, "in_profiles")),
		json_text_u64(json_text_member(books, "open_window")), missed,
		share_of(missed, json_text_u64(json_text_member(books, "produced")), text));
	r = print_losses(books, f);
	label(f, "books");
	if (difference == 0)
		fputs("balanced: every sample is accounted for\n", f);
	else
		fprintf(f,
			"%sTHE BOOKS DO NOT BALANCE%s: %" PRIu64 " samples are unaccounted for; "
			"this is a fault of cprofd, please report it\n",
			colour ? "\033[1;31m" : "", colour ? "\033[0m" : "", difference);
	return r;
}

static const char *end_prose(const char *name)
{
	for (size_t i = 0; i < ELEMENTSOF(stack_ends); i++) {
		if (strcasecmp(stack_ends[i].name, name) == 0)
			return stack_ends[i].prose;
	}
	return "";
}

static int print_reasons(struct json_value stacks, FILE *f)
{
	_cleanup_(table_done) struct table t = TABLE_INIT(reason_columns);
	struct json_value reasons = json_text_member(stacks, "reasons");
	struct json_entry e;

	for (bool more = json_text_first_entry(reasons, &e); more;
	     more = json_text_next_entry(&e)) {
		uint64_t n = json_text_u64(e.value);

		if (n == 0)
			continue;
		table_add(&t, "%" PRIu64, n);
		table_add(&t, "%s", e.key);
		table_add(&t, "%s", end_prose(e.key));
	}
	return table_print(&t, f, INDENT, false);
}

static int print_stacks(struct json_value s, FILE *f)
{
	struct json_value stacks = json_text_member(s, "stacks");
	uint64_t complete = json_text_u64(json_text_member(stacks, "complete"));
	uint64_t truncated = json_text_u64(json_text_member(stacks, "truncated"));
	char text[16];

	if (!stacks.at)
		return 0;
	label(f, "stacks");
	fprintf(f, "%s reached their root", share_of(complete, complete + truncated, text));
	if (truncated > 0)
		fprintf(f, "; %" PRIu64 " ended early:", truncated);
	fputc('\n', f);
	return truncated > 0 ? print_reasons(stacks, f) : 0;
}

static void print_names(struct json_value s, FILE *f)
{
	struct json_value frames = json_text_member(s, "frames");
	char text[16];

	if (!frames.at)
		return;
	label(f, "names");
	fprintf(f, "%s of frames have a function's name\n",
		share_of(json_text_u64(json_text_member(frames, "symbolized")),
			 json_text_u64(json_text_member(frames, "total")), text));
}

/* "full", or what it lacks; an older daemon does not say. */
static const char *sandbox_of(struct json_value role, char *text, size_t sz)
{
	struct json_value v = json_text_member(role, "sandbox");

	return v.at ? json_text_string(v, text, sz) : "";
}

static void add_role(struct table *t, const struct json_entry *e)
{
	uint64_t pid = json_text_u64(json_text_member(e->value, "pid"));
	uint64_t restarts = json_text_u64(json_text_member(e->value, "restarts"));
	char text[32];

	table_add(t, "%s", e->key);
	if (pid > 0)
		table_add(t, "%" PRIu64, pid);
	else
		table_add(t, "not running");
	table_add(t, "%s", seconds(json_text_member(e->value, "cpu_s"), text));
	table_add(t, "%s", bytes(json_text_member(e->value, "pss_bytes"), text));
	table_add(t, "%s", sandbox_of(e->value, text, sizeof(text)));
	if (restarts > 0)
		table_add(t, "started again %" PRIu64 " times", restarts);
	else
		table_add(t, "%s", "");
}

static int print_roles(struct json_value cost, FILE *f, bool colour)
{
	static const struct table_column columns[] = {
		{ "ROLE", false },  { "PID", true },	  { "CPU", true },
		{ "MEMORY", true }, { "SANDBOX", false }, { "", false },
	};
	_cleanup_(table_done) struct table t = TABLE_INIT(columns);
	char text[32];
	struct json_entry e;

	for (bool more = json_text_first_entry(json_text_member(cost, "roles"), &e); more;
	     more = json_text_next_entry(&e))
		add_role(&t, &e);
	table_add(&t, "in BPF");
	table_add(&t, "%s", "");
	table_add(&t, "%s", seconds(json_text_member(cost, "bpf_s"), text));
	table_add(&t, "%s", bytes(json_text_member(cost, "bpf_bytes"), text));
	table_add(&t, "%s", "");
	table_add(&t, "%s", "");
	return table_print(&t, f, INDENT, colour);
}

static int print_cost(struct json_value s, FILE *f, bool colour)
{
	struct json_value cost = json_text_member(s, "cost");
	double memory = json_text_double(json_text_member(cost, "pss_bytes")) +
			json_text_double(json_text_member(cost, "bpf_bytes"));
	bool roles = json_text_first(json_text_member(cost, "roles")).at;
	char text[32], limit[32];

	if (!cost.at)
		return 0;
	label(f, "cost");
	fprintf(f,
		"%.2f%% of one CPU in the last minute (CPU= allows %.2f%%), %s of memory (Memory= "
		"allows %s)%s\n",
		100 * json_text_double(json_text_member(cost, "cpu_share")),
		100 * json_text_double(json_text_member(cost, "cpu_share_max")),
		amount("bytes", memory, text),
		bytes(json_text_member(cost, "memory_max_bytes"), limit),
		roles ? ":" : "; root sees it by role");
	return roles ? print_roles(cost, f, colour) : 0;
}

static void print_spool(struct json_value s, FILE *f)
{
	struct json_value spool = json_text_member(s, "spool");
	uint64_t files = json_text_u64(json_text_member(spool, "files"));
	uint64_t evicted = json_text_u64(json_text_member(spool, "evicted"));
	uint64_t quarantined = json_text_u64(json_text_member(spool, "quarantined"));
	uint64_t failed = json_text_u64(json_text_member(spool, "windows_failed"));
	char text[32];

	if (!spool.at)
		return;
	label(f, "spool");
	fprintf(f, "%" PRIu64 " profile%s", files, files == 1 ? "" : "s");
	if (files > 0)
		fprintf(f, ", %s", bytes(json_text_member(spool, "bytes"), text));
	if (evicted > 0)
		fprintf(f, "; %" PRIu64 " removed, for their age or to make room", evicted);
	if (failed > 0)
		fprintf(f, "; %" PRIu64 " window%s could not be written and %s lost", failed,
			failed == 1 ? "" : "s", failed == 1 ? "is" : "are");
	if (quarantined > 0)
		fprintf(f, "; %" PRIu64 " things that are not cprofd's set aside", quarantined);
	fputc('\n', f);
}

static void add_problem(struct table *t, const struct counter_desc *d, struct json_value v)
{
	char text[32];

	if (d->kind == COUNTER_KIND_NS)
		table_add(t, "%s", amount("nanoseconds", json_text_double(v), text));
	else
		table_add(t, "%" PRIu64, json_text_u64(v));
	table_add(t, "%s", d->name);
	table_add(t, "%s", d->prose);
}

static int print_problems(struct json_value s, FILE *f)
{
	struct json_value counters = json_text_member(s, "counters");
	_cleanup_(table_done) struct table t = TABLE_INIT(reason_columns);

	if (!counters.at)
		return 0;
	for (size_t i = 0; i < COUNTER_MAX; i++) {
		struct json_value v = json_text_member(counters, counter_descs[i].name);

		if (!counts_work[i] && !is_loss(i) && json_text_u64(v) > 0)
			add_problem(&t, &counter_descs[i], v);
	}
	label(f, "problems");
	fputs(t.cells.cnt > 0 ? "since the start; they cost names or stacks, no samples:\n"
			      : "none since the start\n",
	      f);
	return table_print(&t, f, INDENT, false);
}

int status_text(struct json_value status, FILE *f, bool colour)
{
	int r;

	print_state(status, f, colour);
	print_event(status, f);
	r = print_books(status, f, colour);
	if (r == 0)
		r = print_stacks(status, f);
	print_names(status, f);
	if (r == 0)
		r = print_cost(status, f, colour);
	print_spool(status, f);
	return r < 0 ? r : print_problems(status, f);
}
