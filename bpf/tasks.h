/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * tasks — all processes as they stand, when the iterator is read.
 *
 * What /proc/PID/stat says, but nobody waits for it: a kernel may have who reads that file wait while the
 * process is in an execve() that its own file system holds up (docs/adr/0042-processes-are-told-by-bpf.md).
 */

#include "identity.h"
#include "maps.h"

SEC("iter/task")
int cprof_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *parent;
	struct cprof_task t = { 0 };

	if (!task || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
		return 0;
	t.pid = identity_pid(task, our_ns());
	if (!t.pid)
		return 0;
	parent = task->real_parent;
	t.ppid = parent ? identity_pid(parent, our_ns()) : 0;
	t.start_ns = BPF_CORE_READ(task, start_boottime);
	t.ended = BPF_CORE_READ(task, exit_state) != 0;
	(void)bpf_seq_write(ctx->meta->seq, &t, sizeof(t));
	return 0;
}
