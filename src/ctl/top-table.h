/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* top-table — the hottest functions, as `go tool pprof -top` prints them, or as JSON. */

#include <stdbool.h>
#include <stdio.h>

#include "cprof/base/json.h"
#include "cprof/report.h"
#include "units.h"

/* The unit of all values that are shown, of a report in @sample_unit. */
struct unit top_table_unit(const struct report_rows *rows, const char *sample_unit, int64_t total);

/* Column titles and rows; colours only where @colour. */
void top_table_print(FILE *f, const struct report_rows *rows, int64_t total,
		     const struct unit *unit, bool colour);
/* An array "top". */
void top_table_json(struct json *j, const struct report_rows *rows);
