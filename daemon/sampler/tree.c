/* SPDX-License-Identifier: Apache-2.0 */

/*
 * tree — the descendants of the processes that were asked for.
 *
 * What is forked from now on is tagged in the kernel. What was forked before is found here, after the
 * hook was attached: nothing falls between the two. A recording of a tree ends when the processes that
 * were asked for, those found here and all that were forked since are gone.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/clock.h"
#include "processes.h"
#include "recording.h"

static int on_descendant(const struct procfs_process *found, void *ctx)
{
	const struct tree_process p = { .pid = found->pid, .start_ns = found->start_ns };
	struct recording *rec = ctx;
	int r = collect_add_pid(rec->stream->collect, (pid_t)p.pid, p.start_ns / NSEC_PER_TICK);

	return r < 0 ? r : vec_push(&rec->tree, p);
}

int tree_begin(struct recording *rec)
{
	_cleanup_(processes_done) struct processes now = { 0 };
	char text[160];
	int r;

	if (!(rec->start.flags & SESSION_TREE))
		return 0;
	r = processes_read(rec->stream->collect, &now);
	if (r == 0)
		r = procfs_descendants(&now.table, rec->start.pids, rec->start.pids_cnt,
				       on_descendant, rec);
	if (r == 0) {
		collect_tree_grown(rec->stream->collect);
		return 0;
	}
	if (r == -E2BIG)
		(void)snprintf(text, sizeof(text),
			       "too many processes with their descendants: more than %d; record "
			       "fewer of them, or the machine with -a",
			       COLLECT_PIDS_MAX);
	else
		(void)snprintf(text, sizeof(text), "cannot look for descendants: %s", strerror(-r));
	(void)session_fail(rec, r, text);
	return r;
}

static bool is_alive(const struct processes *now, const struct tree_process *p)
{
	const struct procfs_process *found = procfs_find(&now->table, p->pid);

	return found && found->start_ns == p->start_ns && !found->ended;
}

/* First those who might fork, then what they forked. */
bool tree_is_gone(const struct recording *rec)
{
	_cleanup_(processes_done) struct processes now = { 0 };

	if (!(rec->start.flags & SESSION_TREE))
		return false;
	if (rec->tree.cnt > 0 && processes_read(rec->stream->collect, &now) < 0)
		return false;
	for (size_t i = 0; i < rec->tree.cnt; i++) {
		if (is_alive(&now, &rec->tree.v[i]))
			return false;
	}
	return collect_tree_is_gone(rec->stream->collect);
}
