/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The short texts. A comm may hold blanks and parentheses, so the fields of stat are counted from the
 * last ')'; blanks in paths of mountinfo are written as \040, so the first " - " is the separator.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/procfs.h"

/* Behind the name: " S 1 ...", the fields from 3 on. */
#define STAT_FIELD_STATE 3
#define STAT_FIELD_START 22

bool procfs_stat_parse(const char *text, struct procfs_stat *ret)
{
	const char *at = strrchr(text, ')');
	struct procfs_stat s = { 0 };
	char *end;

	if (!at || sscanf(at, ") %c %10u", &s.state, &s.ppid) != 2)
		return false;
	for (int field = STAT_FIELD_STATE - 1; at && field < STAT_FIELD_START; field++)
		at = strchr(at + 1, ' ');
	if (!at || at[1] < '0' || at[1] > '9')
		return false;
	s.start_ticks = strtoull(at, &end, 10);
	if (*end != ' ' && *end != '\n' && *end != '\0')
		return false;
	*ret = s;
	return true;
}

int procfs_start_ticks(const struct root *root, uint32_t pid, uint64_t *ret)
{
	char path[64], text[1024];
	struct procfs_stat s;
	int r;

	(void)snprintf(path, sizeof(path), "proc/%u/stat", pid);
	r = root_read(root, path, text, sizeof(text));
	if (r < 0)
		return r;
	if (!procfs_stat_parse(text, &s))
		return -ESRCH;
	*ret = s.start_ticks;
	return 0;
}

int procfs_waited_ns(const struct root *root, uint32_t pid, uint64_t *ret)
{
	char path[64], text[128];
	int r;

	(void)snprintf(path, sizeof(path), "proc/%u/schedstat", pid);
	r = root_read(root, path, text, sizeof(text));
	if (r < 0)
		return r;
	return sscanf(text, "%*u %20" SCNu64, ret) == 1 ? 0 : -ENODATA;
}

bool procfs_mount_parse(const char *line, struct procfs_mount *ret)
{
	struct procfs_mount m;
	const char *type;
	size_t len;

	if (sscanf(line, "%10u %*u %10u:%10u ", &m.id, &m.major, &m.minor) != 3)
		return false;
	type = strstr(line, " - ");
	if (!type)
		return false;
	type += 3;
	len = strcspn(type, ". \n");
	if (len >= sizeof(m.type))
		len = sizeof(m.type) - 1;
	memcpy(m.type, type, len);
	m.type[len] = '\0';
	*ret = m;
	return true;
}
