/* SPDX-License-Identifier: Apache-2.0 */

/* The parts of cprofctl that decide by themselves: command lines, numbers, JSON. */

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "accounting.h"
#include "check.h"
#include "cprof/base/cleanup.h"
#include "find-cprofd.h"
#include "losses.h"
#include "progress.h"
#include "record-options.h"
#include "scratch.h"
#include "session-client.h"
#include "targets.h"
#include "units.h"

#define PARSE(args, problem, ...)                                                               \
	({                                                                                      \
		static const char *const _v[] = { "record", __VA_ARGS__, NULL };                \
		struct ctl_globals _g = { 0 };                                                  \
		record_args_parse((args), &_g, (int)ELEMENTSOF(_v) - 1, (char **)(uintptr_t)_v, \
				  (problem));                                                   \
	})

static void check_wrong(const char *expected, int r, const struct option_problem *p)
{
	CHECK_EQ(r, -EINVAL);
	if (!strstr(p->why, expected))
		CHECK_FAIL("\"%s\" does not say \"%s\"", p->why, expected);
}

#define CHECK_WRONG(expected, ...)                                        \
	do {                                                              \
		struct record_args _a;                                    \
		struct option_problem _p = { "" };                        \
		check_wrong(expected, PARSE(&_a, &_p, __VA_ARGS__), &_p); \
		record_args_done(&_a);                                    \
	} while (0)

TEST(record_pids)
{
	struct option_problem p;
	struct record_args a;

	CHECK_EQ(PARSE(&a, &p, "--pid", "7,8", "-p7", "--pid=9", "--hz=10000"), 0);
	CHECK_EQ(a.pids.cnt, 3);
	CHECK_EQ(a.pids.v[0], 7);
	CHECK_EQ(a.pids.v[1], 8);
	CHECK_EQ(a.pids.v[2], 9);
	CHECK_EQ(a.hz, 10000);
	CHECK_EQ(a.duration_ns, 10000000000);
	CHECK(!a.all && !a.command && !a.output);
	record_args_done(&a);
}

TEST(record_command)
{
	struct option_problem p;
	struct record_args a;

	CHECK_EQ(PARSE(&a, &p, "-o", "x", "--", "prog", "--hz", "0"), 0);
	CHECK_STR(a.output, "x");
	CHECK_STR(a.command[0], "prog");
	CHECK_STR(a.command[1], "--hz");
	CHECK_STR(a.command[2], "0");
	CHECK(!a.command[3]);
	CHECK_EQ(a.duration_ns, 0);
	CHECK_EQ(a.hz, 99);
	record_args_done(&a);

	/* Its options are its own without "--" too. */
	CHECK_EQ(PARSE(&a, &p, "--seconds", "2", "prog", "-a"), 0);
	CHECK(!a.all);
	CHECK_STR(a.command[1], "-a");
	CHECK_EQ(a.duration_ns, 2000000000);
	record_args_done(&a);
}

TEST(record_globals_after_the_command)
{
	const char *v[] = { "record", "-qa", "--json", NULL };
	struct ctl_globals g = { 0 };
	struct option_problem p;
	struct record_args a;

	CHECK_EQ(record_args_parse(&a, &g, 3, (char **)(uintptr_t)v, &p), 0);
	CHECK(g.quiet && g.json && a.all);
	record_args_done(&a);
}

