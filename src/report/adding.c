/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adding — one profile file into a report.
 *
 * The file is summed aside, by the rows of its locations, and joins the report only when it was read
 * to its end: a file that breaks off leaves nothing behind. All files of a report show one sample
 * type, that of the first; what a file calls otherwise is refused rather than added up.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/str.h"
#include "cprof/pprof.h"
#include "report-internal.h"

/* The sums of one file, by row. */
struct sum {
	int64_t flat;
	int64_t cum;
	uint64_t seen; /* the last sample that counted here: recursion counts once */
};

/* The id + 1 of a string of the file in three forms, made when it is first needed. */
struct text {
	uint32_t whole;
	uint32_t base;	  /* behind the last '/' */
	uint32_t unnamed; /* "[base]" */
};

struct adding {
	struct report *report;
	struct pprof profile;
	struct text *texts; /* by string */
	uint32_t *row_at;   /* by location: its first in rows */
	VEC(uint32_t) rows;
	struct sum *sums;
	int64_t total;
	uint32_t type; /* string ids of the report */
	uint32_t unit;
	uint64_t sample;
};

static void adding_done(struct adding *a)
{
	pprof_done(&a->profile);
	vec_done(&a->rows);
	free(a->texts);
	free(a->row_at);
	free(a->sums);
}

int64_t report_add_saturated(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static int intern(struct report *r, const struct pprof_bytes *text, uint32_t *ret)
{
	size_t len = str_clean(r->name, sizeof(r->name), (const char *)text->p,
			       (size_t)(text->end - text->p), NULL);
	uint32_t id;
	int error;

	error = strtab_add(&r->strings, r->name, len, &id);
	if (error < 0)
		return error;
	*ret = id + 1;
	return 0;
}

static int intern_whole(struct adding *a, uint32_t string, uint32_t *ret_id)
{
	struct text *t = &a->texts[string];
	int r = 0;

	if (t->whole == 0)
		r = intern(a->report, &a->profile.strings.v[string], &t->whole);
	*ret_id = t->whole - 1;
	return r;
}

static int intern_base(struct adding *a, uint32_t string, uint32_t *ret_id)
{
	struct text *t = &a->texts[string];
	struct pprof_bytes base = a->profile.strings.v[string];
	int r = 0;

	for (const uint8_t *p = base.p; t->base == 0 && p < base.end; p++) {
		if (*p == '/')
			base.p = p + 1;
	}
	if (t->base == 0)
		r = intern(a->report, &base, &t->base);
	*ret_id = t->base - 1;
	return r;
}

/* A frame without a function, as pprof prints it: "[object]", or "<unknown>". */
static int intern_unnamed(struct adding *a, uint32_t string, uint32_t object, uint32_t *ret_id)
{
	struct report *report = a->report;
	struct text *t = &a->texts[string];
	char *name = report->name;
	uint32_t id;
	int r;

	if (t->unnamed == 0) {
		/* The object was cleaned and has room for no more than its brackets. */
		int len = object == 0 ? snprintf(name, sizeof(report->name), "<unknown>")
				      : snprintf(name, sizeof(report->name), "[%s]",
						 strtab_get(&report->strings, object));

		r = strtab_add(&report->strings, name, MIN((size_t)len, sizeof(report->name) - 1),
			       &id);
		if (r < 0)
			return r;
		t->unnamed = id + 1;
	}
	*ret_id = t->unnamed - 1;
	return 0;
}

static int push_row(struct adding *a, const struct row *row)
{
	uint32_t idx;
	int r;

	r = report_row(a->report, row, &idx);
	if (r < 0)
		return r;
	return vec_push(&a->rows, idx);
}

/* The system's name where there is no other. */
static uint32_t name_of(const struct pprof *p, uint32_t line)
{
	const struct pprof_function *f = &p->functions.v[p->lines.v[line].function];

	return f->name ? f->name : f->system_name;
}

/* The rows of a location: one for each of its lines, at least one. */
static int resolve_location(struct adding *a, const struct pprof_location *l)
{
	const struct pprof *p = &a->profile;
	uint32_t file = l->mapping == PPROF_NONE ? 0 : p->mappings.v[l->mapping].file;
	struct row row = { 0 };
	int r;

	r = intern_base(a, file, &row.object);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < MAX(l->line_cnt, 1u); i++) {
		uint32_t name = l->line_cnt ? name_of(p, l->line + i) : 0;

		r = intern_whole(a, name, &row.name);
		/* string 0, an empty one, or one that begins with a NUL */
		if (r == 0 && row.name == 0)
			r = intern_unnamed(a, file, row.object, &row.name);
		if (r == 0)
			r = push_row(a, &row);
		if (r < 0)
			return r;
	}
	return 0;
}

static int resolve(struct adding *a)
{
	size_t cnt = a->profile.locations.cnt;
	int r;

	a->texts = calloc(a->profile.strings.cnt, sizeof(*a->texts));
	a->row_at = calloc(cnt + 1, sizeof(*a->row_at));
	if (!a->texts || !a->row_at)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		a->row_at[i] = (uint32_t)a->rows.cnt;
		r = resolve_location(a, &a->profile.locations.v[i]);
		if (r < 0)
			return r;
	}
	a->row_at[cnt] = (uint32_t)a->rows.cnt;
	a->sums = calloc(MAX(a->report->rows.cnt, 1u), sizeof(*a->sums));
	return a->sums ? 0 : -ENOMEM;
}

