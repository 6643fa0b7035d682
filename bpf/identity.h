/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * identity — who is running: (pid, start, exec) and what goes with it.
 *
 * pid and tid are the numbers in our own pid namespace: of struct pid, the one at our level, provided
 * that the namespace there is ours. A task without such a number is not below us: pid 0.
 */

#include "cgroup.h"

#define IDENTITY_USERNS_MAX 33 /* one within another: create_user_ns() of the kernel */

struct identity_ns {
	__u32 level; /* of our pid namespace */
	__u32 inum;  /* its inode number */
};

static __always_inline __u32 identity_number(struct pid *pid, __u32 level, __u32 inum)
{
	struct upid up = { 0 };
	__u64 at;

	if (!pid || pid->level < level)
		return 0;
	at = (__u64)pid + bpf_core_field_offset(pid->numbers) + level * sizeof(up);
	if (kenv_read_kernel(&up, sizeof(up), at))
		return 0;
	if (inum && BPF_CORE_READ(up.ns, ns.inum) != inum)
		return 0;
	return up.nr;
}

static __always_inline __u32 identity_pid(struct task_struct *task, struct identity_ns ns)
{
	return identity_number(task->group_leader->thread_pid, ns.level, ns.inum);
}

static __always_inline __u32 identity_exec(struct task_struct *task)
{
	struct task_struct___v1 *v1 = (void *)task;

	if (bpf_core_field_size(task->self_exec_id) == sizeof(__u64))
		return (__u32)task->self_exec_id;
	return BPF_CORE_READ(v1, self_exec_id);
}

static __always_inline __u32 identity_dumpable(struct mm_struct *mm)
{
	struct mm_struct___bitmap *bitmap = (void *)mm;

	if (bpf_core_field_exists(bitmap->flags.__mm_flags))
		return BPF_CORE_READ(bitmap, flags.__mm_flags[0]) & CPROF_CRED_DUMPABLE;
	return BPF_CORE_READ(mm, flags) & CPROF_CRED_DUMPABLE;
}

/* Whose user namespace it is in, of those made in the initial one: that user may do all in it. */
static __always_inline __u32 identity_ns_owner(struct user_namespace *ns, int level)
{
	for (int i = 0; i < IDENTITY_USERNS_MAX && level > 1; i++, level--)
		ns = BPF_CORE_READ(ns, parent);
	return BPF_CORE_READ(ns, owner.val);
}

/*
 * Has it more rights than its user, who may not trace it then (cap_ptrace_access_check() of the kernel's
 * security/commoncap.c)? In the initial user namespace each capability is one; in another all are
 * its owner's, and nobody else's of the initial one.
 */
static __always_inline bool identity_is_guarded(const struct cred *cred, __u32 uid)
{
	struct user_namespace *ns = cred->user_ns;
	int level = ns->level;
	__u64 caps = 0;

	if (level > 0)
		return identity_ns_owner(ns, level) != uid;
	return bpf_core_read(&caps, sizeof(caps), &cred->cap_permitted) || caps;
}

/*
 * Its own credentials, those by which others are judged that want to look at it. The ones that it acts
 * under (task->cred) are another's now and then: of who mounted the overlay file system that it reads.
 */
static __always_inline void identity_cred(struct cprof_sample *s, struct task_struct *task)
{
	const struct cred *cred = task->real_cred;
	__u32 suid = cred->suid.val, gid = cred->gid.val;

	s->uid = cred->uid.val;
	s->euid = cred->euid.val;
	s->cred = 0;
	if (s->uid != s->euid || s->uid != suid || gid != cred->egid.val || gid != cred->sgid.val)
		s->cred |= CPROF_CRED_CHANGED;
	if (identity_is_guarded(cred, s->uid))
		s->cred |= CPROF_CRED_GUARDED;
}

static __always_inline void identity_cgroup(struct cprof_sample *s, struct task_struct *leader)
{
	struct cgroup_ref ref = { 0 };

	cgroup_of(leader, &ref);
	s->cgroup = cgroup_id(ref.cgroup);
	s->cgroup_hierarchy = ref.hierarchy;
}

/* Fills all that says whose sample it is; @pid was read before. */
static __always_inline void identity_fill(struct cprof_sample *s, struct task_struct *task,
					  struct identity_ns ns, __u32 pid)
{
	struct task_struct *leader = task->group_leader;
	struct pid *inner = leader->thread_pid;
	struct mm_struct *mm = task->mm;

	s->pid = pid;
	s->tid = identity_number(task->thread_pid, ns.level, ns.inum);
	s->inner_pid = inner ? identity_number(inner, inner->level, 0) : 0;
	s->start_ns = leader->start_boottime;
	s->exec = identity_exec(leader);
	identity_cred(s, task);
	if (task->flags & KTYPES_PF_KTHREAD)
		s->cred |= CPROF_CRED_KTHREAD;
	if (mm)
		s->cred |= identity_dumpable(mm);
	bpf_probe_read_kernel_str(s->comm, sizeof(s->comm), &task->comm);
	bpf_probe_read_kernel_str(s->process_comm, sizeof(s->process_comm), &leader->comm);
	identity_cgroup(s, leader);
}
