/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Parsing by fields of fixed width: strptime(3) takes blanks and single digits where none belong.
 * Days that a month does not have are found by converting back.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "times.h"
#include "units.h"

#define DAY_S (24 * 3600)

/* @n digits at *p, which moves on. */
static int times_field(const char **p, size_t n, int *ret)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		char c = (*p)[i];

		if (c < '0' || c > '9')
			return -EINVAL;
		v = v * 10 + (c - '0');
	}
	*p += n;
	*ret = v;
	return 0;
}

static bool times_skip(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* "2026-01-31" */
static int times_day(const char **p, struct tm *tm)
{
	if (times_field(p, 4, &tm->tm_year) < 0 || !times_skip(p, '-') ||
	    times_field(p, 2, &tm->tm_mon) < 0 || !times_skip(p, '-') ||
	    times_field(p, 2, &tm->tm_mday) < 0)
		return -EINVAL;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	return 0;
}

/* "14:00" or "14:00:30"; no clock here shows a leap second. */
static int times_clock(const char **p, struct tm *tm)
{
	if (times_field(p, 2, &tm->tm_hour) < 0 || !times_skip(p, ':') ||
	    times_field(p, 2, &tm->tm_min) < 0)
		return -EINVAL;
	if (times_skip(p, ':') && times_field(p, 2, &tm->tm_sec) < 0)
		return -EINVAL;
	return tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 59 ? -ERANGE : 0;
}

/* ".5": digits beyond nanoseconds are nothing. */
static int times_fraction(const char **p, uint64_t *ret_ns)
{
	uint64_t worth = NSEC_PER_SEC;
	int digit;

	*ret_ns = 0;
	if (!times_skip(p, '.'))
		return 0;
	if (**p < '0' || **p > '9')
		return -EINVAL;
	while (times_field(p, 1, &digit) == 0) {
		worth /= 10;
		*ret_ns += (uint64_t)digit * worth;
	}
	return 0;
}

/* "Z" or "+01:00", seconds east of UTC. */
static int times_zone(const char **p, int64_t *ret_s)
{
	int sign = **p == '-' ? -1 : 1, hours, minutes;

	*ret_s = 0;
	if (times_skip(p, 'Z') || times_skip(p, 'z'))
		return 0;
	if (!times_skip(p, '+') && !times_skip(p, '-'))
		return -EINVAL;
	if (times_field(p, 2, &hours) < 0 || !times_skip(p, ':') || times_field(p, 2, &minutes) < 0)
		return -EINVAL;
	if (hours > 23 || minutes > 59)
		return -ERANGE;
	*ret_s = sign * (hours * 3600 + minutes * 60);
	return 0;
}

/* Which moment a date is: in UTC when @utc. */
static int times_moment(const struct tm *date, bool utc, int64_t *ret_s)
{
	struct tm tm = *date;
	time_t t;

	tm.tm_isdst = -1;
	t = utc ? timegm(&tm) : mktime(&tm);
	if (tm.tm_mday != date->tm_mday || tm.tm_mon != date->tm_mon)
		return -ERANGE;
	*ret_s = t;
	return 0;
}

static int times_result(int64_t s, uint64_t ns, uint64_t *ret_ns)
{
	if (s < 0 || (uint64_t)s > INT64_MAX / NSEC_PER_SEC)
		return -ERANGE;
	*ret_ns = (uint64_t)s * NSEC_PER_SEC + ns;
	return 0;
}

/* A day, and what may follow it. @zoned: the zone must be there. */
static int times_date(const char *text, bool zoned, uint64_t *ret_ns)
{
	struct tm tm = { 0 };
	bool utc = false;
	int64_t s, east = 0;
	uint64_t ns = 0;
	const char *p = text;
	int r = times_day(&p, &tm);

	if (r < 0 || (!*p && zoned))
		return -EINVAL;
	if (*p) {
		if (!times_skip(&p, 'T') && !times_skip(&p, 't') && !times_skip(&p, ' '))
			return -EINVAL;
		r = times_clock(&p, &tm);
		if (r == 0)
			r = times_fraction(&p, &ns);
	}
	if (r == 0 && (*p || zoned)) {
		utc = true;
		r = times_zone(&p, &east);
	}
	if (r == 0 && *p)
		r = -EINVAL;
	if (r == 0)
		r = times_moment(&tm, utc, &s);
	return r < 0 ? r : times_result(s - east, ns, ret_ns);
}

/* "14:00": today's, or yesterday's when that is still to come. */
static int times_of_day(const char *text, uint64_t now_ns, uint64_t *ret_ns)
{
	time_t now = (time_t)(now_ns / NSEC_PER_SEC);
	const char *p = text;
	struct tm tm;
	int64_t s;
	int r;

	if (!localtime_r(&now, &tm))
		return -ERANGE;
	tm.tm_sec = 0;
	r = times_clock(&p, &tm);
	if (r < 0 || *p)
		return r < 0 ? r : -EINVAL;
	r = times_moment(&tm, false, &s);
	if (r == 0 && s > now) {
		/* A day may have 23 or 25 hours. */
		tm.tm_mday--;
		tm.tm_isdst = -1;
		s = mktime(&tm);
	}
	return r < 0 ? r : times_result(s, 0, ret_ns);
}

static int times_ago(const char *text, uint64_t now_ns, uint64_t *ret_ns)
{
	const char *unit = text + strspn(text, "0123456789");
	uint64_t ago;
	int r;

	/* A bare number could be anything. */
	if (!*unit)
		return -EINVAL;
	r = units_parse_duration(text, &ago);
	if (r < 0)
		return r;
	if (ago > now_ns)
		return -ERANGE;
	*ret_ns = now_ns - ago;
	return 0;
}

int times_parse(const char *text, uint64_t now_real_ns, uint64_t *ret_ns)
{
	if (strcmp(text, "now") == 0) {
		*ret_ns = now_real_ns;
		return 0;
	}
	if (strlen(text) > 4 && text[4] == '-')
		return times_date(text, false, ret_ns);
	if (strchr(text, ':'))
		return times_of_day(text, now_real_ns, ret_ns);
	return times_ago(*text == '-' ? text + 1 : text, now_real_ns, ret_ns);
}

int times_parse_rfc3339(const char *text, uint64_t *ret_ns)
{
	return times_date(text, true, ret_ns);
}

const char *times_rfc3339(uint64_t ns, char dst[static TIMES_SZ])
{
	time_t s = (time_t)(ns / NSEC_PER_SEC);
	struct tm tm;

	if (!gmtime_r(&s, &tm) || strftime(dst, TIMES_SZ, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		*dst = 0;
	return dst;
}

const char *times_local(uint64_t ns, char dst[static TIMES_SZ])
{
	time_t s = (time_t)(ns / NSEC_PER_SEC);
	struct tm tm;

	if (!localtime_r(&s, &tm) || strftime(dst, TIMES_SZ, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		*dst = 0;
	return dst;
}

const char *times_span(uint64_t ns, char dst[static TIMES_SZ])
{
	static const struct {
		const char *name;
		uint64_t s;
	} units[] = { { "d", DAY_S }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };
	uint64_t s = ns / NSEC_PER_SEC, rest;
	size_t i = 0;
	int n;

	while (i + 1 < ELEMENTSOF(units) && s < units[i].s)
		i++;
	n = snprintf(dst, TIMES_SZ, "%" PRIu64 "%s", s / units[i].s, units[i].name);
	rest = s % units[i].s;
	if (i + 1 < ELEMENTSOF(units) && rest / units[i + 1].s > 0)
		(void)snprintf(dst + n, TIMES_SZ - (size_t)n, " %" PRIu64 "%s",
			       rest / units[i + 1].s, units[i + 1].name);
	return dst;
}
