/* SPDX-License-Identifier: Apache-2.0 */

/* `cprofctl check` on machines that are not this one: recorded trees of /proc and /sys. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check-machine.h"
#include "check.h"
#include "cprof/base/cleanup.h"

#define ALL_CAPS "CapEff:\t000001ffffffffff\n"

static char top[64];

static void make_directories(char *path)
{
	for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
}

static void put(const char *path, const char *text)
{
	char full[256];
	FILE *f;

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	make_directories(full);
	f = fopen(full, "w");
	CHECK(f != NULL);
	fputs(text, f);
	CHECK_EQ(fclose(f), 0);
}

/* A machine on which all is well. */
static void make_good(void)
{
	(void)snprintf(top, sizeof(top), "/tmp/test-ctl-check-XXXXXX");
	CHECK(mkdtemp(top) != NULL);
	put("proc/self/stat", "1 (x) S\n");
	put("proc/self/status", "Name:\tx\n" ALL_CAPS "Seccomp:\t0\n");
	put("proc/sys/kernel/perf_event_paranoid", "2\n");
	put("proc/sys/kernel/kptr_restrict", "1\n");
	put("proc/sys/kernel/perf_event_max_sample_rate", "100000\n");
	put("proc/sys/net/core/bpf_jit_enable", "1\n");
	put("sys/devices/system/cpu/online", "0-3,8\n");
	put("sys/kernel/btf/vmlinux", "x");
	put("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	put("sys/kernel/tracing/events/sched/sched_process_exec/id", "300\n");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

struct machine {
	const char *release;
	const char *machine;
	uint32_t euid;
	bool daemon;
};

/* Judges the tree, and throws it away. */
static struct checklist judge(const struct machine *of)
{
	_cleanup_(root_done) struct root root = ROOT_INIT;
	struct checklist list = { 0 };
	struct check_machine m = {
		.root = &root,
		.release = of->release ? of->release : "6.1.0-40-amd64",
		.machine = of->machine ? of->machine : "x86_64",
		.euid = of->euid,
		.daemon = of->daemon,
	};

	CHECK_EQ(root_open(&root, top), 0);
	check_machine(&list, &m);
	CHECK_EQ(nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	return list;
}

static void check_one(const struct machine *of, enum check_result result, const char *name,
		      const char *says)
{
	_cleanup_(checklist_done) struct checklist list = judge(of);
	size_t found = 0;

	for (size_t i = 0; i < list.lines.cnt; i++) {
		const struct check_line *line = &list.lines.v[i];

		if (strcmp(line->name, name) != 0) {
			/* One fault, one line. */
			if (line->result != CHECKED_OK && line->result != CHECKED_SKIP)
				CHECK_FAIL("%s too: %s", line->name, line->text);
			continue;
		}
		found++;
		CHECK_EQ(line->result, result);
		if (!strstr(line->text, says))
			CHECK_FAIL("\"%s\" does not say \"%s\"", line->text, says);
		/* What is not well says what to do. */
		CHECK(result == CHECKED_OK || strstr(line->text, "; "));
	}
	CHECK_EQ(found, 1);
}

#define CHECK_ONE(result, name, says, ...) \
	check_one(&(struct machine){ __VA_ARGS__ }, (result), (name), (says))

TEST(all_is_well)
{
	_cleanup_(checklist_done) struct checklist list = { 0 };

	make_good();
	list = judge(&(struct machine){ 0 });
	CHECK_EQ(checklist_count(&list, CHECKED_FAIL), 0);
	CHECK_EQ(checklist_count(&list, CHECKED_WARN), 0);
}

TEST(kernel)
{
	make_good();
	CHECK_ONE(CHECKED_FAIL, "kernel", "6.1 or later", .release = "5.15.0");
	make_good();
	CHECK_ONE(CHECKED_FAIL, "kernel", "6.1 or later", .release = "6.0.19");
	make_good();
	CHECK_ONE(CHECKED_OK, "kernel", "7.0", .release = "7.0-rc1");
	make_good();
	CHECK_ONE(CHECKED_FAIL, "machine", "aarch64 is not supported", .machine = "aarch64");
}

static void drop(const char *path)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	CHECK_EQ(unlink(full), 0);
}

TEST(mounts)
{
	make_good();
	drop("proc/self/stat");
	CHECK_ONE(CHECKED_FAIL, "proc", "mount -t proc", 0);
	make_good();
	drop("sys/devices/system/cpu/online");
	CHECK_ONE(CHECKED_FAIL, "sys", "mount -t sysfs", 0);
	make_good();
	CHECK_ONE(CHECKED_OK, "sys", "5 CPUs are online", 0);
	make_good();
	drop("sys/kernel/btf/vmlinux");
	CHECK_ONE(CHECKED_FAIL, "types", "CONFIG_DEBUG_INFO_BTF", 0);
}

TEST(rights)
{
	make_good();
	CHECK_ONE(CHECKED_FAIL, "rights", "sudo", .euid = 1000);
	make_good();
	CHECK_ONE(CHECKED_OK, "rights", "a daemon answers", .euid = 1000, .daemon = true);
	make_good();
	put("proc/self/status", "x\nCapEff:\t0000003fffffffff\n");
	CHECK_ONE(CHECKED_FAIL, "rights", "without CAP_BPF CAP_PERFMON CAP_CHECKPOINT_RESTORE", 0);
	/* CAP_SYS_ADMIN is needed where the kernel asks for more than mainline's does. */
	make_good();
	put("proc/self/status", "x\nCapEff:\t000001ffffdfffff\n");
	CHECK_ONE(CHECKED_OK, "rights", "root", 0);
	make_good();
	put("proc/self/status", "x\nCapEff:\t000001ffffdfffff\n");
	put("proc/sys/kernel/perf_event_paranoid", "3\n");
	CHECK_ONE(CHECKED_FAIL, "rights", "without CAP_SYS_ADMIN", 0);
	make_good();
	put("proc/self/status", "x\n" ALL_CAPS "Seccomp:\t2\n");
	CHECK_ONE(CHECKED_WARN, "seccomp", "perf_event_open", 0);
}

TEST(settings)
{
	make_good();
	drop("proc/sys/kernel/perf_event_paranoid");
	CHECK_ONE(CHECKED_FAIL, "paranoid", "CONFIG_PERF_EVENTS", 0);
	make_good();
	put("proc/sys/kernel/kptr_restrict", "2\n");
	CHECK_ONE(CHECKED_WARN, "kptr", "kernel.kptr_restrict=1", 0);
	make_good();
	put("proc/sys/kernel/perf_event_max_sample_rate", "250\n");
	CHECK_ONE(CHECKED_WARN, "rate", "throttled", 0);
	make_good();
	put("proc/sys/net/core/bpf_jit_enable", "0\n");
	CHECK_ONE(CHECKED_WARN, "jit", "bpf_jit_enable=1", 0);
	make_good();
	put("sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
	CHECK_ONE(CHECKED_FAIL, "lockdown", "lockdown=integrity", 0);
	make_good();
	drop("sys/kernel/tracing/events/sched/sched_process_exec/id");
	CHECK_ONE(CHECKED_SKIP, "tracefs", "does without it", 0);
}

TEST(cpu_lists)
{
	CHECK_EQ(check_count_cpus("0\n"), 1);
	CHECK_EQ(check_count_cpus("0-127"), 128);
	CHECK_EQ(check_count_cpus("0-1,4,6-7\n"), 5);
	CHECK_EQ(check_count_cpus(""), 0);
	CHECK_EQ(check_count_cpus("x"), 0);
	CHECK_EQ(check_count_cpus("3-1"), 0);
	CHECK_EQ(check_count_cpus("0-99999999"), 0);
}

CHECK_MAIN
