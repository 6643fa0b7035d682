/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* mounts — lines of /proc/self/mountinfo (proc(5)) that mount a hierarchy of control groups. */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup_mount {
	uint8_t hierarchy;    /* enum cprof_hierarchy */
	dev_t dev;	      /* of whatever lies in it */
	char root[PATH_MAX];  /* of the mount in the hierarchy, as our cgroup namespace sees it */
	char point[PATH_MAX]; /* where it is mounted */
};

/* False: the line is no mount of a hierarchy that counts, or makes no sense. */
bool cgroup_mount_parse(const char *line, struct cgroup_mount *ret);
