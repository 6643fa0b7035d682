/* SPDX-License-Identifier: Apache-2.0 */

/*
 * perf-event — one event as the kernel wants it described, and what its refusals mean.
 *
 * A clock gets a period in nanoseconds, which is drawn anew all the time (cpus.c). Everything else is
 * counted by the kernel: one sample for every so many, or by rate, where the kernel adapts the period
 * and tells with each sample how many it stands for.
 */

#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "collect-internal.h"

#define MAX_RATE "proc/sys/kernel/perf_event_max_sample_rate"

double perf_event_clock_hz(const struct collect *c)
{
	return c->opts.event_count ? 1e9 / (double)c->opts.event_count : c->opts.hz;
}

int perf_event_on_cpu(const struct collect *c, int cpu, uint64_t period_ns)
{
	const struct event *event = c->opts.event;
	struct perf_event_attr attr = {
		.type = event->perf_type,
		.size = sizeof(attr),
		.config = event->perf_config,
		.disabled = 1,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED, /* struct perf_event_reading */
	};
	int fd;

	if (event->kind == EVENT_CLOCK)
		attr.sample_period = period_ns;
	else if (c->opts.event_count)
		attr.sample_period = c->opts.event_count;
	else
		attr.sample_freq = c->opts.hz;
	attr.freq = event->kind != EVENT_CLOCK && c->opts.event_count == 0;
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int perf_event_failed(const struct collect *c, int r, struct collect_failure *failure)
{
	const struct event *event = c->opts.event;

	if (r == -EPERM || r == -EACCES)
		return collect_fail(failure, r,
				    "the kernel refused perf_event_open: %s; CAP_PERFMON (or root) "
				    "is needed, or "
				    "kernel.perf_event_paranoid and the container's seccomp "
				    "profile must allow it",
				    strerror(-r));
	if (event->kind == EVENT_HARDWARE && (r == -ENOENT || r == -EOPNOTSUPP || r == -EINVAL))
		return collect_fail(failure, r,
				    "cannot sample %s: this machine has no PMU that counts it (a "
				    "virtual machine often has none); use --event cpu-clock",
				    event->name);
	return collect_fail(failure, r, "cannot open a %s event: %s; use --event cpu-clock",
			    event->name, strerror(-r));
}

/* Beyond the limit the kernel refuses a rate, and stops a clock in mid-flight. */
int perf_event_check_rate(const struct collect *c, struct collect_failure *failure)
{
	char text[32];
	double hz = 0, limit;

	if (c->opts.event->kind == EVENT_CLOCK)
		hz = perf_event_clock_hz(c);
	else if (c->opts.event_count == 0)
		hz = c->opts.hz;
	if (root_read(c->opts.root, MAX_RATE, text, sizeof(text)) < 0)
		return 0;
	limit = strtod(text, NULL);
	if (hz <= limit)
		return 0;
	return collect_fail(failure, -ERANGE,
			    "%.0f samples a second are more than this kernel allows: "
			    "kernel.perf_event_max_sample_rate is %.0f; use --hz %.0f or less, or "
			    "raise the limit with sysctl",
			    hz, limit, limit);
}
