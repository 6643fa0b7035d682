/* SPDX-License-Identifier: Apache-2.0 */
/* The table of events: perf's names, names that readers of profiles take, and counts. */

#include <errno.h>
#include <linux/perf_event.h>

#include "check.h"
#include "cprof/event.h"

static const struct event *parse(const char *text, uint64_t count)
{
	const struct event *e = NULL;
	uint64_t got = ~0ULL;

	CHECK_EQ(event_parse(text, &e, &got), 0);
	CHECK_EQ(got, count);
	return e;
}

TEST(names_and_aliases_of_perf)
{
	static const struct {
		const char *text, *name;
		uint32_t type;
		uint64_t config;
	} cases[] = {
		{ "cpu-clock", "cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK },
		{ "faults", "page-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS },
		{ "cs", "context-switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES },
		{ "migrations", "cpu-migrations", PERF_TYPE_SOFTWARE,
		  PERF_COUNT_SW_CPU_MIGRATIONS },
		{ "cpu-cycles", "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
		{ "branch-instructions", "branches", PERF_TYPE_HARDWARE,
		  PERF_COUNT_HW_BRANCH_INSTRUCTIONS },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct event *e = parse(cases[i].text, 0);

		CHECK_STR(e->name, cases[i].name);
		CHECK_EQ(e->perf_type, cases[i].type);
		CHECK_EQ(e->perf_config, cases[i].config);
	}
	CHECK(event_find("") == &event_table[EVENT_CPU_CLOCK]);
	CHECK(!event_find("cpu-clock/1"));
}

/* Types of profiles: Pyroscope refuses a '-', and two events of one type could be merged. */
TEST(values_suit_readers)
{
	for (size_t i = 0; i < EVENT_MAX; i++) {
		CHECK(strspn(event_table[i].value, "abcdefghijklmnopqrstuvwxyz_") ==
		      strlen(event_table[i].value));
		CHECK_STR(event_table[i].unit,
			  event_table[i].kind == EVENT_CLOCK ? "nanoseconds" : "count");
		for (size_t j = 0; event_table[i].kind != EVENT_CLOCK && j < i; j++)
			CHECK(strcmp(event_table[i].value, event_table[j].value) != 0);
	}
}

TEST(counts)
{
	CHECK_STR(parse("page-faults/1", 1)->name, "page-faults");
	CHECK_STR(parse("cs/1000", 1000)->name, "context-switches");
	CHECK_STR(parse("cycles/4611686018427387904", EVENT_COUNT_MAX)->name, "cycles");
	CHECK_STR(parse("cpu-clock/100000", EVENT_CLOCK_MIN)->name, "cpu-clock");
	CHECK_STR(parse("task-clock/10000000000", EVENT_CLOCK_MAX)->name, "task-clock");
}

TEST(what_is_no_event_or_no_count)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "", -ENOENT },
		{ "/1", -ENOENT },
		{ "nonsense", -ENOENT },
		{ "page-fault", -ENOENT },
		{ "Page-Faults", -ENOENT },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789",
		  -ENOENT },
		{ "page-faults/", -ERANGE },
		{ "page-faults/0", -ERANGE },
		{ "page-faults/-1", -ERANGE },
		{ "page-faults/1x", -ERANGE },
		{ "page-faults/1/2", -ERANGE },
		{ "page-faults/4611686018427387905", -ERANGE },
		{ "page-faults/18446744073709551617", -ERANGE },
		{ "cpu-clock/99999", -ERANGE },
		{ "cpu-clock/10000000001", -ERANGE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct event *e = NULL;
		uint64_t count = 7;

		CHECK_EQ(event_parse(cases[i].text, &e, &count), cases[i].r);
		CHECK(!e);
		CHECK_EQ(count, 7);
	}
}

CHECK_MAIN
