/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who descends from whom: out of a list of all processes the tree is grown from its roots in rounds.
 */

#include <fcntl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/base/str.h"
#include "cprof/procfs.h"

int procfs_each_pid(const struct root *root, procfs_pid_fn fn, void *ctx)
{
	_cleanup_closedir_ DIR *dir =
		fd_opendir(root_open_file(root, "proc", O_RDONLY | O_DIRECTORY));
	const struct dirent *e;
	int r = 0;

	if (!dir)
		return -errno;
	while (r >= 0 && (e = readdir(dir))) {
		uint64_t pid;

		if (str_parse_number(e->d_name, strlen(e->d_name), &pid) && pid > 0 &&
		    pid <= INT32_MAX)
			r = fn((uint32_t)pid, ctx);
	}
	return MIN(r, 0);
}

static int compare(const void *a, const void *b)
{
	const struct procfs_process *x = a, *y = b;

	return CMP(x->pid, y->pid);
}

struct procfs_process *procfs_find(const struct procfs_table *t, uint32_t pid)
{
	const struct procfs_process key = { .pid = pid };

	return t->cnt == 0 ? NULL : bsearch(&key, t->v, t->cnt, sizeof(key), compare);
}

void procfs_sort(struct procfs_table *t)
{
	if (t->cnt > 0)
		qsort(t->v, t->cnt, sizeof(*t->v), compare);
}

/* One more generation; how many processes it has, or what @fn returned. */
static int grow(struct procfs_table *t, procfs_process_fn fn, void *ctx)
{
	int grown = 0;

	for (size_t i = 0; i < t->cnt; i++) {
		struct procfs_process *p = &t->v[i];
		const struct procfs_process *parent = p->in ? NULL : procfs_find(t, p->ppid);
		int r;

		if (!parent || !parent->in)
			continue;
		p->in = true;
		grown++;
		r = fn(p, ctx);
		if (r < 0)
			return r;
	}
	return grown;
}

int procfs_descendants(struct procfs_table *t, const int32_t *pids, size_t cnt,
		       procfs_process_fn fn, void *ctx)
{
	int r;

	for (size_t i = 0; i < cnt; i++) {
		struct procfs_process *p = procfs_find(t, (uint32_t)pids[i]);

		if (p)
			p->in = true;
	}
	do
		r = grow(t, fn, ctx);
	while (r > 0);
	return r;
}