TEST(record_event)
{
	static const struct {
		const char *event, *hz;
		enum event_id id;
		uint32_t ret_hz;
		uint64_t ret_count;
	} cases[] = {
		/* How often, when it was not said: by what kind of event it is. */
		{ "cpu-clock", NULL, EVENT_CPU_CLOCK, 99, 0 },
		{ "task-clock/2000000", NULL, EVENT_TASK_CLOCK, 99, 2000000 },
		{ "page-faults", NULL, EVENT_PAGE_FAULTS, 99, 1 },
		{ "faults/100", NULL, EVENT_PAGE_FAULTS, 99, 100 },
		{ "cs", "49", EVENT_CONTEXT_SWITCHES, 49, 0 },
		{ "cycles", NULL, EVENT_CYCLES, 99, 0 },
		{ "cpu-cycles/1000000", NULL, EVENT_CYCLES, 99, 1000000 },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const char *v[] = { "record", "-a",	   "--event", cases[i].event,
				    "--hz",   cases[i].hz, NULL };
		struct ctl_globals g = { 0 };
		struct option_problem p;
		struct record_args a;

		CHECK_EQ(record_args_parse(&a, &g, cases[i].hz ? 6 : 4, (char **)(uintptr_t)v, &p),
			 0);
		CHECK(a.event == &event_table[cases[i].id]);
		CHECK_EQ(a.hz, cases[i].ret_hz);
		CHECK_EQ(a.event_count, cases[i].ret_count);
		record_args_done(&a);
	}
}

/* An event that does not exist: the error lists what does, to its end. */
TEST(record_wrong_event)
{
	CHECK_WRONG("--event takes one of cpu-clock task-clock page-faults", "-a", "--event",
		    "nonsense");
	CHECK_WRONG("stalled-cycles-backend, or such a one with /count (a clock's in ns, from "
		    "100000), not 'nonsense'",
		    "-a", "--event", "nonsense");
	CHECK_WRONG("not 'cpu-clock/1'", "-a", "--event", "cpu-clock/1");
	CHECK_WRONG("not 'page-faults/0'", "-a", "--event", "page-faults/0");
	CHECK_WRONG("--event needs EV[/COUNT]", "-a", "--event");
	CHECK_WRONG("choose one of --hz and a count of --event", "-a", "--event", "cs/10", "--hz",
		    "99");
}

TEST(record_wrong)
{
	CHECK_WRONG("what?", "--hz", "99");
	CHECK_WRONG("choose one", "-a", "--pid", "1");
	CHECK_WRONG("--children goes with --pid", "-a", "--children");
	CHECK_WRONG("--children goes with --pid; a command is recorded", "--children", "--",
		    "true");
	CHECK_WRONG("choose one", "-a", "--", "true");
	CHECK_WRONG("choose one", "-a", "--unit", "a");
	CHECK_WRONG("--with-memory goes with --raw", "-a", "--with-memory");
	CHECK_WRONG("--unit takes", "--unit", "");
	CHECK_WRONG("--unit takes", "--unit", "a/b.service");
	CHECK_WRONG("--unit takes", "--unit", "a\033b.service");
	CHECK_WRONG("--unit takes", "--unit", "a\nb");
	CHECK_WRONG("--pid takes process ids", "--pid", "0");
	CHECK_WRONG("--pid takes process ids", "--pid", "1,");
	CHECK_WRONG("--pid takes process ids", "--pid", "-1");
	CHECK_WRONG("--pid takes process ids", "--pid", "2147483648");
	CHECK_WRONG("--hz takes a number from 1 to 10000, not '10001'", "--hz", "10001", "-a");
	CHECK_WRONG("--hz takes", "--hz", "0", "-a");
	CHECK_WRONG("--seconds takes", "-a", "--seconds", "0");
	CHECK_WRONG("--seconds needs N", "-a", "--seconds");
	CHECK_WRONG("no option --secs", "-a", "--secs=1");
	CHECK_WRONG("no option -z", "-az");
	CHECK_WRONG("no option -\xef\xbf\xbd", "-aa\033");
	CHECK_WRONG("--all takes no argument", "--all=1");
	CHECK_WRONG("-o takes", "-o", "-", "-a");
}

TEST(record_wrong_is_clean)
{
	struct option_problem p = { "" };
	struct record_args a;

	CHECK_EQ(PARSE(&a, &p, "--hz", "\033[31m\n", "-a"), -EINVAL);
	for (const char *c = p.why; *c; c++)
		CHECK((unsigned char)*c >= 0x20);
	record_args_done(&a);
}

