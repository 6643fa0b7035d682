/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * units — numbers as people type and read them. Values in reports look as pprof prints them
 * (internal/measurement and report.selectOutputUnit of google/pprof), so that eyes trained on
 * `go tool pprof -top` need no practice.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unit {
	const char *name; /* "" for what needs none */
	double from;	  /* one of the profile's units, and one of this, in the smallest */
	double to;
};

/* Decimal digits only, within the limits; 0, -EINVAL or -ERANGE. */
int units_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* "30", "30s", "500ms", "5m", "1h", "7d"; not 0, at most a year. 0, -EINVAL or -ERANGE. */
int units_parse_duration(const char *text, uint64_t *ret_ns);

/*
 * A unit to show values of @sample_unit (a profile's: "nanoseconds", "bytes", "count") in: the one
 * that pprof chooses for one value alone, and for a column, where @min is the smallest magnitude
 * that is not 0 and @max the total. The result may borrow @sample_unit.
 */
struct unit units_of(const char *sample_unit, int64_t value);
struct unit units_for(const char *sample_unit, int64_t min, int64_t max);
bool units_are_time(const char *sample_unit);
void units_format(char *dst, size_t dst_sz, int64_t value, const struct unit *unit);

/* Five characters and "%", as pprof's columns. */
void units_percent_format(char *dst, size_t dst_sz, int64_t value, int64_t total);
