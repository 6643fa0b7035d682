/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * cgroup — which control group a process is in, told as (hierarchy, id).
 *
 * A task is in one group of every hierarchy. The default one (v2) counts where the task is not in its
 * root; elsewhere, on machines with v1 hierarchies, the first of pids, memory and cpu where it is not
 * in the root: these are what systemd and container managers make a group in for everything they run.
 * A controller that is bound to the default hierarchy leads there; as its group is never deeper than
 * the task's own, which is the root when we ask, it tells nothing and does no harm.
 */

#include "ktypes.h"

#define CGROUP_NONE 0xff

struct cgroup_ref {
	const struct cgroup *cgroup; /* NULL: in no group but roots */
	__u8 hierarchy;		     /* enum cprof_hierarchy */
};

static __always_inline bool cgroup_is_root(const struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, level) == 0;
}

static __always_inline __u64 cgroup_id(const struct cgroup *cgroup)
{
	return cgroup ? BPF_CORE_READ(cgroup, kn, id) : 0;
}

/* The task's group of the controller @subsys (an index of this kernel); NULL: the root, or none. */
static __always_inline const struct cgroup *cgroup_of_subsys(const struct css_set *set,
							     __u32 subsys)
{
	const struct cgroup_subsys_state *css = NULL;
	const struct cgroup *cgroup;
	__u64 at = (__u64)set + bpf_core_field_offset(set->subsys) + subsys * sizeof(css);

	if (kenv_read_kernel(&css, sizeof(css), at) || !css)
		return NULL;
	cgroup = BPF_CORE_READ(css, cgroup);
	return cgroup && !cgroup_is_root(cgroup) ? cgroup : NULL;
}

#define CGROUP_TRY(ref, set, name, value)                                                        \
	do {                                                                                     \
		if (!(ref)->cgroup && bpf_core_enum_value_exists(enum cgroup_subsys_id, name)) { \
			__u32 _i = bpf_core_enum_value(enum cgroup_subsys_id, name);             \
                                                                                                 \
			(ref)->cgroup = cgroup_of_subsys((set), _i);                             \
			(ref)->hierarchy = (value);                                              \
		}                                                                                \
	} while (0)

static __always_inline void cgroup_of(struct task_struct *task, struct cgroup_ref *ret)
{
	const struct css_set *set = task->cgroups;
	const struct cgroup *cgroup = set ? set->dfl_cgrp : NULL;

	ret->cgroup = cgroup && !cgroup_is_root(cgroup) ? cgroup : NULL;
	ret->hierarchy = CPROF_HIERARCHY_DEFAULT;
	if (!set)
		return;
	CGROUP_TRY(ret, set, pids_cgrp_id, CPROF_HIERARCHY_PIDS);
	CGROUP_TRY(ret, set, memory_cgrp_id, CPROF_HIERARCHY_MEMORY);
	CGROUP_TRY(ret, set, cpu_cgrp_id, CPROF_HIERARCHY_CPU);
	if (!ret->cgroup)
		ret->hierarchy = CPROF_HIERARCHY_DEFAULT;
}

#define CGROUP_HAS(mask, name)                                      \
	(bpf_core_enum_value_exists(enum cgroup_subsys_id, name) && \
	 ((mask) >> bpf_core_enum_value(enum cgroup_subsys_id, name) & 1))

/* Which of our hierarchies a group belongs to; CGROUP_NONE: one that we do not ask. */
static __always_inline __u8 cgroup_hierarchy(const struct cgroup *cgroup)
{
	const struct cgroup_root *root = BPF_CORE_READ(cgroup, root);
	__u32 mask = BPF_CORE_READ(root, subsys_mask);

	if (BPF_CORE_READ(root, hierarchy_id) == 0)
		return CPROF_HIERARCHY_DEFAULT;
	if (CGROUP_HAS(mask, pids_cgrp_id))
		return CPROF_HIERARCHY_PIDS;
	if (CGROUP_HAS(mask, memory_cgrp_id))
		return CPROF_HIERARCHY_MEMORY;
	return CGROUP_HAS(mask, cpu_cgrp_id) ? CPROF_HIERARCHY_CPU : CGROUP_NONE;
}

static __always_inline const struct cgroup *cgroup_parent(const struct cgroup *cgroup)
{
	const struct cgroup_subsys_state *parent = BPF_CORE_READ(cgroup, self.parent);

	return parent ? BPF_CORE_READ(parent, cgroup) : NULL;
}
