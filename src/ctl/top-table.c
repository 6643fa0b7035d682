/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The columns are pprof's (report.printText), so that eyes and scripts that know them need nothing
 * new. Names are clean: the report cleans what it reads.
 */

#include <stdlib.h>

#include "cprof/base/cleanup.h"
#include "top-table.h"

static int64_t magnitude(int64_t v)
{
	return v == INT64_MIN ? INT64_MAX : llabs(v);
}

struct unit top_table_unit(const struct report_rows *rows, const char *sample_unit, int64_t total)
{
	int64_t min = 0;

	for (size_t i = 0; i < rows->cnt; i++) {
		int64_t v = magnitude(rows->v[i].flat ? rows->v[i].flat : rows->v[i].cum);

		if (v > 0 && (min == 0 || v < min))
			min = v;
	}
	return rows->cnt > 0 ? units_for(sample_unit, min, total) : units_of(sample_unit, total);
}

static void print_row(FILE *f, const struct report_row *row, int64_t sum, int64_t total,
		      const struct unit *unit)
{
	char flat[64], cum[64], flat_pct[16], sum_pct[16], cum_pct[16];

	units_format(flat, sizeof(flat), row->flat, unit);
	units_format(cum, sizeof(cum), row->cum, unit);
	units_percent_format(flat_pct, sizeof(flat_pct), row->flat, total);
	units_percent_format(sum_pct, sizeof(sum_pct), sum, total);
	units_percent_format(cum_pct, sizeof(cum_pct), row->cum, total);
	fprintf(f, "%10s %s %s %10s %s  %s\n", flat, flat_pct, sum_pct, cum, cum_pct, row->name);
}

void top_table_print(FILE *f, const struct report_rows *rows, int64_t total,
		     const struct unit *unit, bool colour)
{
	int64_t sum = 0;

	fprintf(f, "%s%10s %5s%% %5s%% %10s %5s%%%s\n", colour ? "\033[1m" : "", "flat", "flat",
		"sum", "cum", "cum", colour ? "\033[0m" : "");
	for (size_t i = 0; i < rows->cnt; i++) {
		(void)__builtin_add_overflow(sum, rows->v[i].flat, &sum);
		print_row(f, &rows->v[i], sum, total, unit);
	}
}

void top_table_json(struct json *j, const struct report_rows *rows)
{
	json_array(j, "top");
	for (size_t i = 0; i < rows->cnt; i++) {
		json_object(j, NULL);
		json_string(j, "function", rows->v[i].name);
		json_i64(j, "flat", rows->v[i].flat);
		json_i64(j, "cum", rows->v[i].cum);
		json_object_end(j);
	}
	json_array_end(j);
}
