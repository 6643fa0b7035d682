/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The summary for people: one line of accounting, the hottest functions in pprof's columns, the
 * files, and what to type next. Every text of a stranger (function names) is cleaned here, because
 * it was read from a file.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "accounting.h"
#include "cprof/base/clock.h"
#include "cprof/base/str.h"
#include "units.h"

#define ACCOUNTING_FILES_SHOWN 5

int accounting_init(struct accounting *a)
{
	*a = (struct accounting){ .dir = "", .event = &event_table[0] };
	return report_new(&a->report);
}

void accounting_done(struct accounting *a)
{
	for (size_t i = 0; i < a->files.cnt; i++)
		free(a->files.v[i].path);
	vec_done(&a->files);
	for (size_t i = 0; i < a->degraded.cnt; i++)
		free(a->degraded.v[i]);
	vec_done(&a->degraded);
	a->report = report_free(a->report);
}

int accounting_add_file(struct accounting *a, const struct session_profile *p, char *path)
{
	struct recorded_file f = {
		.path = path,
		.pid = p->pid,
		.exec = p->exec,
		.start_ticks = p->start_ticks,
		.samples = p->samples,
		.weight_ns = p->weight_ns,
	};
	int r;

	(void)str_clean(f.comm, sizeof(f.comm), p->comm, sizeof(p->comm), NULL);
	r = vec_push(&a->files, f);
	if (r < 0)
		free(path);
	return r;
}

int accounting_add_note(struct accounting *a, const char *text, size_t len)
{
	char *copy = strndup(text, len);
	int r;

	if (!copy)
		return -ENOMEM;
	r = vec_push(&a->degraded, copy);
	if (r < 0)
		free(copy);
	return r;
}

uint64_t accounting_lost(const struct accounting *a)
{
	return a->end.books.dropped + a->end.books.discarded;
}

bool accounting_is_time(const struct accounting *a)
{
	return a->event->kind == EVENT_CLOCK;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_books(const struct accounting *a, FILE *f)
{
	const struct books *b = &a->end.books;
	const __u64 *c = a->end.counters.v;
	uint64_t cost = a->cpu_ns + c[COUNTER_bpf_ns];
	uint64_t stacks = c[COUNTER_stacks_complete] + c[COUNTER_stacks_truncated];
	char cpu[32], bpf[32];

	fprintf(f, "%" PRIu64 " samples, %" PRIu64 " missed, %" PRIu64 " lost",
		(uint64_t)b->in_profiles, (uint64_t)b->missed, accounting_lost(a));
	fprintf(f, "; %.1f%% of stacks reached their root, %.1f%% of frames have names",
		share(c[COUNTER_stacks_complete], stacks),
		share(c[COUNTER_frames_named], c[COUNTER_frames]));
	units_time_format(bpf, sizeof(bpf), (int64_t)c[COUNTER_bpf_ns],
			  units_time_of((int64_t)c[COUNTER_bpf_ns]));
	if (!a->cpu_known) {
		fprintf(f, "; our own cost: %s in BPF\n", bpf);
		return;
	}
	units_time_format(cpu, sizeof(cpu), (int64_t)a->cpu_ns, units_time_of((int64_t)a->cpu_ns));
	fprintf(f, "; our own cost: %s CPU and %s in BPF, %.1f%% of one CPU\n", cpu, bpf,
		share(cost, a->end.duration_ns));
}

/* As pprof: counts have no unit. */
static void format_value(const struct accounting *a, char *dst, size_t dst_sz, int64_t v,
			 enum unit_time unit)
{
	if (accounting_is_time(a))
		units_time_format(dst, dst_sz, v, unit);
	else
		(void)snprintf(dst, dst_sz, "%" PRId64, v);
}

static void print_row(const struct accounting *a, FILE *f, const struct report_row *row,
		      int64_t total, enum unit_time unit)
{
	char flat[32], cum[32], flat_pct[16], cum_pct[16], name[512];

	format_value(a, flat, sizeof(flat), row->flat, unit);
	format_value(a, cum, sizeof(cum), row->cum, unit);
	units_percent_format(flat_pct, sizeof(flat_pct), row->flat, total);
	units_percent_format(cum_pct, sizeof(cum_pct), row->cum, total);
	(void)str_clean(name, sizeof(name), row->name, strlen(row->name), NULL);
	fprintf(f, "%10s %s %10s %s  %s\n", flat, flat_pct, cum, cum_pct, name);
}

static void print_top(const struct accounting *a, FILE *f, bool colour)
{
	_cleanup_free_ struct report_row *rows = NULL;
	int64_t total = report_total(a->report), min = 0;
	enum unit_time unit;
	size_t cnt = 0;

	if (report_top(a->report, ACCOUNTING_TOP, &rows, &cnt) < 0 || cnt == 0)
		return;
	for (size_t i = 0; i < cnt; i++) {
		int64_t v = rows[i].flat ? rows[i].flat : rows[i].cum;

		if (v > 0 && (min == 0 || v < min))
			min = v;
	}
	unit = units_time_for(min, total);
	fprintf(f, "\n%s%10s %5s%% %10s %5s%%%s  %s\n", colour ? "\033[1m" : "", "flat", "flat",
		"cum", "cum", colour ? "\033[0m" : "", "function");
	for (size_t i = 0; i < cnt; i++)
		print_row(a, f, &rows[i], total, unit);
	fputc('\n', f);
}

static void print_path(FILE *f, const char *path)
{
	char clean[4096];

	(void)str_clean(clean, sizeof(clean), path, strlen(path), NULL);
	fputs(clean, f);
}

static void print_files(const struct accounting *a, FILE *f)
{
	const struct recorded_file *most = NULL;

	for (size_t i = 0; i < a->files.cnt; i++) {
		const struct recorded_file *file = &a->files.v[i];

		if (!most || file->weight_ns > most->weight_ns)
			most = file;
		if (a->files.cnt > ACCOUNTING_FILES_SHOWN)
			continue;
		fputs("wrote ", f);
		print_path(f, file->path);
		fputc('\n', f);
	}
	if (a->files.cnt > ACCOUNTING_FILES_SHOWN) {
		fprintf(f, "wrote %zu profiles to ", a->files.cnt);
		print_path(f, *a->dir ? a->dir : "the current directory");
		fputc('\n', f);
	}
	if (most) {
		fputs("next: go tool pprof -top ", f);
		print_path(f, most->path);
		fputc('\n', f);
	}
}

void accounting_print(const struct accounting *a, FILE *f, bool colour)
{
	if (a->ended)
		print_books(a, f);
	print_top(a, f, colour);
	print_files(a, f);
}
