/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Only what can be read without rights, and each with the sentence that helps. None of it decides:
 * a real event and a real program do (check-sampling.c); this explains why those fail, and what
 * works less well although they do not.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check-machine.h"
#include "cprof/base/cleanup.h"

#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1
/* PROC_PID_INIT_INO and PROC_USER_INIT_INO of the kernel's proc_ns.h. */
#define INITIAL_PID_NAMESPACE 0xeffffffcUL
#define INITIAL_USER_NAMESPACE 0xeffffffdUL
#define PARANOID_MAINLINE 2 /* what is higher is a distribution's own */
#define SAMPLE_RATE_LOW 1000

static void check_kernel(struct checklist *list, const struct check_machine *m)
{
	int major = 0, minor = 0;

	if (sscanf(m->release, "%d.%d", &major, &minor) == 2 &&
	    (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR)))
		checklist_add(list, CHECKED_OK, "kernel", "Linux %s", m->release);
	else
		checklist_add(list, CHECKED_FAIL, "kernel",
			      "Linux %s is too old; 6.1 or later is needed", m->release);
	if (strcmp(m->machine, "x86_64") == 0)
		checklist_add(list, CHECKED_OK, "machine", "%s", m->machine);
	else
		checklist_add(list, CHECKED_FAIL, "machine",
			      "%s is not supported; run it on x86_64, for now", m->machine);
}

static void check_mounts(struct checklist *list, const struct check_machine *m)
{
	char text[512];
	int r = root_read(m->root, "proc/self/stat", text, sizeof(text));
	_cleanup_close_ int btf = -EBADF;

	if (r < 0)
		checklist_add(list, CHECKED_FAIL, "proc", "/proc: %s; mount -t proc proc /proc",
			      strerrordesc_np(-r));
	else
		checklist_add(list, CHECKED_OK, "proc", "/proc is mounted");
	r = root_read(m->root, "sys/devices/system/cpu/online", text, sizeof(text));
	text[r < 0 ? 0 : strcspn(text, "\n")] = '\0';
	if (r < 0)
		checklist_add(list, CHECKED_FAIL, "sys", "/sys: %s; mount -t sysfs sysfs /sys",
			      strerrordesc_np(-r));
	else
		checklist_add(list, CHECKED_OK, "sys", "/sys is mounted; %u CPUs are online (%s)",
			      check_count_cpus(text), text);
	btf = root_open_file(m->root, "sys/kernel/btf/vmlinux", O_RDONLY);
	if (btf < 0)
		checklist_add(list, CHECKED_FAIL, "types",
			      "no BTF in /sys/kernel/btf/vmlinux: %s; boot a kernel with "
			      "CONFIG_DEBUG_INFO_BTF=y",
			      strerrordesc_np(-btf));
	else
		checklist_add(list, CHECKED_OK, "types", "the kernel tells its types (BTF)");
}

static bool read_number(const struct root *root, const char *path, long *ret)
{
	char text[64], *end;

	if (root_read(root, path, text, sizeof(text)) <= 0)
		return false;
	*ret = strtol(text, &end, 10);
	return end != text;
}

/* The value of a line "Key:\tvalue" of /proc/self/status, in @base; false: there is none. */
static bool status_number(const char *status, const char *key, int base, uint64_t *ret)
{
	const char *line = strstr(status, key);

	if (!line)
		return false;
	*ret = strtoull(line + strlen(key), NULL, base);
	return true;
}

static void check_capabilities(struct checklist *list, const char *status, bool paranoid)
{
	static const struct {
		unsigned int number;
		const char *name;
	} needed[] = {
		{ CAP_BPF, "BPF" },
		{ CAP_PERFMON, "PERFMON" },
		{ CAP_SYS_PTRACE, "SYS_PTRACE" },
		{ CAP_DAC_READ_SEARCH, "DAC_READ_SEARCH" },
		{ CAP_CHECKPOINT_RESTORE, "CHECKPOINT_RESTORE" },
		{ CAP_SYSLOG, "SYSLOG" },
		{ CAP_SETUID, "SETUID" },
		{ CAP_SETGID, "SETGID" },
		{ CAP_SETPCAP, "SETPCAP" },
		{ CAP_KILL, "KILL" },
		/* The last one only where perf_event_paranoid asks for it, as some distributions do. */
		{ CAP_SYS_ADMIN, "SYS_ADMIN" },
	};
	char missing[256] = "";
	uint64_t caps = 0;
	size_t len = 0;

	if (!status_number(status, "\nCapEff:", 16, &caps)) {
		checklist_add(list, CHECKED_SKIP, "rights", "the capabilities cannot be read");
		return;
	}
	for (size_t i = 0; i < ELEMENTSOF(needed) - !paranoid; i++) {
		if (!(caps >> needed[i].number & 1))
			len += (size_t)snprintf(missing + len, sizeof(missing) - len, " CAP_%s",
						needed[i].name);
	}
	if (len > 0)
		checklist_add(list, CHECKED_FAIL, "rights",
			      "root without%s; give the container or unit these capabilities",
			      missing);
	else
		checklist_add(list, CHECKED_OK, "rights", "root, with all capabilities it takes");
}