TEST(durations)
{
	static const struct {
		const char *text;
		int r;
		uint64_t ns;
	} cases[] = {
		{ "30", 0, 30000000000 },
		{ "30s", 0, 30000000000 },
		{ "5m", 0, 300000000000 },
		{ "1h", 0, 3600000000000 },
		{ "250ms", 0, 250000000 },
		{ "8784h", 0, 31622400000000000 },
		{ "8785h", -ERANGE, 0 },
		{ "0", -ERANGE, 0 },
		{ "0s", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551615", -ERANGE, 0 },
		{ "18446744074s", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "5d", 0, 432000000000000 },
		{ "367d", -ERANGE, 0 },
		{ "5w", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		uint64_t ns = 0;

		fprintf(stderr, "  \"%s\"\n", cases[i].text);
		CHECK_EQ(units_parse_duration(cases[i].text, &ns), cases[i].r);
		CHECK_EQ(ns, cases[i].ns);
	}
}

TEST(numbers)
{
	uint64_t v = 0;

	CHECK_EQ(units_parse_number("007", 1, 10, &v), 0);
	CHECK_EQ(v, 7);
	CHECK_EQ(units_parse_number("18446744073709551615", 0, UINT64_MAX, &v), 0);
	CHECK(v == UINT64_MAX);
	CHECK_EQ(units_parse_number("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
	CHECK_EQ(units_parse_number("1x", 0, 10, &v), -EINVAL);
	CHECK_EQ(units_parse_number("11", 0, 10, &v), -ERANGE);
}

/* Expected texts are what pprof's measurement.Label() and Percentage() give. */
TEST(times_as_pprof)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 1, "1ns" },
		{ 999, "999ns" },
		{ 1000, "1us" },
		{ 10000000, "10ms" },
		{ 10101010, "10.10ms" },
		{ 999999999, "1000ms" },
		{ 1230000000, "1.23s" },
		{ 3599000000000, "3599s" },
		{ 3600000000000, "1hrs" },
		{ -1500000, "-1.50ms" },
	};
	char text[32];

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct unit unit = units_of("nanoseconds", cases[i].ns);

		units_format(text, sizeof(text), cases[i].ns, &unit);
		CHECK_STR(text, cases[i].text);
	}
}

TEST(columns_as_pprof)
{
	/* The smallest value decides, unless it would still show in the unit of a hundred of it. */
	static const struct {
		const char *unit;
		int64_t min, max, value;
		const char *text;
	} cases[] = {
		{ "nanoseconds", 10000000, 500000000, 10000000, "10ms" },
		{ "nanoseconds", 10000000, 1500000000, 10000000, "0.01s" },
		{ "nanoseconds", 10000000, 1500000000, 1000, "0" },
		{ "nanoseconds", 10000000, 1000000000, 1000000000, "1000ms" },
		{ "nanoseconds", 0, 1500000000, 1500000000, "1.50s" },
		{ "nanoseconds", INT64_MAX, INT64_MAX, 7200000000000, "2hrs" },
		{ "Microseconds", 5, 50, 5, "5us" },
		{ "ms", 1500, 1500, 1500, "1.50s" },
		{ "bytes", 512, 4096, 4096, "4096B" },
		{ "bytes", 2048, 1 << 20, 1 << 20, "1024kB" },
		{ "bytes", 16384, 1 << 21, 1 << 21, "2MB" },
		{ "count", 1, 5000000, 5000000, "5000000" },
		{ "pages", 1, 50, 50, "50pages" },
		{ "", 1, 50, 50, "50" },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct unit unit = units_for(cases[i].unit, cases[i].min, cases[i].max);
		char text[32];

		units_format(text, sizeof(text), cases[i].value, &unit);
		CHECK_STR(text, cases[i].text);
	}
}

TEST(percents_as_pprof)
{
	char text[16];

	units_percent_format(text, sizeof(text), 1, 1);
	CHECK_STR(text, "  100%");
	units_percent_format(text, sizeof(text), 9996, 10000);
	CHECK_STR(text, "  100%");
	units_percent_format(text, sizeof(text), 9994, 10000);
	CHECK_STR(text, "99.94%");
	units_percent_format(text, sizeof(text), 1, 100);
	CHECK_STR(text, " 1.00%");
	units_percent_format(text, sizeof(text), 5, 1000);
	CHECK_STR(text, "  0.5%");
	units_percent_format(text, sizeof(text), 0, 10);
	CHECK_STR(text, "    0%");
	units_percent_format(text, sizeof(text), 5, 0);
	CHECK_STR(text, "    0%");
}

