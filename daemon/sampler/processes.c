/* SPDX-License-Identifier: Apache-2.0 */

/*
 * processes — who is there, by BPF: whoever opens /proc/PID/stat may have to wait for that process, and the
 * sampler waits for nobody (docs/adr/0042-processes-are-told-by-bpf.md).
 */

#include <errno.h>

#include "cprof/collect_tasks.h"
#include "processes.h"

static int add(const struct cprof_task *t, void *ctx)
{
	struct processes *p = ctx;
	const struct procfs_process row = {
		.start_ns = t->start_ns, .pid = t->pid, .ppid = t->ppid, .ended = t->ended
	};

	return vec_push(&p->rows, row);
}

int processes_read(const struct collect *c, struct processes *ret)
{
	int r = c ? collect_tasks(c, add, ret) : -ENOTSUP;

	ret->table = (struct procfs_table){ .v = ret->rows.v, .cnt = ret->rows.cnt };
	procfs_sort(&ret->table);
	return r;
}

void processes_done(struct processes *p)
{
	vec_done(&p->rows);
}

uint64_t processes_start_ns(const struct processes *p, uint32_t pid)
{
	const struct procfs_process *found = procfs_find(&p->table, pid);

	return found ? found->start_ns : 0;
}
