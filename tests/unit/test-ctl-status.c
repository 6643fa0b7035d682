/* SPDX-License-Identifier: Apache-2.0 */

/* What `cprofctl status` prints, and the tables it is made of. */

#include "check.h"
#include "cprof/base/cleanup.h"
#include "cprof/counters.h"
#include "status-text.h"
#include "table.h"

/* Of a text in JSON; the caller's to free. */
static char *status_of(const char *text, bool colour)
{
	struct json_value v;
	char *out = NULL;
	size_t sz;
	FILE *f = open_memstream(&out, &sz);

	CHECK(f);
	CHECK_EQ(json_text_check(text, strlen(text), &v), 0);
	CHECK_EQ(status_text(v, f, colour), 0);
	CHECK_EQ(fclose(f), 0);
	return out;
}

static void check_status(const char *json, const char *expected)
{
	_cleanup_free_ char *text = status_of(json, false);

	CHECK_STR(text, expected);
}

TEST(status_well)
{
	check_status(
		"{\"version\": \"" CPROF_VERSION "\", \"state\": \"running\", \"degraded\": [],"
		" \"event\": \"cpu-clock\", \"hz\": 99, \"uptime_s\": 11520.5,"
		" \"books\": {\"produced\": 1048, \"runs\": 1045, \"missed\": 3, \"delivered\": "
		"1045,"
		"  \"dropped\": {\"drop_ring_full\": 0}, \"in_profiles\": 1033, \"open_window\": "
		"12,"
		"  \"discarded\": {\"discard_memory\": 0, \"discard_excluded\": 7}, "
		"\"difference\": 0},"
		" \"stacks\": {\"complete\": 999, \"truncated\": 46,"
		"  \"reasons\": {\"fp_bad\": 40, \"LIMIT\": 6, \"exec\": 0}},"
		" \"frames\": {\"total\": 10000, \"symbolized\": 6100},"
		" \"cost\": {\"cpu_s\": 46.082, \"bpf_s\": 11.52, \"pss_bytes\": 44040192,"
		"  \"bpf_bytes\": 2097152, \"cpu_share\": 0.00512, \"cpu_share_max\": 0.05,"
		"  \"memory_max_bytes\": 268435456, \"roles\": {"
		"   \"launcher\": {\"pid\": 812, \"cpu_s\": 0.25, \"pss_bytes\": 1048576,"
		"    \"sandbox\": \"none\"},"
		"   \"symbolizer\": {\"pid\": 0, \"cpu_s\": 3, \"pss_bytes\": 0, \"restarts\": "
		"2}}},"
		" \"spool\": {\"files\": 412, \"bytes\": 55698227, \"evicted\": 3, "
		"\"quarantined\": 0},"
		" \"counters\": {\"runs\": 1045, \"frames\": 10000, \"perf_maps_read\": 7}}",
		"cprofd " CPROF_VERSION " is running, for 3h 12min\n"
		"\n"
		"  sampling      cpu-clock, 99 times a second on each busy CPU\n"
		"  samples       1033 in profiles, 12 in the open window; 3 (0.3%) missed, 0 lost; "
		"7 left out by Include= and Exclude=\n"
		"  books         balanced: every sample is accounted for\n"
		"  stacks        95.6% reached their root; 46 ended early:\n"
		"                40  fp_bad  the frame pointer does not point to a frame: code "
		"without "
		"frame pointers\n"
		"                 6  LIMIT   more frames than MaxFrames\n"
		"  names         61.0% of frames have a function's name\n"
		"  cost          0.51% of one CPU in the last minute (CPU= allows 5.00%), 44MB of "
		"memory (Memory= allows 256MB):\n"
		"                ROLE                PID     CPU  MEMORY  SANDBOX\n"
		"                launcher            812   250ms     1MB  none\n"
		"                symbolizer  not running      3s       0           started again 2 "
		"times\n"
		"                in BPF                   11.52s     2MB\n"
		"  spool         412 profiles, 53.12MB; 3 removed, for their age or to make room\n"
		"  problems      none since the start\n");
}