static int parse_unit(const char *name, char unit[static SESSION_UNIT_SZ])
{
	const char *const v[] = { "record", "--unit", name, NULL };
	struct option_problem p = { "" };
	struct ctl_globals g = { 0 };
	struct record_args a;
	int r = record_args_parse(&a, &g, 3, (char **)(uintptr_t)v, &p);

	memcpy(unit, a.unit, SESSION_UNIT_SZ);
	record_args_done(&a);
	return r;
}

/* As systemctl: a name without a suffix is a service's; 255 bytes are the longest. */
TEST(unit_names)
{
	static const char *const rows[][2] = {
		{ "nginx", "nginx.service" },	    { "a.b", "a.b.service" },
		{ "a.service", "a.service" },	    { "session-1.scope", "session-1.scope" },
		{ "system.slice", "system.slice" }, { ".service", ".service.service" },
		{ "x.socket", "x.socket.service" },
	};
	const size_t len = SESSION_UNIT_SZ - sizeof(".service");
	char longest[SESSION_UNIT_SZ] = "", unit[SESSION_UNIT_SZ];

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		CHECK_EQ(parse_unit(rows[i][0], unit), 0);
		CHECK_STR(unit, rows[i][1]);
	}
	memset(longest, 'a', len);
	CHECK_EQ(parse_unit(longest, unit), 0);
	CHECK_EQ(strlen(unit), SESSION_UNIT_SZ - 1);
	longest[len] = 'a';
	CHECK_EQ(parse_unit(longest, unit), -EINVAL);
}

