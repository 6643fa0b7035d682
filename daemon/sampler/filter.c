/* SPDX-License-Identifier: Apache-2.0 */

/*
 * filter — Include= and Exclude=: whose samples are kept.
 *
 * Decided when a window is written: unit and executable are known by then, also of those that lived for
 * a moment. What is left out is counted, so that the books hold whatever is configured.
 */

#include "always.h"

static bool matches(const char *globs, const struct config_subject *subject, bool otherwise)
{
	return globs[0] ? config_globs_match(globs, subject) : otherwise;
}

bool filter_wants(const struct window_process *p, void *ctx)
{
	const struct always *a = ctx;
	const struct object *exe = objects_get(a->sampler->objects, p->exe);
	char path[CGROUPS_PATH_SZ], unit[CGROUPS_UNIT_SZ];
	struct config_subject subject = {
		.comm = p->comm,
		.exe = exe && p->exe >= CPROF_OBJECT_FIRST ? exe->path : NULL,
		.pid = p->pid,
	};

	if (!a->config.include[0] && !a->config.exclude[0])
		return true;
	if (cgroups_path(a->sampler->cgroups, p->cgroup_hierarchy, p->cgroup, path) == 0 &&
	    cgroups_unit(path, unit))
		subject.unit = unit;
	return matches(a->config.include, &subject, true) &&
	       !matches(a->config.exclude, &subject, false);
}
