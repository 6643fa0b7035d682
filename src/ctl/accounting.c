/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The summary for people: one line of accounting, the hottest functions in pprof's columns, the
 * files, and what to type next.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "accounting.h"
#include "cprof/base/clock.h"
#include "cprof/base/str.h"
#include "top-table.h"
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
		.kind = p->kind,
		.processes = p->processes,
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
	return a->end.books.dropped + a->end.books.discarded -
	       a->end.counters.v[COUNTER_discard_forbidden];
}

bool accounting_is_time(const struct accounting *a)
{
	return a->event->kind == EVENT_CLOCK;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_time(char *dst, size_t dst_sz, uint64_t ns)
{
	struct unit unit = units_of("nanoseconds", (int64_t)ns);

	units_format(dst, dst_sz, (int64_t)ns, &unit);
}

void accounting_print_books(const struct accounting *a, FILE *f)
{
	const struct books *b = &a->end.books;
	const __u64 *c = a->end.counters.v;
	uint64_t cost = a->cpu_ns + c[COUNTER_bpf_ns];
	uint64_t stacks = c[COUNTER_stacks_complete] + c[COUNTER_stacks_truncated];
	char cpu[32], bpf[32];

	fprintf(f, "%" PRIu64 " samples, %" PRIu64 " missed, %" PRIu64 " lost",
		(uint64_t)b->in_profiles, (uint64_t)b->missed, accounting_lost(a));
	if (c[COUNTER_discard_forbidden] > 0)
		fprintf(f, ", %" PRIu64 " of other users not shown",
			(uint64_t)c[COUNTER_discard_forbidden]);
	fprintf(f, "; %.1f%% of stacks reached their root, %.1f%% of frames have names",
		share(c[COUNTER_stacks_complete], stacks),
		share(c[COUNTER_frames_named], c[COUNTER_frames]));
	print_time(bpf, sizeof(bpf), c[COUNTER_bpf_ns]);
	if (!a->cpu_known) {
		fprintf(f, "; our own cost: %s in BPF\n", bpf);
		return;
	}
	print_time(cpu, sizeof(cpu), a->cpu_ns);
	fprintf(f, "; our own cost: %s CPU and %s in BPF, %.1f%% of one CPU\n", cpu, bpf,
		share(cost, a->end.duration_ns));
}

static void print_top(const struct accounting *a, FILE *f, bool colour)
{
	_cleanup_(report_rows_done) struct report_rows rows = { 0 };
	const struct report_query query = { .max = ACCOUNTING_TOP };
	int64_t total = report_total(a->report);
	struct report_header header;
	struct unit unit;

	if (report_top(a->report, &query, &rows) < 0 || rows.cnt == 0)
		return;
	report_header(a->report, &header);
	unit = top_table_unit(&rows, header.unit, total);
	fputc('\n', f);
	top_table_print(f, &rows, total, &unit, colour);
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
		/* As we were called: from a build tree we are not in PATH. */
		fputs("next: ", f);
		print_path(f, program_invocation_name);
		fputs(" top ", f);
		print_path(f, most->path);
		fputc('\n', f);
	}
}

void accounting_print(const struct accounting *a, FILE *f, bool colour)
{
	if (a->ended)
		accounting_print_books(a, f);
	print_top(a, f, colour);
	print_files(a, f);
}
