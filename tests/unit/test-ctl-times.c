/* SPDX-License-Identifier: Apache-2.0 */

/* Times as people type them, and the selectors of `cprofctl ls`. */

#include <time.h>

#include "check.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "ls-options.h"
#include "times.h"

/* 2026-01-31T14:00:00Z, a Saturday. */
#define NOW_S 1769868000ULL
#define NOW (NOW_S * NSEC_PER_SEC)

static void set_zone(const char *tz)
{
	CHECK_EQ(setenv("TZ", tz, 1), 0);
	tzset();
}

struct time_case {
	const char *text;
	int r;
	int64_t s; /* from NOW on */
};

static void check_times(const struct time_case *cases, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		uint64_t ns = 0;

		fprintf(stderr, "  \"%s\"\n", cases[i].text);
		CHECK_EQ(times_parse(cases[i].text, NOW, &ns), cases[i].r);
		if (cases[i].r == 0)
			CHECK_EQ((int64_t)(ns - NOW), cases[i].s * (int64_t)NSEC_PER_SEC);
	}
}

TEST(times)
{
	static const struct time_case cases[] = {
		{ "now", 0, 0 },
		{ "30s", 0, -30 },
		{ "5m", 0, -300 },
		{ "-10m", 0, -600 },
		{ "2h", 0, -7200 },
		{ "-7d", 0, -7 * 86400 },
		{ "14:00", 0, 0 },
		{ "13:59", 0, -60 },
		{ "13:59:30", 0, -30 },
		{ "14:01", 0, 60 - 86400 },
		{ "00:00", 0, -14 * 3600 },
		{ "2026-01-31", 0, -14 * 3600 },
		{ "2026-01-31 14:00", 0, 0 },
		{ "2026-01-30 14:00:01", 0, 1 - 86400 },
		{ "2026-01-31T14:00:00", 0, 0 },
		{ "2026-01-31T14:00:00Z", 0, 0 },
		{ "2026-01-31T15:00:00+01:00", 0, 0 },
		{ "2026-01-31T09:30:00-04:30", 0, 0 },
		{ "2026-02-28T14:00:00Z", 0, 28 * 86400 },

		{ "", -EINVAL, 0 },
		{ "30", -EINVAL, 0 },
		{ "-", -EINVAL, 0 },
		{ "--5m", -EINVAL, 0 },
		{ "+5m", -EINVAL, 0 },
		{ "5 m", -EINVAL, 0 },
		{ "5y", -EINVAL, 0 },
		{ "1:00", -EINVAL, 0 },
		{ "14:0", -EINVAL, 0 },
		{ "14:00:", -EINVAL, 0 },
		{ "14:00x", -EINVAL, 0 },
		{ "24:00", -ERANGE, 0 },
		{ "12:60", -ERANGE, 0 },
		{ "12:00:60", -ERANGE, 0 },
		{ "2026-1-31", -EINVAL, 0 },
		{ "2026-01-31x", -EINVAL, 0 },
		{ "2026-01-31T", -EINVAL, 0 },
		{ "2026-01-31T14:00:00+1", -EINVAL, 0 },
		{ "2026-01-31T14:00:00Z ", -EINVAL, 0 },
		{ "2026-01-31T14:00:00.Z", -EINVAL, 0 },
		{ "2026-01-31T14:00:00+25:00", -ERANGE, 0 },
		{ "2026-02-29", -ERANGE, 0 },
		{ "2026-13-01", -ERANGE, 0 },
		{ "2026-00-01", -ERANGE, 0 },
		{ "1969-12-31T00:00:00Z", -ERANGE, 0 },
		{ "9999-01-01T00:00:00Z", -ERANGE, 0 },
	};

	set_zone("UTC0");
	check_times(cases, ELEMENTSOF(cases));
}

/* A zone with summer time; two hours east in summer, one in winter. */
TEST(times_in_a_zone)
{
	static const struct time_case cases[] = {
		{ "15:00", 0, 0 },
		{ "15:01", 0, 60 - 86400 },
		{ "2026-01-31", 0, -15 * 3600 },
		{ "2026-01-31 15:00", 0, 0 },
		{ "2026-01-31T15:00:00", 0, 0 },
		{ "2026-01-31T14:00:00Z", 0, 0 },
		{ "2025-07-01 12:00", 0, (int64_t)1751364000 - (int64_t)NOW_S },
	};
	char text[TIMES_SZ];

	set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	check_times(cases, ELEMENTSOF(cases));
	CHECK_STR(times_local(NOW, text), "2026-01-31 15:00:00");
	CHECK_STR(times_rfc3339(NOW + 999999999, text), "2026-01-31T14:00:00Z");
}

