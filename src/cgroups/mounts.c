/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A line is "id parent major:minor root point options [tags...] - type source superoptions". Space,
 * tab, newline and backslash in paths are written as three octal digits.
 */

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cprof/abi.h"
#include "mounts.h"

/* The @n-th word of @line, from 0; NULL: there is none. */
static const char *word(const char *line, int n)
{
	while (line && n-- > 0) {
		line = strchr(line, ' ');
		if (line)
			line++;
	}
	return line;
}

static bool is_octal(const char *s)
{
	for (int i = 0; i < 3; i++) {
		if (s[i] < '0' || s[i] > '7')
			return false;
	}
	return true;
}

/* An absolute path up to the word's end. */
static bool copy_path(char dst[static PATH_MAX], const char *from)
{
	size_t len = 0;

	if (!from || *from != '/')
		return false;
	for (; *from && *from != ' ' && *from != '\n'; from++) {
		if (len == PATH_MAX - 1)
			return false;
		dst[len] = *from;
		if (*from == '\\' && is_octal(from + 1)) {
			dst[len] = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
					  (from[3] - '0'));
			from += 3;
		}
		if (dst[len] == '\0')
			return false;
		len++;
	}
	dst[len] = '\0';
	return true;
}

static bool parse_device(const char *from, dev_t *ret)
{
	unsigned int major, minor;

	if (!from || sscanf(from, "%10u:%10u ", &major, &minor) != 2)
		return false;
	*ret = makedev(major, minor);
	return true;
}

static bool has_option(const char *options, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, len) == 0 && strchr(", \n", at[len]))
			return true; /* strchr() finds the end of the text, too */
	}
	return false;
}

/* In the order in which the kernel side asks them. */
static bool parse_hierarchy(const char *type, uint8_t *ret)
{
	const char *options = word(type, 2);

	if (strncmp(type, "cgroup2 ", 8) == 0)
		*ret = CPROF_HIERARCHY_DEFAULT;
	else if (strncmp(type, "cgroup ", 7) != 0 || !options)
		return false;
	else if (has_option(options, "pids"))
		*ret = CPROF_HIERARCHY_PIDS;
	else if (has_option(options, "memory"))
		*ret = CPROF_HIERARCHY_MEMORY;
	else if (has_option(options, "cpu"))
		*ret = CPROF_HIERARCHY_CPU;
	else
		return false;
	return true;
}

bool cgroup_mount_parse(const char *line, struct cgroup_mount *ret)
{
	const char *type = strstr(line, " - ");

	if (!type || !parse_hierarchy(type + 3, &ret->hierarchy))
		return false;
	return parse_device(word(line, 2), &ret->dev) && copy_path(ret->root, word(line, 3)) &&
	       copy_path(ret->point, word(line, 4));
}
