/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who descends from whom: one look at every process, then the tree is grown from its roots in rounds.
 * Parents tell nothing of their children without CONFIG_PROC_CHILDREN, and that only while nobody moves.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/base/str.h"
#include "cprof/base/vec.h"
#include "cprof/procfs.h"

struct row {
	uint32_t pid;
	uint32_t ppid;
	uint64_t start_ticks;
	bool in;
};

struct table {
	const struct root *root;
	VEC(struct row) rows;
};

static void table_done(struct table *t)
{
	vec_done(&t->rows);
}

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

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return CMP(x->pid, y->pid);
}

/* One that ends meanwhile is left out. */
static int table_add(uint32_t pid, void *ctx)
{
	struct table *t = ctx;
	struct row row = { .pid = pid };
	struct procfs_stat stat;

	if (procfs_stat_read(t->root, pid, &stat) < 0)
		return 0;
	row.ppid = stat.ppid;
	row.start_ticks = stat.start_ticks;
	return vec_push(&t->rows, row);
}

static int table_read(struct table *t)
{
	int r = procfs_each_pid(t->root, table_add, t);

	if (r < 0)
		return r;
	if (t->rows.cnt > 0)
		qsort(t->rows.v, t->rows.cnt, sizeof(*t->rows.v), compare_rows);
	return 0;
}

static struct row *table_find(const struct table *t, uint32_t pid)
{
	const struct row key = { .pid = pid };

	return t->rows.cnt == 0 ? NULL
				: bsearch(&key, t->rows.v, t->rows.cnt, sizeof(key), compare_rows);
}

/* One more generation; how many processes it has, or what @fn returned. */
static int table_grow(struct table *t, procfs_process_fn fn, void *ctx)
{
	int grown = 0;

	for (size_t i = 0; i < t->rows.cnt; i++) {
		struct row *row = &t->rows.v[i];
		const struct row *parent = row->in ? NULL : table_find(t, row->ppid);
		int r;

		if (!parent || !parent->in)
			continue;
		row->in = true;
		grown++;
		r = fn(row->pid, row->start_ticks, ctx);
		if (r < 0)
			return r;
	}
	return grown;
}

int procfs_descendants(const struct root *root, const int32_t *pids, size_t cnt,
		       procfs_process_fn fn, void *ctx)
{
	_cleanup_(table_done) struct table t = { .root = root };
	int r = table_read(&t);

	if (r < 0)
		return r;
	for (size_t i = 0; i < cnt; i++) {
		struct row *row = table_find(&t, (uint32_t)pids[i]);

		if (row)
			row->in = true;
	}
	do
		r = table_grow(&t, fn, ctx);
	while (r > 0);
	return r;
}
