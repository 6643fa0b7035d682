/* SPDX-License-Identifier: Apache-2.0 */

/*
 * File names. The comm is a stranger's: only [A-Za-z0-9._-] of it remains, it is never hidden and
 * never empty (str_file_name). Times are UTC, because names are compared between machines.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cprof/base/clock.h"
#include "cprof/base/str.h"
#include "cprof/profile_name.h"

static struct tm utc(uint64_t real_ns)
{
	time_t t = (time_t)(real_ns / NSEC_PER_SEC);
	struct tm tm = { 0 };

	/* Fails only beyond the year 2^31. */
	(void)gmtime_r(&t, &tm);
	return tm;
}

static void profile_name_times(char *dst, size_t dst_sz, const struct profile_label *label)
{
	const struct tm from = utc(label->from_real_ns), to = utc(label->to_real_ns);
	char from_text[16], to_text[16];

	(void)strftime(from_text, sizeof(from_text), "%H%M%S", &from);
	(void)strftime(to_text, sizeof(to_text), "%H%M%S", &to);
	(void)snprintf(dst, dst_sz, "cpu.%s-%s" PROFILE_SUFFIX, from_text, to_text);
}

void profile_name(char *dst, size_t dst_sz, const struct profile_label *label)
{
	char comm[64], times[48];

	(void)str_file_name(comm, sizeof(comm), label->comm);
	profile_name_times(times, sizeof(times), label);
	(void)snprintf(dst, dst_sz, "%s-%" PRIu32 "-%" PRIu64 "-%" PRIu32 ".%s", comm, label->pid,
		       label->start_ticks, label->exec, times);
}

void profile_name_merged(char *dst, size_t dst_sz, const struct profile_label *label)
{
	char comm[64], times[48];

	(void)str_file_name(comm, sizeof(comm), label->comm);
	profile_name_times(times, sizeof(times), label);
	(void)snprintf(dst, dst_sz, "%s-%" PRIu32 ".%s", comm, label->pid, times);
}

void profile_name_ended(char *dst, size_t dst_sz, const struct profile_label *label)
{
	char comm[64], times[48];

	(void)str_file_name(comm, sizeof(comm), label->comm);
	profile_name_times(times, sizeof(times), label);
	(void)snprintf(dst, dst_sz, "%s-ended-%016" PRIx64 ".%s", comm, label->exe_id, times);
}

void profile_name_outside(char *dst, size_t dst_sz, const struct profile_label *label)
{
	char times[48];

	profile_name_times(times, sizeof(times), label);
	(void)snprintf(dst, dst_sz, "outside-namespace.%s", times);
}

/* Bytes of @name that stand before "~<number>" and the suffix; @tail of it are the suffix. */
static size_t name_before_other(const char *name, size_t tail)
{
	const size_t len = strlen(name) - tail;
	size_t at = len;

	while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9')
		at--;
	return at > 1 && at < len && name[at - 1] == '~' ? at - 1 : len;
}

static size_t name_suffix(const char *name)
{
	const size_t len = strlen(name), tail = strlen(PROFILE_SUFFIX);

	return len > tail && strcmp(name + len - tail, PROFILE_SUFFIX) == 0 ? tail : 0;
}

void profile_name_other(char *dst, size_t dst_sz, const char *name, unsigned int n)
{
	const size_t tail = name_suffix(name);

	(void)snprintf(dst, dst_sz, "%.*s~%u%s", (int)name_before_other(name, tail), name, n,
		       name + strlen(name) - tail);
}

void profile_directory_name(char *dst, size_t dst_sz, uint64_t real_ns)
{
	const struct tm tm = utc(real_ns);
	char when[32];

	(void)strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
	(void)snprintf(dst, dst_sz, "cprofd-profiles-%s", when);
}
