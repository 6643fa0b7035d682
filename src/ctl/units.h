/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * units — numbers as people type and read them. Values in reports look as pprof prints them
 * (internal/measurement and report.selectOutputUnit of google/pprof), so that eyes trained on
 * `go tool pprof -top` need no practice.
 */

#include <stddef.h>
#include <stdint.h>

enum unit_time { UNIT_NS, UNIT_US, UNIT_MS, UNIT_S, UNIT_HRS };

/* Decimal digits only, within the limits; 0, -EINVAL or -ERANGE. */
int units_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* "30", "30s", "500ms", "5m", "1h"; not 0, at most a year. 0, -EINVAL or -ERANGE. */
int units_parse_duration(const char *text, uint64_t *ret_ns);

/* The unit that pprof chooses for one value alone. */
enum unit_time units_time_of(int64_t ns);
/* The one for a whole column: @min is the smallest value that is not 0, @max the total. */
enum unit_time units_time_for(int64_t min, int64_t max);
void units_time_format(char *dst, size_t dst_sz, int64_t ns, enum unit_time unit);

/* Five characters and "%", as pprof's columns. */
void units_percent_format(char *dst, size_t dst_sz, int64_t value, int64_t total);
