/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cgroups — control groups by (hierarchy, id): their paths, and the unit and container in them.
 *
 * A sample carries the id of its process's group; the kernel tells of every group that comes and goes
 * by its own name and its parent's id. Paths are built upwards to the root of our own cgroup
 * namespace; a group that does not lead there has none. Removed groups are kept for a while: a unit of
 * 10 ms is to be named when the window ends. Names are cleaned (str_clean) as they enter.
 *
 * Whom a subtree was delegated to makes as many groups as he likes. A subtree is that of a group below
 * the root, or below a slice there; none may take more than a quarter of CGROUPS_MAX once half of it is taken, the
 * last quarter is for those with few, and of removed groups those with most lose their oldest.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/abi.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/root.h"

#define CGROUPS_MAX 65536 /* living groups; more are not taken */
#define CGROUPS_REMOVED_KEPT \
	8192		     /* removed ones, when all are counted; up to twice as many between */
#define CGROUPS_FEW 64	     /* a subtree with fewer than these living may always have more */
#define CGROUPS_DEPTH_MAX 64 /* of a path */
#define CGROUPS_PATH_SZ 4096 /* of a path with its end */
#define CGROUPS_UNIT_SZ 256  /* UNIT_NAME_MAX of systemd */
#define CGROUPS_CONTAINER_SZ 256

struct cgroups;

struct cgroups_group {
	uint64_t id;
	uint64_t parent;
	const char *name; /* not terminated */
	size_t name_len;
	uint8_t hierarchy; /* enum cprof_hierarchy */
};

typedef int (*cgroups_fn)(uint8_t hierarchy, uint64_t id, void *ctx);

int cgroups_new(uint64_t seed, struct cgroups **ret);
struct cgroups *cgroups_free(struct cgroups *t);
/* Removed ones: fewer than CGROUPS_REMOVED_KEPT, of which the same holds. */
void cgroups_keep_removed(struct cgroups *t, uint32_t cnt);

/*
 * Adds a group, or gives one a new name. 0; -EINVAL: no name that a directory can have, or no such
 * hierarchy; -ENOSPC: CGROUPS_MAX, or its subtree has too many; -ENOMEM.
 */
int cgroups_put(struct cgroups *t, const struct cgroups_group *g);
/*
 * The root of our namespace in a hierarchy; its path is @path, "/" in most cases. As above, but with room
 * for all that a table may hold, removed ones included.
 */
int cgroups_put_root(struct cgroups *t, uint8_t hierarchy, uint64_t id, const char *path);
/* It is gone; its path stays known for a while. */
void cgroups_remove(struct cgroups *t, uint8_t hierarchy, uint64_t id);

/*
 * Enters all groups of the mounted hierarchies, found by /proc/self/mountinfo (proc(5)); the inode
 * number of a group's directory is its id. What cannot be read is left out. 0, -errno of mountinfo
 * or -ENOMEM.
 */
int cgroups_scan(struct cgroups *t, const struct root *root);

/*
 * The path, relative to the root of our cgroup namespace, "/" first; id 0 is "/". 0, -ENOENT: it or
 * one above it is not known, -ENAMETOOLONG.
 */
int cgroups_path(const struct cgroups *t, uint8_t hierarchy, uint64_t id,
		 char dst[static CGROUPS_PATH_SZ]);

/* Calls @fn for every living group that is @unit; stops when it returns non-zero, and returns that. */
int cgroups_find_unit(const struct cgroups *t, const char *unit, cgroups_fn fn, void *ctx);

/*
 * Of a path alone. The unit: the first component that is the name of a service or a scope. The
 * container: the id or name in the first component that is one of those that docker, containerd,
 * CRI-O, podman, LXC and systemd-machined make. False: there is none.
 */
bool cgroups_unit(const char *path, char dst[static CGROUPS_UNIT_SZ]);
bool cgroups_container(const char *path, char dst[static CGROUPS_CONTAINER_SZ]);
/* Whether this very group is the unit: a service or scope as above, or a slice of that name. */
bool cgroups_is_unit(const char *path, const char *unit);

DEFINE_CLEANUP(struct cgroups *, cgroups_free);
