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

#include "cprof/procfs.h"
#include "recording.h"

static int on_descendant(uint32_t pid, uint64_t start_ticks, void *ctx)
{
	const struct tree_process p = { .pid = pid, .start_ticks = start_ticks };
	struct recording *rec = ctx;
	int r = collect_add_pid(rec->stream->collect, (pid_t)pid, start_ticks);

	return r < 0 ? r : vec_push(&rec->tree, p);
}

int tree_begin(struct recording *rec)
{
	char text[160];
	int r;

	if (!(rec->start.flags & SESSION_TREE))
		return 0;
	r = procfs_descendants(&rec->sampler->root, rec->start.pids, rec->start.pids_cnt,
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
		(void)snprintf(text, sizeof(text),
			       "cannot look for descendants: %s; is /proc mounted?", strerror(-r));
	(void)session_fail(rec, r, text);
	return r;
}

static bool is_alive(const struct recording *rec, const struct tree_process *p)
{
	struct procfs_stat stat;

	return procfs_stat_read(&rec->sampler->root, p->pid, &stat) == 0 &&
	       stat.start_ticks == p->start_ticks && stat.state != 'Z' && stat.state != 'X';
}

/* First those who might fork, then what they forked. */
bool tree_is_gone(const struct recording *rec)
{
	if (!(rec->start.flags & SESSION_TREE))
		return false;
	for (size_t i = 0; i < rec->tree.cnt; i++) {
		if (is_alive(rec, &rec->tree.v[i]))
			return false;
	}
	return collect_tree_is_gone(rec->stream->collect);
}
