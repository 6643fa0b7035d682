/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * identity — who is running: (pid, start, exec) and what goes with it.
 *
 * pid and tid are the numbers in our own pid namespace: of struct pid, the one at our level, provided
 * that the namespace there is ours. A task without such a number is not below us: pid 0.
 */

#include "cgroup.h"

struct identity_ns {
	__u32 level; /* of our pid namespace */
	__u32 inum;  /* its inode number */
};

static __always_inline __u32 identity_number(const struct pid *pid, __u32 level, __u32 inum)
{
	struct upid up = { 0 };
	__u64 at;

	if (!pid || BPF_CORE_READ(pid, level) < level)
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
	return identity_number(BPF_CORE_READ(task, group_leader, thread_pid), ns.level, ns.inum);
}

static __always_inline __u32 identity_exec(struct task_struct *task)
{
	struct task_struct___v1 *v1 = (void *)task;

	if (bpf_core_field_size(task->self_exec_id) == sizeof(__u64))
		return (__u32)BPF_CORE_READ(task, self_exec_id);
	return BPF_CORE_READ(v1, self_exec_id);
}

static __always_inline __u32 identity_dumpable(struct mm_struct *mm)
{
	struct mm_struct___bitmap *bitmap = (void *)mm;

	if (bpf_core_field_exists(bitmap->flags.__mm_flags))
		return BPF_CORE_READ(bitmap, flags.__mm_flags[0]) & CPROF_CRED_DUMPABLE;
	return BPF_CORE_READ(mm, flags) & CPROF_CRED_DUMPABLE;
}

static __always_inline void identity_cred(struct cprof_sample *s, struct task_struct *task)
{
	const struct cred *cred = BPF_CORE_READ(task, cred);
	__u32 suid = BPF_CORE_READ(cred, suid.val);

	s->uid = BPF_CORE_READ(cred, uid.val);
	s->euid = BPF_CORE_READ(cred, euid.val);
	s->cred = s->uid != s->euid || s->uid != suid ? CPROF_CRED_CHANGED : 0;
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
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	const struct pid *inner = BPF_CORE_READ(leader, thread_pid);
	struct mm_struct *mm = BPF_CORE_READ(task, mm);

	s->pid = pid;
	s->tid = identity_number(BPF_CORE_READ(task, thread_pid), ns.level, ns.inum);
	s->inner_pid = inner ? identity_number(inner, BPF_CORE_READ(inner, level), 0) : 0;
	s->start_ns = BPF_CORE_READ(leader, start_boottime);
	s->exec = identity_exec(leader);
	identity_cred(s, task);
	if (BPF_CORE_READ(task, flags) & KTYPES_PF_KTHREAD)
		s->cred |= CPROF_CRED_KTHREAD;
	if (mm)
		s->cred |= identity_dumpable(mm);
	bpf_probe_read_kernel_str(s->comm, sizeof(s->comm), &task->comm);
	bpf_probe_read_kernel_str(s->process_comm, sizeof(s->process_comm), &leader->comm);
	identity_cgroup(s, leader);
}
