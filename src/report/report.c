/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report — sums profile files by function, as `pprof -top` does.
 *
 * flat goes to the innermost function of the leaf, cum once to each function that is anywhere in
 * the stack, inlined ones included. Equal names of different objects are one row. Files come from
 * anywhere: a file is summed aside and added only when it was read to its end, names are cleaned as
 * they enter, sums saturate instead of overflowing.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/map.h"
#include "cprof/base/rng.h"
#include "cprof/base/str.h"
#include "cprof/report.h"
#include "gunzip.h"
#include "parse.h"

/* Of a file, unpacked. A machine's window of a minute has megabytes; pprof fails far below this. */
#define REPORT_BYTES_MAX (1ULL << 30)
#define REPORT_NAME_MAX 16384

struct row {
	uint32_t name; /* string ids */
	uint32_t object;
	int64_t flat;
	int64_t cum;
};

struct report {
	struct strtab strings;
	struct map row_map;
	VEC(struct row) rows;
	int64_t total;
	char name[REPORT_NAME_MAX]; /* being cleaned */
};

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
	struct parse parse;
	struct text *texts; /* by string */
	uint32_t *row_at;   /* by location: its first in rows */
	VEC(uint32_t) rows;
	struct sum *sums;
	int64_t total;
	uint64_t sample;
};

static void adding_done(struct adding *a)
{
	parse_done(&a->parse);
	vec_done(&a->rows);
	free(a->texts);
	free(a->row_at);
	free(a->sums);
}

int report_new(struct report **ret)
{
	_cleanup_(report_freep) struct report *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	error = strtab_init(&r->strings, rng_seed());
	if (error < 0)
		return error;
	*ret = TAKE_PTR(r);
	return 0;
}

struct report *report_free(struct report *r)
{
	if (!r)
		return NULL;
	strtab_done(&r->strings);
	map_done(&r->row_map);
	vec_done(&r->rows);
	free(r);
	return NULL;
}

static int64_t add_saturated(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static bool row_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct report *r = ctx;
	const struct row *a = &r->rows.v[value], *b = key;

	return a->name == b->name;
}

static int find_or_add_row(struct report *r, const struct row *row, uint32_t *ret)
{
	uint64_t hash = hash_bytes(&row->name, sizeof(row->name), r->strings.seed);
	int error;

	if (map_find(&r->row_map, hash, row, row_eq, r, ret))
		return 0;
	error = map_reserve(&r->row_map, 1);
	if (error < 0)
		return error;
	error = vec_push(&r->rows, *row);
	if (error < 0)
		return error;
	*ret = (uint32_t)r->rows.cnt - 1;
	return map_add(&r->row_map, hash, *ret);
}

static int intern(struct report *r, const struct wirefmt *text, uint32_t *ret)
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
		r = intern(a->report, &a->parse.strings.v[string], &t->whole);
	*ret_id = t->whole - 1;
	return r;
}

static int intern_base(struct adding *a, uint32_t string, uint32_t *ret_id)
{
	struct text *t = &a->texts[string];
	struct wirefmt base = a->parse.strings.v[string];
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

	r = find_or_add_row(a->report, row, &idx);
	if (r < 0)
		return r;
	return vec_push(&a->rows, idx);
}

/* The rows of a location: one for each of its lines, at least one. */
static int resolve_location(struct adding *a, const struct parse_location *l)
{
	const struct parse *p = &a->parse;
	uint32_t file = l->mapping == PARSE_NONE ? 0 : p->mappings.v[l->mapping].file;
	struct row row = { 0 };
	int r;

	r = intern_base(a, file, &row.object);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < MAX(l->line_cnt, 1u); i++) {
		uint32_t name = l->line_cnt ? p->functions.v[p->lines.v[l->line + i]].name : 0;

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
	size_t cnt = a->parse.locations.cnt;
	int r;

	a->texts = calloc(a->parse.strings.cnt, sizeof(*a->texts));
	a->row_at = calloc(cnt + 1, sizeof(*a->row_at));
	if (!a->texts || !a->row_at)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		a->row_at[i] = (uint32_t)a->rows.cnt;
		r = resolve_location(a, &a->parse.locations.v[i]);
		if (r < 0)
			return r;
	}
	a->row_at[cnt] = (uint32_t)a->rows.cnt;
	a->sums = calloc(MAX(a->report->rows.cnt, 1u), sizeof(*a->sums));
	return a->sums ? 0 : -ENOMEM;
}

