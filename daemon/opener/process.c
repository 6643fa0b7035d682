/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pid alone names nobody: by the time that we look, another process may have it. The start time
 * tells them apart, to the clock tick that /proc shows.
 *
 * Source of the format: proc_pid_status(5). A process's comm stands there too, but its newlines are
 * escaped, so that a line cannot be forged.
 */

#include "process.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cprof/procfs.h"

#define NSEC_PER_SEC 1000000000ULL
#define STATUS_SZ 8192

bool process_is(const struct root *root, uint32_t pid, uint64_t start_ns)
{
	long per_second = sysconf(_SC_CLK_TCK);
	uint64_t ticks;

	return per_second > 0 && procfs_start_ticks(root, pid, &ticks) == 0 &&
	       ticks == start_ns / (NSEC_PER_SEC / (uint64_t)per_second);
}

uint32_t process_inner_pid(const struct root *root, uint32_t pid)
{
	char path[64], text[STATUS_SZ], *at, *end;
	uint32_t inner = 0;

	(void)snprintf(path, sizeof(path), "proc/%" PRIu32 "/status", pid);
	if (root_read(root, path, text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, "\nNSpid:");
	if (!at)
		return 0;
	at += strlen("\nNSpid:");
	end = strchr(at, '\n');
	if (end)
		*end = '\0';
	while (*at) {
		unsigned long v = strtoul(at, &end, 10);

		if (end == at)
			break;
		inner = (uint32_t)v;
		at = end;
	}
	return inner;
}