TEST(status_ill)
{
	_cleanup_free_ char *text = status_of(
		"{\"version\": \"0.0.1\", \"state\": \"degraded\","
		" \"degraded\": [\"the disk is full: \\u001b[31mno window is stored\"],"
		" \"books\": {\"missed\": 0, \"dropped\": {\"drop_ring_full\": 40, \"drop_new\": "
		"2},"
		"  \"discarded\": {\"discard_memory\": 2}, \"difference\": 7},"
		" \"event\": \"cycles\", \"hz\": 49, \"sessions\": 2, \"gap_s\": 0.25,"
		" \"spool\": {\"files\": 1, \"bytes\": 512, \"windows_failed\": 1, "
		"\"quarantined\": 4},"
		" \"counters\": {\"runs\": 1045, \"drop_ring_full\": 40, \"objects_gone\": 2}}",
		false);

	CHECK_STR(
		text,
		"cprofd 0.0.1 is degraded\n"
		"  ! the disk is full: \xef\xbf\xbd[31mno window is stored\n"
		"  ! this cprofctl is " CPROF_VERSION
		": after an upgrade, systemctl restart cprofd\n"
		"\n"
		"  sampling      cycles, 49 times a second on each busy CPU\n"
		"  recordings    2 under way beside that\n"
		"  gap           250ms were not sampled between the run before and this one\n"
		"  samples       0 in profiles, 0 in the open window; 0 (0.0%) missed, 44 lost:\n"
		"                40  drop_ring_full  the sample ring had no room: too little CPU "
		"for cprofd, or too many samples\n"
		"                 2  drop_new\n"
		"                 2  discard_memory  samples that found no memory in the sampler\n"
		"  books         THE BOOKS DO NOT BALANCE: 7 samples are unaccounted for; this is "
		"a fault of cprofd, please report it\n"
		"  spool         1 profile, 512B; 1 window could not be written and is lost; 4 "
		"things that are not cprofd's set aside\n"
		"  problems      since the start; they cost names or stacks, no samples:\n"
		"                2  objects_gone  files that were gone before they could be "
		"opened: no names, as of processes of some milliseconds\n");
}

/* Of what a daemon does not tell nothing is said, and nothing breaks. */
TEST(status_odd)
{
	check_status("{}", "cprofd of unknown version is in an unknown state\n  ! this cprofctl "
			   "is " CPROF_VERSION ": after an upgrade, systemctl restart cprofd\n\n");
	free(status_of("{\"version\": 1, \"degraded\": {\"a\": [1]}, \"books\": [], \"cost\": 7,"
		       " \"stacks\": {\"truncated\": 1, \"reasons\": [5]}, \"counters\": \"x\","
		       " \"spool\": {\"bytes\": 1e300}, \"uptime_s\": -1}",
		       true));
}

/* Who is not privileged is not told the roles. */
TEST(status_without_roles)
{
	_cleanup_free_ char *text = status_of(
		"{\"cost\": {\"cpu_share\": 0.02, \"cpu_share_max\": 0.64, \"pss_bytes\": 1024,"
		" \"memory_max_bytes\": 1048576}}",
		false);

	CHECK(strstr(
		text,
		"  cost          2.00% of one CPU in the last minute (CPU= allows 64.00%), 1kB of "
		"memory (Memory= allows 1MB); root sees it by role\n"));
	CHECK(!strstr(text, "ROLE"));
}

TEST(status_colours)
{
	_cleanup_free_ char *well = status_of("{\"state\": \"running\", \"version\": \"x\"}", true);
	_cleanup_free_ char *ill = status_of(
		"{\"state\": \"running\", \"version\": \"x\", \"degraded\": [\"y\"]}", true);

	CHECK(strstr(well, "\033[32mcprofd x is running\033[0m\n"));
	CHECK(strstr(ill, "\033[1;33mcprofd x is degraded\033[0m\n"));
	CHECK(strstr(ill, "\033[33m! y\033[0m\n"));
}

/* What a daemon counts as lost is told with its reason; what somebody wanted so is not lost. */
TEST(status_losses)
{
	for (size_t i = 0; i < COUNTER_MAX; i++) {
		_cleanup_free_ char *text = NULL;
		char json[256];

		if (counter_descs[i].kind != COUNTER_KIND_DROP &&
		    counter_descs[i].kind != COUNTER_KIND_DISCARD)
			continue;
		(void)snprintf(json, sizeof(json),
			       "{\"books\": {\"%s\": {\"%s\": 5}}, \"counters\": {\"%s\": 5}}",
			       counter_descs[i].kind == COUNTER_KIND_DROP ? "dropped" : "discarded",
			       counter_descs[i].name, counter_descs[i].name);
		text = status_of(json, false);
		CHECK(strstr(text, "  problems      none since the start\n"));
		if (i == COUNTER_discard_excluded || i == COUNTER_discard_forbidden) {
			CHECK(strstr(text, " missed, 0 lost"));
			continue;
		}
		CHECK(strstr(text, " missed, 5 lost:\n"));
		CHECK(strstr(text, counter_descs[i].prose));
	}
}

TEST(table)
{
	static const struct table_column columns[] = { { "N", true },
						       { "NAME", false },
						       { "X", false } };
	_cleanup_(table_done) struct table t = TABLE_INIT(columns);
	_cleanup_free_ char *out = NULL;
	size_t sz;
	FILE *f = open_memstream(&out, &sz);

	for (int i = 1; i <= 100; i *= 10) {
		table_add(&t, "%d", i);
		table_add(&t, "%s", i == 10 ? "caf\xc3\xa9" : "a");
		table_add(&t, "x");
	}
	CHECK_EQ(table_print(&t, f, " ", true), 0);
	CHECK_EQ(fclose(f), 0);
	CHECK_STR(out, " \033[1m  N  NAME  X\033[0m\n"
		       "   1  a     x\n"
		       "  10  caf\xc3\xa9  x\n"
		       " 100  a     x\n");
}

CHECK_MAIN