static int sum_sample(const uint32_t *locations, size_t cnt, int64_t value, void *ctx)
{
	struct adding *a = ctx;

	a->sample++;
	a->total = add_saturated(a->total, value);
	if (cnt > 0) {
		struct sum *leaf = &a->sums[a->rows.v[a->row_at[locations[0]]]];

		leaf->flat = add_saturated(leaf->flat, value);
	}
	for (size_t i = 0; i < cnt; i++) {
		for (uint32_t j = a->row_at[locations[i]]; j < a->row_at[locations[i] + 1]; j++) {
			struct sum *s = &a->sums[a->rows.v[j]];

			if (s->seen == a->sample)
				continue;
			s->seen = a->sample;
			s->cum = add_saturated(s->cum, value);
		}
	}
	return 0;
}

static void commit(const struct adding *a)
{
	struct report *r = a->report;

	for (size_t i = 0; i < r->rows.cnt; i++) {
		r->rows.v[i].flat = add_saturated(r->rows.v[i].flat, a->sums[i].flat);
		r->rows.v[i].cum = add_saturated(r->rows.v[i].cum, a->sums[i].cum);
	}
	r->total = add_saturated(r->total, a->total);
}

static int add_plain(struct report *r, const void *bytes, size_t sz)
{
	_cleanup_(adding_done) struct adding a = { .report = r };
	int error;

	if (sz > REPORT_BYTES_MAX)
		return -E2BIG;
	error = parse_tables(&a.parse, bytes, sz);
	if (error < 0)
		return error;
	error = resolve(&a);
	if (error < 0)
		return error;
	error = parse_samples(&a.parse, sum_sample, &a);
	if (error < 0)
		return error;
	commit(&a);
	return 0;
}

int report_add(struct report *r, const void *bytes, size_t sz)
{
	const uint8_t *magic = bytes;
	_cleanup_free_ uint8_t *plain = NULL;
	size_t plain_sz;
	int error;

	if (sz < 2 || magic[0] != 0x1f || magic[1] != 0x8b)
		return add_plain(r, bytes, sz);
	error = gunzip(bytes, sz, REPORT_BYTES_MAX, &plain, &plain_sz);
	if (error < 0)
		return error;
	return add_plain(r, plain, plain_sz);
}

static int compare_rows(const void *x, const void *y)
{
	const struct report_row *a = x, *b = y;

	if (a->flat != b->flat)
		return CMP(b->flat, a->flat);
	if (a->cum != b->cum)
		return CMP(b->cum, a->cum);
	if (strcmp(a->name, b->name) != 0)
		return strcmp(a->name, b->name);
	return strcmp(a->object, b->object);
}

int report_top(struct report *r, size_t max, struct report_row **ret_rows, size_t *ret_cnt)
{
	struct report_row *rows = calloc(MAX(r->rows.cnt, 1u), sizeof(*rows));
	size_t cnt = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < r->rows.cnt; i++) {
		const struct row *row = &r->rows.v[i];

		if (row->flat == 0 && row->cum == 0)
			continue;
		rows[cnt++] = (struct report_row){
			.name = strtab_get(&r->strings, row->name),
			.object = strtab_get(&r->strings, row->object),
			.flat = row->flat,
			.cum = row->cum,
		};
	}
	qsort(rows, cnt, sizeof(*rows), compare_rows);
	*ret_rows = rows;
	*ret_cnt = MIN(cnt, max);
	return 0;
}

int64_t report_total(const struct report *r)
{
	return r->total;
}