TEST(times_rfc3339)
{
	uint64_t ns;

	CHECK_EQ(times_parse_rfc3339("2026-01-31T14:00:00.5Z", &ns), 0);
	CHECK_EQ(ns, NOW + NSEC_PER_SEC / 2);
	CHECK_EQ(times_parse_rfc3339("2026-01-31T14:00:00.1234567899Z", &ns), 0);
	CHECK_EQ(ns, NOW + 123456789);
	CHECK_EQ(times_parse_rfc3339("2026-01-31T14:00:00", &ns), -EINVAL);
	CHECK_EQ(times_parse_rfc3339("2026-01-31", &ns), -EINVAL);
	CHECK_EQ(times_parse_rfc3339("", &ns), -EINVAL);
}

TEST(spans)
{
	static const struct {
		uint64_t s;
		const char *text;
	} cases[] = {
		{ 0, "0s" },	       { 45, "45s" },  { 60, "1min" },	   { 61, "1min 1s" },
		{ 11520, "3h 12min" }, { 7205, "2h" }, { 90000, "1d 1h" },
	};
	char text[TIMES_SZ];

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		CHECK_STR(times_span(cases[i].s * NSEC_PER_SEC, text), cases[i].text);
}

#define LS(args, problem, ...)                                                              \
	({                                                                                  \
		static const char *const _v[] = { "ls", __VA_ARGS__, NULL };                \
		struct ctl_globals _g = { 0 };                                              \
		ls_args_parse((args), &_g, (int)ELEMENTSOF(_v) - 1, (char **)(uintptr_t)_v, \
			      (problem));                                                   \
	})

TEST(ls_selectors)
{
	_cleanup_(ls_args_done) struct ls_args a;
	struct option_problem p;

	CHECK_EQ(LS(&a, &p, "-p", "1,2", "--pid=3", "--kind", "cpu,heap", "--comm", "^(a|b)+$",
		    "--since", "-1h", "--until=2026-01-31T14:00:00Z"),
		 -EINVAL); /* an hour ago is later than that */
	CHECK(strstr(p.why, "--since is not before --until"));
	ls_args_done(&a);
	CHECK_EQ(LS(&a, &p, "-p", "1,2", "--pid=3", "--kind", "cpu,heap", "--comm", "^(a|b)+$"), 0);
	CHECK_EQ(a.pids.cnt, 3);
	CHECK_EQ(a.pids.v[2], 3);
	CHECK_EQ(a.kinds.cnt, 2);
	CHECK_STR(a.kinds.v[1], "heap");
	CHECK(a.by_comm && regexec(&a.comm, "abba", 0, NULL, 0) == 0);
	CHECK(regexec(&a.comm, "abbc", 0, NULL, 0) != 0);
	CHECK(a.since_ns == 0 && a.until_ns == UINT64_MAX);
}

/* From a quarter past until half past, said between them. */
TEST(ls_until_today)
{
	_cleanup_(ls_args_done) struct ls_args a;
	char since[16], until[16];
	const char *v[] = { "ls", "--since", since, "--until", until, NULL };
	struct ctl_globals g = { 0 };
	struct option_problem p;
	time_t now = time(NULL);
	struct tm tm;

	set_zone("UTC0");
	CHECK(gmtime_r(&(time_t){ now - 900 }, &tm));
	(void)strftime(since, sizeof(since), "%H:%M", &tm);
	CHECK(gmtime_r(&(time_t){ now + 900 }, &tm));
	(void)strftime(until, sizeof(until), "%H:%M", &tm);
	CHECK_EQ(ls_args_parse(&a, &g, 5, (char **)(uintptr_t)v, &p), 0);
	CHECK(a.since_ns < a.now_ns && a.until_ns > a.now_ns);
	CHECK(a.until_ns - a.since_ns <= 1860 * NSEC_PER_SEC);
}

TEST(ls_wrong)
{
	static const char *const cases[][2] = {
		{ "--pid", "0" },      { "--pid", "1,,2" }, { "--pid", "x" },
		{ "--comm", "(" },     { "--comm", "" },    { "--kind", "a b" },
		{ "--kind", "cpu," },  { "--since", "30" }, { "--until", "25:00" },
		{ "--since", "soon" },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const char *v[] = { "ls", cases[i][0], cases[i][1], NULL };
		struct ctl_globals g = { 0 };
		struct option_problem p;
		struct ls_args a;

		CHECK_EQ(ls_args_parse(&a, &g, 3, (char **)(uintptr_t)v, &p), -EINVAL);
		CHECK(strstr(p.why, "takes"));
		ls_args_done(&a);
	}
}

CHECK_MAIN
