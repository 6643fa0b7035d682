/* SPDX-License-Identifier: Apache-2.0 */

/*
 * hotplug — CPUs come and go while we sample.
 *
 * The event of a CPU that went offline is dead, and stays so when the CPU is back: no error, no
 * hang-up, its count just stands still. So once a second the list of online CPUs is read, and of every CPU
 * that sent no sample since the event's own clock, which interrupts it: one that did not move belongs to a CPU
 * that was gone meanwhile, however short. Such events are closed and opened again; a CPU that was not there
 * before gets its first.
 */

#include <fcntl.h>
#include <string.h>

#include "cprof/base/fd.h"
#include "collect-internal.h"

#define LIST_MAX 4096

/* "0-3,5,8-11" */
static void mark_online(struct collect *c, const char *at)
{
	char *end;

	for (unsigned int cpu = 0; cpu < c->cpus_cnt; cpu++)
		c->cpus[cpu].online = false;
	while (*at >= '0' && *at <= '9') {
		unsigned long first = strtoul(at, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (unsigned long cpu = first; cpu <= last && cpu < c->cpus_cnt; cpu++)
			c->cpus[cpu].online = true;
		at = end + (*end == ',');
	}
}

/* Does its clock move? It does on an idle CPU, too. A sample may be of before it went: the next look tells. */
static bool is_alive(struct cpu_event *ev)
{
	struct perf_event_reading now;

	if (ev->sampled) {
		ev->sampled = false;
		return true;
	}
	if (read(ev->fd, &now, sizeof(now)) != sizeof(now) || now.enabled_ns == ev->enabled_ns)
		return false;
	ev->enabled_ns = now.enabled_ns;
	return true;
}

/* 1: opened; 0: nothing to do. */
static int maintain_cpu(struct collect *c, unsigned int cpu, struct collect_failure *failure)
{
	struct cpu_event *ev = &c->cpus[cpu];
	int r;

	if (!ev->online) {
		cpu_close(c, cpu);
		ev->failed = false;
		return 0;
	}
	if (ev->failed || (ev->link && is_alive(ev)))
		return 0;
	cpu_close(c, cpu);
	r = cpu_open(c, cpu, failure);
	if (r > 0)
		cpu_enable(c, cpu);
	ev->failed = r < 0; /* not asked again until it was offline */
	return r;
}

/* Its length, or -errno. */
static int read_online(struct collect *c, char *dst, size_t sz)
{
	ssize_t len;

	if (c->online_fd < 0)
		c->online_fd =
			root_open_file(c->opts.root, "sys/devices/system/cpu/online", O_RDONLY);
	if (c->online_fd < 0)
		return c->online_fd;
	len = fd_pread_upto(c->online_fd, dst, sz - 1, 0);
	if (len >= 0)
		dst[len] = '\0';
	return (int)len;
}

int collect_maintain(struct collect *c, uint32_t *ret_opened, struct collect_failure *failure)
{
	char text[LIST_MAX];
	uint32_t opened = 0;
	int failed = 0;

	*ret_opened = 0;
	ksyms_maintain(c);
	if (read_online(c, text, sizeof(text)) < 0)
		return 0; /* as they were: the events that live go on */
	mark_online(c, text);
	for (unsigned int cpu = 0; cpu < c->cpus_cnt; cpu++) {
		int r = maintain_cpu(c, cpu, failure);

		if (r < 0)
			failed = r;
		else
			opened += (uint32_t)r;
	}
	*ret_opened = opened;
	return failed;
}