static int memfd(const char *text, unsigned int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

TEST(profile_read)
{
	struct session_profile p = { .bytes = 4 };
	_cleanup_close_ int sealed = memfd("text", F_SEAL_WRITE | F_SEAL_SHRINK);
	_cleanup_close_ int open_one = memfd("text", F_SEAL_SHRINK);
	_cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ void *bytes = NULL;

	CHECK_EQ(session_profile_read(&p, sealed, &bytes), 0);
	CHECK_EQ(memcmp(bytes, "text", 4), 0);
	bytes = (free(bytes), NULL);
	CHECK_EQ(session_profile_read(&p, open_one, &bytes), -EBADMSG);
	CHECK_EQ(session_profile_read(&p, file, &bytes), -EBADMSG);
	p.bytes = 5;
	CHECK_EQ(session_profile_read(&p, sealed, &bytes), -EBADMSG);
	p.bytes = 0;
	CHECK_EQ(session_profile_read(&p, sealed, &bytes), -EBADMSG);
	p.bytes = UINT64_MAX;
	CHECK_EQ(session_profile_read(&p, sealed, &bytes), -EBADMSG);
	CHECK(!bytes);
}

TEST(targets)
{
	_cleanup_(root_done) struct root root = ROOT_INIT;
	struct targets t = TARGETS_INIT;
	struct target_problem p;
	const int32_t self[] = { getpid() }, both[] = { getpid(), INT32_MAX };

	CHECK_EQ(root_open(&root, "/"), 0);
	CHECK_EQ(targets_open(&t, &root, self, 1, &p), 0);
	CHECK_EQ(t.cnt, 1);
	CHECK(t.v[0].pidfd >= 0);
	targets_done(&t);
	CHECK_EQ(targets_open(&t, &root, both, 2, &p), -ESRCH);
	CHECK_EQ(p.fault, TARGET_MISSING);
	CHECK_EQ(p.pid, INT32_MAX);
	targets_done(&t);
}

TEST(find_cprofd)
{
	char path[PATH_MAX];

	enter_scratch();
	CHECK_EQ(mkdir("bin", 0700) | mkdir("sbin", 0700), 0);
	CHECK_EQ(find_cprofd_beside("bin/cprofctl", "last", path), -ENOENT);
	CHECK_EQ(close(creat("last", 0700)), 0);
	CHECK_EQ(find_cprofd_beside("bin/cprofctl", "last", path), 0);
	CHECK_STR(path, "last");
	CHECK_EQ(close(creat("sbin/cprofd", 0600)), 0);
	CHECK_EQ(find_cprofd_beside("bin/cprofctl", "/none", path), -ENOENT);
	CHECK_EQ(chmod("sbin/cprofd", 0700), 0);
	CHECK_EQ(find_cprofd_beside("bin/cprofctl", "last", path), 0);
	CHECK_STR(path, "bin/../sbin/cprofd");
	/* A directory of that name is none. */
	CHECK_EQ(mkdir("bin/cprofd", 0700), 0);
	CHECK_EQ(find_cprofd_beside("bin/cprofctl", "last", path), 0);
	CHECK_STR(path, "bin/../sbin/cprofd");
}

TEST(progress_texts)
{
	struct session_progress p = {
		.elapsed_ns = 3900000000,
		.samples = 297,
		.lost = 0,
		.processes = 12,
	};
	char text[160];

	progress_text(text, sizeof(text), &p, 10000000000);
	CHECK_STR(text, "recording 3 s of 10 s: 297 samples, 0 lost, 12 processes");
	p.processes = 1;
	progress_text(text, sizeof(text), &p, 0);
	CHECK_STR(text, "recording 3 s: 297 samples, 0 lost, 1 process");
}

TEST(losses)
{
	struct counters c = { { 0 } };
	struct losses l = { .samples = 77 };

	c.v[COUNTER_runs] = 100;
	c.v[COUNTER_missed] = 5;
	CHECK(!losses_find(&c, &l));
	CHECK_EQ(l.samples, 77);
	c.v[COUNTER_drop_ring_full] = 3;
	c.v[COUNTER_discard_memory] = 12;
	CHECK(!losses_find_profiles(&c, &l));
	CHECK(losses_find(&c, &l));
	CHECK_EQ(l.samples, 15);
	CHECK_STR(l.why, counter_descs[COUNTER_discard_memory].prose);
	CHECK_STR(l.counters, "drop_ring_full 3, discard_memory 12");
	c.v[COUNTER_discard_encode] = 1;
	c.v[COUNTER_discard_client] = 2;
	CHECK(losses_find_profiles(&c, &l));
	CHECK_EQ(l.samples, 3);
	CHECK_STR(l.counters, "discard_encode 1, discard_client 2");
	CHECK_STR(l.why, counter_descs[COUNTER_discard_client].prose);
}

/* Each reason that there is has a text that fits, all of them together as well. */
TEST(losses_of_every_kind)
{
	struct counters all = { { 0 } };
	struct losses l;

	for (int i = 0; i < COUNTER_MAX; i++) {
		struct counters one = { { 0 } };

		if (counter_descs[i].kind != COUNTER_KIND_DROP &&
		    counter_descs[i].kind != COUNTER_KIND_DISCARD)
			continue;
		one.v[i] = all.v[i] = UINT64_MAX / COUNTER_MAX;
		if (i == COUNTER_discard_forbidden) { /* withheld, not lost */
			CHECK(!losses_find(&one, &l));
			continue;
		}
		CHECK(losses_find(&one, &l));
		CHECK_STR(l.why, counter_descs[i].prose);
		CHECK(l.next && *l.next);
	}
	CHECK(losses_find(&all, &l));
	CHECK(strlen(l.counters) < sizeof(l.counters) - 1);
	CHECK(strstr(l.counters, "discard_client"));
}

TEST(exit_statuses)
{
	CHECK_EQ(child_exit_status(7 << 8), 7);
	CHECK_EQ(child_exit_status(SIGTERM), 128 + SIGTERM);
	CHECK_EQ(child_exit_status(SIGSEGV | 0x80), 128 + SIGSEGV);
}

CHECK_MAIN
