/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * tree — processes recorded with all that descends from them.
 *
 * Whoever forks and is recorded passes a tag on to the child, be it a thread or a process. Who was there
 * before is found by user space in /proc, and put beside the processes that were asked for. Until that
 * is done (tree_growing) one of them may fork unseen, so its ancestors are asked at the fork. What is
 * found in neither way has no living link to the tree.
 */

#include "maps.h"

#define TREE_DEPTH 64

struct tree_walk {
	struct task_struct *task;
	bool found;
};

/* One generation up. 1 ends it. */
static long tree_turn(__u32 index, void *ctx)
{
	struct tree_walk *w = ctx;
	struct task_struct *task =
		w->task; /* apart: the macro would relocate our own structure too */
	struct task_struct *parent = task->group_leader->real_parent;
	__u32 pid = parent ? identity_pid(parent, our_ns()) : 0;

	if (!pid)
		return 1; /* beyond our pid namespace there is nobody who was asked for */
	w->found = filter_has_pid(parent, pid);
	w->task = parent;
	return w->found;
}

static __always_inline bool tree_is_below(struct task_struct *task)
{
	struct tree_walk w = { .task = task };

	kenv_loop(TREE_DEPTH, tree_turn, &w);
	return w.found;
}

static __always_inline bool tree_is_ours(struct task_struct *task)
{
	return filter_passes(task, identity_pid(task, our_ns())) ||
	       (tree_growing && tree_is_below(task));
}

/*
 * A thread that calls exec becomes its process's first one, with its own tag: so that says, too, whether
 * the process was counted. Processes that were asked for were not, and their threads were not.
 */
static __always_inline __u32 tree_is_born(struct task_struct *parent, struct task_struct *child)
{
	struct tree_tag *tag;

	if (child->pid == child->tgid)
		return 1;
	tag = bpf_task_storage_get(&cprof_tags, parent, NULL, 0);
	return tag ? tag->born : 0;
}

static __always_inline void tree_fork(struct task_struct *parent, struct task_struct *child)
{
	struct tree_tag tag = { 0 };

	if (!tree_is_ours(parent))
		return;
	tag.born = tree_is_born(parent, child);
	if (!bpf_task_storage_get(&cprof_tags, child, &tag, BPF_LOCAL_STORAGE_GET_F_CREATE)) {
		count(COUNTER_tag_failed, 1);
		return;
	}
	if (child->pid == child->tgid)
		__sync_fetch_and_add(&tree_born, 1);
}

/*
 * A process's last thread ends. (Not its release: a parent that never waits would keep the tree alive.)
 * Two threads that end at once may both find themselves to be the last, so the leader's tag says whether
 * the process was counted.
 */
static __always_inline void tree_exit(struct task_struct *task)
{
	struct tree_tag *tag;

	if (!filter_tree || BPF_CORE_READ(task, signal, live.counter) != 0)
		return;
	tag = bpf_task_storage_get(&cprof_tags, task->group_leader, NULL, 0);
	if (tag && tag->born && __sync_val_compare_and_swap(&tag->ended, 0, 1) == 0)
		__sync_fetch_and_add(&tree_gone, 1);
}