static int sum_sample(const struct pprof_sample *sample, void *ctx)
{
	struct adding *a = ctx;
	size_t cnt = sample->locations_cnt;
	int64_t value = sample->values_cnt > 0 ? sample->values[a->profile.type] : 0;

	a->sample++;
	/* Of a difference as pprof does: what is less counts as well. */
	a->total = report_add_saturated(a->total, value == INT64_MIN ? INT64_MAX : llabs(value));
	if (cnt > 0) {
		struct sum *leaf = &a->sums[a->rows.v[a->row_at[sample->locations[0]]]];

		leaf->flat = report_add_saturated(leaf->flat, value);
	}
	for (size_t i = 0; i < cnt; i++) {
		uint32_t location = sample->locations[i];

		for (uint32_t j = a->row_at[location]; j < a->row_at[location + 1]; j++) {
			struct sum *s = &a->sums[a->rows.v[j]];

			if (s->seen == a->sample)
				continue;
			s->seen = a->sample;
			s->cum = report_add_saturated(s->cum, value);
		}
	}
	return 0;
}

/* The position of the type that @want names, by number or text; PPROF_NONE. */
static uint32_t find_type(const struct pprof *p, const char *want)
{
	char *end;
	unsigned long n = strtoul(want, &end, 10);

	if (!*end && *want >= '0' && *want <= '9')
		return n < p->types.cnt ? (uint32_t)n : PPROF_NONE;
	for (uint32_t i = 0; i < p->types.cnt; i++) {
		const struct pprof_bytes *name = &p->strings.v[p->types.v[i].name];
		size_t len = (size_t)(name->end - name->p);
		/* pprof's own leniency towards profiles that were made before the prefix was */
		const char *bare = strncmp(want, "inuse_", 6) == 0 ? want + 6 : want;

		if ((len == strlen(want) && memcmp(name->p, want, len) == 0) ||
		    (len == strlen(bare) && memcmp(name->p, bare, len) == 0))
			return i;
	}
	return PPROF_NONE;
}

/* "samples, cpu": for whoever asked for another one. */
static int intern_types(struct adding *a)
{
	struct report *r = a->report;
	char all[512] = "";
	size_t len = 0;
	int error;

	for (size_t i = 0; i < a->profile.types.cnt && len < sizeof(all); i++) {
		uint32_t id;

		error = intern_whole(a, a->profile.types.v[i].name, &id);
		if (error < 0)
			return error;
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i > 0 ? ", " : "",
					strtab_get(&r->strings, id));
	}
	return strtab_add(&r->strings, all, strlen(all), &r->types);
}

/* Which value of each sample counts: what was asked for, else what the first file did. */
static int select_type(struct adding *a)
{
	struct report *r = a->report;
	struct pprof *p = &a->profile;
	uint32_t type = 0, unit = 0;
	int error = intern_types(a);

	if (error < 0 || p->types.cnt == 0)
		return error;
	if (r->begun)
		p->type = find_type(p, strtab_get(&r->strings, r->type));
	else if (*r->want)
		p->type = find_type(p, r->want);
	if (p->type == PPROF_NONE)
		return -EPROTOTYPE;
	error = intern_whole(a, p->types.v[p->type].name, &type);
	if (error == 0)
		error = intern_whole(a, p->types.v[p->type].unit, &unit);
	if (error < 0)
		return error;
	if (r->begun && (type != r->type || unit != r->unit))
		return -EPROTOTYPE;
	a->type = type;
	a->unit = unit;
	return 0;
}

/* What pprof shows above its tables: of several files the first mapping, begin, and all time. */
static int commit_header(struct adding *a)
{
	const struct pprof *p = &a->profile;
	struct report *r = a->report;
	int error;

	if (!r->begun) {
		error = intern_base(a, p->first_mapping.file, &r->file);
		if (error == 0)
			error = intern_whole(a, p->first_mapping.build_id, &r->build_id);
		if (error < 0)
			return error;
	}
	/* A file without any type is an empty one: it decides nothing. */
	if (p->types.cnt > 0) {
		r->type = a->type;
		r->unit = a->unit;
		r->begun = true;
	}
	if (p->time_ns != 0 && (r->time_ns == 0 || p->time_ns < r->time_ns))
		r->time_ns = p->time_ns;
	r->duration_ns = report_add_saturated(r->duration_ns, p->duration_ns);
	return 0;
}

static void commit(const struct adding *a)
{
	struct report *r = a->report;

	for (size_t i = 0; i < r->rows.cnt; i++) {
		r->rows.v[i].flat = report_add_saturated(r->rows.v[i].flat, a->sums[i].flat);
		r->rows.v[i].cum = report_add_saturated(r->rows.v[i].cum, a->sums[i].cum);
	}
	r->total = report_add_saturated(r->total, a->total);
}

int report_add_plain(struct report *r, const void *bytes, size_t sz)
{
	_cleanup_(adding_done) struct adding a = { .report = r };
	int error;

	if (sz > REPORT_BYTES_MAX)
		return -E2BIG;
	error = pprof_parse(&a.profile,
			    &(struct pprof_bytes){ .p = bytes, .end = (const uint8_t *)bytes + sz },
			    PPROF_ENTRIES_MAX);
	if (error < 0)
		return error;
	error = resolve(&a);
	if (error == 0)
		error = select_type(&a);
	if (error == 0)
		error = pprof_samples(&a.profile, sum_sample, &a);
	if (error == 0)
		error = commit_header(&a);
	if (error < 0)
		return error;
	commit(&a);
	return 0;
}
