/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report — sums profile files by function, as `pprof -top` does.
 *
 * flat goes to the innermost function of the leaf, cum once to each function that is anywhere in
 * the stack, inlined ones included. Equal names of different objects are one row. Files come from
 * anywhere: names are cleaned as they enter, sums saturate instead of overflowing. Which rows are
 * shown, and in which order, follows pprof's report.newTrimmedGraph and graph.Nodes.Sort.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/rng.h"
#include "cprof/pprof.h"
#include "report-internal.h"

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

static bool row_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct report *r = ctx;
	const struct row *a = &r->rows.v[value], *b = key;

	return a->name == b->name;
}

int report_row(struct report *r, const struct row *row, uint32_t *ret)
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

int report_add(struct report *r, const void *bytes, size_t sz)
{
	_cleanup_free_ uint8_t *plain = NULL;
	size_t plain_sz;
	int error;

	if (!pprof_is_gzip(bytes, sz))
		return report_add_plain(r, bytes, sz);
	error = pprof_unpack(bytes, sz, REPORT_BYTES_MAX, &plain, &plain_sz);
	if (error < 0)
		return error;
	return report_add_plain(r, plain, plain_sz);
}

int report_choose_type(struct report *r, const char *type)
{
	if (r->begun || !*type || strlen(type) >= sizeof(r->want))
		return -EINVAL;
	(void)snprintf(r->want, sizeof(r->want), "%s", type);
	return 0;
}

int64_t report_part(int64_t value, double fraction)
{
	double part = (double)value * fraction;

	/* INT64_MAX is no double: its neighbour, 2^63, does not fit. */
	if (part >= (double)INT64_MAX)
		return INT64_MAX;
	return part <= (double)INT64_MIN ? INT64_MIN : (int64_t)part;
}

static int64_t magnitude(int64_t v)
{
	return v == INT64_MIN ? INT64_MAX : v < 0 ? -v : v;
}

static int compare_rows(const void *x, const void *y, void *ctx)
{
	const struct report_row *a = x, *b = y;
	const bool *by_cum = ctx;
	int64_t u = magnitude(*by_cum ? a->cum : a->flat);
	int64_t v = magnitude(*by_cum ? b->cum : b->flat);

	/* A name has one row, so that nothing else is left to compare. */
	return u != v ? CMP(v, u) : strcmp(a->name, b->name);
}

static struct report_row report_row_at(const struct report *r, size_t i)
{
	const struct row *row = &r->rows.v[i];

	return (struct report_row){
		.name = strtab_get(&r->strings, row->name),
		.object = strtab_get(&r->strings, row->object),
		.flat = row->flat,
		.cum = row->cum,
	};
}

/* Below this a row is dropped; of the sum of flats, which samples without a stack are not in. */
static int64_t report_cutoff(const struct report *r, double fraction)
{
	int64_t sum = 0;

	for (size_t i = 0; i < r->rows.cnt; i++)
		sum = report_add_saturated(sum, r->rows.v[i].flat);
	return magnitude(report_part(sum, fraction));
}

int report_top(struct report *r, const struct report_query *query, struct report_rows *ret)
{
	struct report_row *rows = calloc(MAX(r->rows.cnt, 1u), sizeof(*rows));
	int64_t cutoff = report_cutoff(r, query->fraction);
	bool by_cum = query->by_cum;
	size_t kept = 0, dropped = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < r->rows.cnt; i++) {
		struct report_row row = report_row_at(r, i);

		if (row.flat == 0 && row.cum == 0)
			continue;
		if (magnitude(row.cum) < cutoff)
			dropped++;
		else
			rows[kept++] = row;
	}
	qsort_r(rows, kept, sizeof(*rows), compare_rows, &by_cum);
	*ret = (struct report_rows){
		.v = rows,
		.cnt = query->max ? MIN(kept, query->max) : kept,
		.kept = kept,
		.dropped = dropped,
	};
	return 0;
}

void report_rows_done(struct report_rows *rows)
{
	free(rows->v);
	*rows = (struct report_rows){ 0 };
}

int64_t report_rows_flat(const struct report_rows *rows)
{
	int64_t sum = 0;

	for (size_t i = 0; i < rows->cnt; i++)
		sum = report_add_saturated(sum, rows->v[i].flat);
	return sum;
}

int64_t report_total(const struct report *r)
{
	return r->total;
}

void report_header(const struct report *r, struct report_header *ret)
{
	*ret = (struct report_header){
		.type = strtab_get(&r->strings, r->type),
		.unit = strtab_get(&r->strings, r->unit),
		.types = strtab_get(&r->strings, r->types),
		.file = strtab_get(&r->strings, r->file),
		.build_id = strtab_get(&r->strings, r->build_id),
		.time_ns = r->time_ns,
		.duration_ns = r->duration_ns,
	};
}
