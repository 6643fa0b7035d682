/* SPDX-License-Identifier: Apache-2.0 */

/*
 * targets — whom the recording is of: processes by their pids, which end it when they are all gone, or the
 * control groups of a unit. What BPF lets pass follows from it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cprof/base/clock.h"
#include "processes.h"
#include "recording.h"

static int on_pid_gone(struct loop_source *src, uint32_t events, void *ctx)
{
	struct recording *rec = ctx;
	bool all_gone = true;

	for (size_t i = 0; i < rec->pid_sources.cnt; i++) {
		if (rec->pid_sources.v[i] == src)
			rec->pid_sources.v[i] = loop_remove(src);
		all_gone = all_gone && !rec->pid_sources.v[i];
	}
	/* A tree may outlive the processes that it began with. */
	rec->roots_gone = all_gone;
	if (all_gone && rec->phase == PHASE_SAMPLING && !(rec->start.flags & SESSION_TREE))
		recording_end(rec, SESSION_ENDED_GONE);
	return 0;
}

static int watch_pid(struct recording *rec, int *pidfd)
{
	struct loop_source *source;
	int fd = *pidfd, r;

	r = vec_push(&rec->pidfds, fd);
	if (r < 0)
		return r;
	(void)TAKE_FD(*pidfd);
	r = loop_add_io(rec->sampler->loop, fd, EPOLLIN, PRIORITY_EVENTS, on_pid_gone, rec,
			&source);
	if (r < 0)
		return r;
	return vec_push(&rec->pid_sources, source);
}

/*
 * Held first, asked then, and still there: the start is its own. Without one BPF would record whoever takes
 * the pid later.
 */
static int add_pid(struct recording *rec, pid_t pid)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	_cleanup_(processes_done) struct processes now = { 0 };
	uint64_t start;
	int r;

	if (fd < 0)
		return -errno;
	r = processes_read(rec->stream->collect, &now);
	if (r < 0)
		return r;
	start = processes_start_ns(&now, (uint32_t)pid) / NSEC_PER_TICK;
	if (start == 0 || (syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0 && errno == ESRCH))
		return -ESRCH;
	r = collect_add_pid(rec->stream->collect, pid, start);
	return r < 0 ? r : watch_pid(rec, &fd);
}

/* One that is gone by now costs nothing of the others. */
int targets_add_pids(struct recording *rec)
{
	uint32_t added = 0;

	for (uint32_t i = 0; i < rec->start.pids_cnt; i++) {
		char text[128];
		int r = add_pid(rec, rec->start.pids[i]);

		added += r == 0;
		if (r == 0 || r == -ESRCH)
			continue;
		(void)snprintf(text, sizeof(text), "cannot record process %d: %s",
			       rec->start.pids[i], strerror(-r));
		(void)session_fail(rec, r, text);
		return r;
	}
	if (added > 0 || rec->start.pids_cnt == 0)
		return 0;
	(void)session_fail(rec, -ESRCH,
			   "no process to record: it has exited; see ps -e, or record a command");
	return -ESRCH;
}

static int add_group(uint8_t hierarchy, uint64_t id, void *ctx)
{
	struct recording *rec = ctx;

	rec->groups_cnt++;
	return collect_add_group(rec->stream->collect, hierarchy, id);
}

/* Its groups of all hierarchies that samples tell; those that are made later come by events. */
int targets_add_unit(struct recording *rec)
{
	char text[SESSION_TEXT_MAX];
	int r;

	if (!(rec->start.flags & SESSION_UNIT))
		return 0;
	r = cgroups_find_unit(rec->sampler->cgroups, rec->start.unit, add_group, rec);
	if (r == 0 && rec->groups_cnt == 0)
		r = -ENOENT;
	if (r == 0)
		return 0;
	if (r == -ENOENT)
		(void)snprintf(text, sizeof(text),
			       "no unit %s runs here: no control group has that name; see "
			       "systemctl",
			       rec->start.unit);
	else
		(void)snprintf(text, sizeof(text), "cannot record unit %s: %s", rec->start.unit,
			       strerror(-r));
	(void)session_fail(rec, r, text);
	return r;
}

/* The unit that is recorded was started again: its new group is wanted, the old one is gone. */
void targets_on_cgroup(const struct cprof_cgroup *c, void *ctx)
{
	struct recording *rec = ctx;
	const struct cgroups *cgroups = rec->sampler->cgroups;
	char path[CGROUPS_PATH_SZ];

	if (!(rec->start.flags & SESSION_UNIT))
		return;
	if (c->removed)
		collect_remove_group(rec->stream->collect, c->hierarchy, c->id);
	else if (cgroups_path(cgroups, c->hierarchy, c->id, path) == 0 &&
		 cgroups_is_unit(path, rec->start.unit))
		(void)collect_add_group(rec->stream->collect, c->hierarchy, c->id);
}