static void check_rights(struct checklist *list, const struct check_machine *m)
{
	char status[4096];
	uint64_t seccomp = 0;
	long paranoid = 0;

	if (m->daemon) {
		checklist_add(list, CHECKED_OK, "rights", "a daemon answers and samples for us");
		return;
	}
	if (root_read(m->root, "proc/self/status", status, sizeof(status)) < 0)
		status[0] = '\0';
	(void)read_number(m->root, "proc/sys/kernel/perf_event_paranoid", &paranoid);
	if (m->euid != 0)
		checklist_add(list, CHECKED_FAIL, "rights",
			      "no daemon is running and this is not root; run it with sudo");
	else
		check_capabilities(list, status, paranoid > PARANOID_MAINLINE);
	if (status_number(status, "\nSeccomp:", 10, &seccomp) && seccomp != 0)
		checklist_add(
			list, CHECKED_WARN, "seccomp",
			"a filter of system calls is on, as in a container; it must allow bpf "
			"and perf_event_open");
}

static void check_sysctls(struct checklist *list, const struct check_machine *m)
{
	long v;

	if (!read_number(m->root, "proc/sys/kernel/perf_event_paranoid", &v))
		checklist_add(
			list, CHECKED_FAIL, "paranoid",
			"no kernel.perf_event_paranoid: a kernel without perf events; boot one "
			"with CONFIG_PERF_EVENTS=y");
	else
		checklist_add(list, CHECKED_OK, "paranoid",
			      "kernel.perf_event_paranoid is %ld, which does not bind root", v);
	if (read_number(m->root, "proc/sys/kernel/kptr_restrict", &v) && v >= 2)
		checklist_add(list, CHECKED_WARN, "kptr",
			      "kernel.kptr_restrict is %ld: kernel functions stay without names; "
			      "sysctl kernel.kptr_restrict=1",
			      v);
	else
		checklist_add(list, CHECKED_OK, "kptr",
			      "kernel.kptr_restrict lets root read the kernel's symbols");
	if (read_number(m->root, "proc/sys/kernel/perf_event_max_sample_rate", &v) &&
	    v < SAMPLE_RATE_LOW)
		checklist_add(
			list, CHECKED_WARN, "rate",
			"kernel.perf_event_max_sample_rate is %ld: faster events are throttled; "
			"sysctl kernel.perf_event_max_sample_rate=100000",
			v);
	if (read_number(m->root, "proc/sys/net/core/bpf_jit_enable", &v) && v == 0)
		checklist_add(list, CHECKED_WARN, "jit",
			      "BPF is interpreted, a sample costs many times more; sysctl "
			      "net.core.bpf_jit_enable=1");
}

/* "none [integrity] confidentiality": the one in brackets. */
static void check_lockdown(struct checklist *list, const struct check_machine *m)
{
	char text[128];

	if (root_read(m->root, "sys/kernel/security/lockdown", text, sizeof(text)) < 0)
		checklist_add(list, CHECKED_OK, "lockdown", "the kernel is not locked down");
	else if (strstr(text, "[confidentiality]"))
		checklist_add(list, CHECKED_FAIL, "lockdown",
			      "confidentiality: BPF may not read kernel memory; boot with "
			      "lockdown=integrity");
	else
		checklist_add(list, CHECKED_OK, "lockdown", "%.*s", (int)strcspn(text, "\n"), text);
}

static unsigned long namespace_of(const struct root *root, const char *path)
{
	struct stat st;

	return fstatat(root->fd, path, &st, 0) < 0 ? 0 : (unsigned long)st.st_ino;
}

static void check_namespaces(struct checklist *list, const struct check_machine *m)
{
	unsigned long pid = namespace_of(m->root, "proc/self/ns/pid");
	unsigned long user = namespace_of(m->root, "proc/self/ns/user");

	if (user != 0 && user != INITIAL_USER_NAMESPACE && !m->daemon)
		checklist_add(list, CHECKED_FAIL, "namespaces",
			      "root of a user namespace has no right to BPF; run it outside of the "
			      "rootless container");
	else if (pid != 0 && pid != INITIAL_PID_NAMESPACE)
		checklist_add(list, CHECKED_WARN, "namespaces",
			      "in a pid namespace: processes outside of it have no number here and "
			      "only show with -a; run it on the host to see all");
	else
		checklist_add(list, CHECKED_OK, "namespaces", "every process has a number here");
}

/* Not needed to sample, but people look for its absence when something does not work. */
static void check_tracing(struct checklist *list, const struct check_machine *m)
{
	long v;

	if (read_number(m->root, "sys/kernel/tracing/events/sched/sched_process_exec/id", &v))
		checklist_add(list, CHECKED_OK, "tracefs", "/sys/kernel/tracing is mounted");
	else
		checklist_add(list, CHECKED_SKIP, "tracefs",
			      "/sys/kernel/tracing cannot be read; sampling does without it");
	checklist_add(
		list, CHECKED_SKIP, "memlock",
		"not asked: since Linux 5.11 BPF maps count against the control group's memory");
}

unsigned int check_count_cpus(const char *list)
{
	unsigned int cnt = 0;

	while (*list >= '0' && *list <= '9') {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (last < first || last > 65535)
			return 0;
		cnt += (unsigned int)(last - first + 1);
		list = *end == ',' ? end + 1 : end;
	}
	return *list && *list != '\n' ? 0 : cnt;
}

void check_machine(struct checklist *list, const struct check_machine *m)
{
	check_kernel(list, m);
	check_mounts(list, m);
	check_rights(list, m);
	check_namespaces(list, m);
	check_sysctls(list, m);
	check_lockdown(list, m);
	check_tracing(list, m);
}
