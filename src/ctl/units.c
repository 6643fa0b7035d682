/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Numbers in and out. Input is strict (no sign, no space, no trailing text): a profile of the wrong
 * length is worse than an error. Output repeats pprof's rules, rounding included: the scaled value
 * with two decimals, ".00" cut off, 0 without a unit.
 */

#include <assert.h>
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
	{ "m", 60 * NSEC_PER_SEC }, { "h", 3600 * NSEC_PER_SEC },
};

static const struct {
	const char *name;
	double factor;
} time_units[] = {
	[UNIT_NS] = { "ns", 1 }, [UNIT_US] = { "us", 1e3 },	 [UNIT_MS] = { "ms", 1e6 },
	[UNIT_S] = { "s", 1e9 }, [UNIT_HRS] = { "hrs", 3.6e12 },
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

enum unit_time units_time_of(int64_t ns)
{
	double v = fabs((double)ns);

	for (int u = UNIT_HRS; u >= UNIT_NS; u--) {
		if (v / time_units[u].factor >= 1.0)
			return (enum unit_time)u;
	}
	return UNIT_S;
}

enum unit_time units_time_for(int64_t min, int64_t max)
{
	enum unit_time min_unit, max_unit;

	if (min == 0)
		min = max;
	min_unit = units_time_of(min);
	max_unit = units_time_of(max);
	/* Larger units are kept where the smallest value still shows as 0.01 of them. */
	if (min_unit != max_unit && min <= INT64_MAX / 100 && min * 100 < max)
		return units_time_of(min * 100);
	return min_unit;
}

void units_time_format(char *dst, size_t dst_sz, int64_t ns, enum unit_time unit)
{
	char number[64];
	size_t len;

	assert((size_t)unit < ELEMENTSOF(time_units));
	len = (size_t)snprintf(number, sizeof(number), "%.2f",
			       (double)ns / time_units[unit].factor);
	if (len > 3 && strcmp(number + len - 3, ".00") == 0)
		number[len - 3] = 0;
	if (strcmp(number, "0") == 0 || strcmp(number, "-0") == 0)
		(void)snprintf(dst, dst_sz, "0");
	else
		(void)snprintf(dst, dst_sz, "%s%s", number, time_units[unit].name);
}

void units_percent_format(char *dst, size_t dst_sz, int64_t value, int64_t total)
{
	double ratio = total ? fabs((double)value / (double)total) * 100 : 0;

	if (ratio >= 99.95 && ratio <= 100.05)
		(void)snprintf(dst, dst_sz, "  100%%");
	else
		(void)snprintf(dst, dst_sz, ratio >= 1.0 ? "%5.2f%%" : "%5.2g%%", ratio);
}
