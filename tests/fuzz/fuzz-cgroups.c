/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names and paths of control groups, which whoever may make one chooses, and lines of mountinfo. The
 * input is a text of lines: "+parent name" makes the next group, "-id" removes one; all else is taken
 * for a path and for a mount. Every group's path is asked for at the end.
 */

#include "fuzz.h"

#include "../../src/cgroups/mounts.h"
#include "cprof/base/str.h"
#include "cprof/cgroups.h"

#define FUZZ_GROUPS_MAX 512

static void check_text(const char *path)
{
	char unit[CGROUPS_UNIT_SZ], container[CGROUPS_CONTAINER_SZ];

	if (cgroups_unit(path, unit)) {
		FUZZ_CHECK(strlen(unit) > strlen(".scope") && strstr(path, unit));
		FUZZ_CHECK(!strchr(unit, '/'));
		(void)cgroups_is_unit(path, unit);
	}
	if (cgroups_container(path, container))
		FUZZ_CHECK(container[0] && !strchr(container, '/'));
}

static void check_mount(const char *line)
{
	struct cgroup_mount *m = malloc(sizeof(*m));

	FUZZ_CHECK(m);
	if (cgroup_mount_parse(line, m)) {
		FUZZ_CHECK(m->hierarchy < CPROF_HIERARCHY_MAX);
		FUZZ_CHECK(m->root[0] == '/' && m->point[0] == '/');
		FUZZ_CHECK(strlen(m->root) < PATH_MAX && strlen(m->point) < PATH_MAX);
	}
	free(m);
}

static void check_group(const struct cgroups *t, uint8_t hierarchy, uint64_t id)
{
	char path[CGROUPS_PATH_SZ], clean[CGROUPS_PATH_SZ];
	bool changed;

	if (cgroups_path(t, hierarchy, id, path) < 0)
		return;
	FUZZ_CHECK(path[0] == '/');
	(void)str_clean(clean, sizeof(clean), path, strlen(path), &changed);
	FUZZ_CHECK(!changed);
	FUZZ_CHECK(!strstr(path, "/../") && !strstr(path, "/./") && !strstr(path, "//"));
	check_text(path);
}

static void take_line(struct cgroups *t, const char *line, size_t len, uint64_t *next)
{
	const char *name = memchr(line, ' ', len);
	uint64_t id = len > 1 ? strtoull(line + 1, NULL, 10) % FUZZ_GROUPS_MAX : 0;

	if (line[0] == '-') {
		cgroups_remove(t, id % CPROF_HIERARCHY_MAX, id);
	} else if (line[0] == '+' && name && *next < FUZZ_GROUPS_MAX) {
		const struct cgroups_group g = {
			.id = *next,
			.parent = id,
			.name = name + 1,
			.name_len = len - (size_t)(name + 1 - line),
			.hierarchy = (uint8_t)(*next % (CPROF_HIERARCHY_MAX + 1)),
		};

		++*next;
		(void)cgroups_put(t, &g);
	} else {
		check_text(line);
		check_mount(line);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;
	uint64_t next = 2;

	FUZZ_CHECK(cgroups_new(1, &t) == 0);
	for (uint8_t h = 0; h < CPROF_HIERARCHY_MAX; h++)
		FUZZ_CHECK(cgroups_put_root(t, h, 1, h ? "/part/of it" : "/") == 0);
	while (sz > 0) {
		const uint8_t *end = memchr(data, '\n', sz);
		size_t len = end ? (size_t)(end - data) : sz;
		char *line = malloc(len + 1);

		FUZZ_CHECK(line);
		memcpy(line, data, len);
		line[len] = '\0';
		take_line(t, line, len, &next);
		free(line);
		data += len + (end != NULL);
		sz -= len + (end != NULL);
	}
	for (uint8_t h = 0; h < CPROF_HIERARCHY_MAX; h++) {
		for (uint64_t id = 0; id < next; id++)
			check_group(t, h, id);
	}
	return 0;
}
