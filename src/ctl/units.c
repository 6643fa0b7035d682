/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Numbers in and out. Input is strict (no sign, no space, no trailing text): a profile of the wrong
 * length is worse than an error. Output repeats pprof's rules, rounding included: the scaled value
 * with two decimals, ".00" cut off, 0 without a unit.
 */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "units.h"

#define DURATION_MAX_NS (366 * 24 * 3600 * NSEC_PER_SEC)

static const struct {
	const char *suffix;
	uint64_t ns;
} duration_units[] = {
	{ "", NSEC_PER_SEC },	    { "s", NSEC_PER_SEC },	  { "ms", NSEC_PER_MSEC },
	{ "m", 60 * NSEC_PER_SEC }, { "h", 3600 * NSEC_PER_SEC }, { "d", 24 * 3600 * NSEC_PER_SEC },
};

struct unit_row {
	const char *name;
	const char *aliases[3]; /* lower case, without the s of the plural */
	double factor;
};

static const struct unit_row time_units[] = {
	{ "ns", { "ns", "nanosecond" }, 1 },	{ "us", { "us", "microsecond", "\xce\xbcs" }, 1e3 },
	{ "ms", { "ms", "millisecond" }, 1e6 }, { "s", { "s", "sec", "second" }, 1e9 },
	{ "hrs", { "hr", "hour" }, 3.6e12 },
};

static const struct unit_row memory_units[] = {
	{ "B", { "b", "byte" }, 1 },
	{ "kB", { "kb", "kbyte", "kilobyte" }, 1024.0 },
	{ "MB", { "mb", "mbyte", "megabyte" }, 1024.0 * 1024 },
	{ "GB", { "gb", "gbyte", "gigabyte" }, 1024.0 * 1024 * 1024 },
	{ "TB", { "tb", "tbyte", "terabyte" }, 1024.0 * 1024 * 1024 * 1024 },
	{ "PB", { "pb", "pbyte", "petabyte" }, 1024.0 * 1024 * 1024 * 1024 * 1024 },
};

static const struct unit_family {
	const struct unit_row *rows;
	size_t cnt;
	size_t small; /* the row for what is less than one of the smallest */
} unit_families[] = {
	{ memory_units, ELEMENTSOF(memory_units), 0 },
	{ time_units, ELEMENTSOF(time_units), 3 },
};

/* Reads the digits at the start of @text; *ret_end is what follows. */
static int units_digits(const char *text, uint64_t *ret, const char **ret_end)
{
	uint64_t v = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	}
	if (p == text)
		return -EINVAL;
	*ret = v;
	*ret_end = p;
	return 0;
}

int units_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *end;
	uint64_t v;
	int r = units_digits(text, &v, &end);

	if (r < 0)
		return r;
	if (*end)
		return -EINVAL;
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int units_parse_duration(const char *text, uint64_t *ret_ns)
{
	const char *end;
	uint64_t v;
	int r = units_digits(text, &v, &end);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ELEMENTSOF(duration_units); i++) {
		if (strcmp(end, duration_units[i].suffix) != 0)
			continue;
		if (__builtin_mul_overflow(v, duration_units[i].ns, &v) || v == 0 ||
		    v > DURATION_MAX_NS)
			return -ERANGE;
		*ret_ns = v;
		return 0;
	}
	return -EINVAL;
}

static bool unit_is(const struct unit_row *row, const char *name, size_t len)
{
	for (size_t i = 0; i < ELEMENTSOF(row->aliases) && row->aliases[i]; i++) {
		if (strlen(row->aliases[i]) == len && strncasecmp(row->aliases[i], name, len) == 0)
			return true;
	}
	return false;
}

/* The family that a profile's unit is of, and its factor there; NULL: none that can be scaled. */
static const struct unit_family *unit_family_of(const char *name, double *ret_factor)
{
	size_t len = strlen(name);

	if (len > 2 && (name[len - 1] == 's' || name[len - 1] == 'S'))
		len--;
	for (size_t f = 0; f < ELEMENTSOF(unit_families); f++) {
		const struct unit_family *family = &unit_families[f];

		for (size_t i = 0; i < family->cnt; i++) {
			if (!unit_is(&family->rows[i], name, len))
				continue;
			*ret_factor = family->rows[i].factor;
			return family;
		}
	}
	return NULL;
}

static const struct unit_row *unit_row_for(const struct unit_family *family, double v)
{
	for (size_t i = family->cnt; i > 0; i--) {
		if (v / family->rows[i - 1].factor >= 1.0)
			return &family->rows[i - 1];
	}
	return &family->rows[family->small];
}

/* What cannot be scaled is shown as it is; of plain numbers no unit is said. */
static struct unit unit_plain(const char *name)
{
	static const char *const counts[] = { "count", "sample", "unit", "minimum", "auto" };

	for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
		if (strcmp(name, counts[i]) == 0)
			name = "";
	}
	return (struct unit){ name, 1, 1 };
}

struct unit units_for(const char *sample_unit, int64_t min, int64_t max)
{
	double from;
	const struct unit_family *family = unit_family_of(sample_unit, &from);
	const struct unit_row *row;

	if (!family)
		return unit_plain(sample_unit);
	if (min == 0)
		min = max;
	row = unit_row_for(family, fabs((double)min) * from);
	/* Larger units are kept where the smallest value still shows as 0.01 of them. */
	if (row != unit_row_for(family, fabs((double)max) * from) && min <= INT64_MAX / 100 &&
	    min * 100 < max)
		row = unit_row_for(family, fabs((double)min) * 100 * from);
	return (struct unit){ row->name, from, row->factor };
}

struct unit units_of(const char *sample_unit, int64_t value)
{
	return units_for(sample_unit, value, value);
}

bool units_are_time(const char *sample_unit)
{
	double from;
	const struct unit_family *family = unit_family_of(sample_unit, &from);

	return family && family->rows == time_units;
}

void units_format(char *dst, size_t dst_sz, int64_t value, const struct unit *unit)
{
	char number[64];
	size_t len;

	len = (size_t)snprintf(number, sizeof(number), "%.2f",
			       (double)value * unit->from / unit->to);
	if (len > 3 && strcmp(number + len - 3, ".00") == 0)
		number[len - 3] = 0;
	if (strcmp(number, "0") == 0 || strcmp(number, "-0") == 0)
		(void)snprintf(dst, dst_sz, "0");
	else
		(void)snprintf(dst, dst_sz, "%s%s", number, unit->name);
}

void units_percent_format(char *dst, size_t dst_sz, int64_t value, int64_t total)
{
	double ratio = total ? fabs((double)value / (double)total) * 100 : 0;

	if (ratio >= 99.95 && ratio <= 100.05)
		(void)snprintf(dst, dst_sz, "  100%%");
	else
		(void)snprintf(dst, dst_sz, ratio >= 1.0 ? "%5.2f%%" : "%5.2g%%", ratio);
}
