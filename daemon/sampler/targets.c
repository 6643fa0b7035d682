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

#include "sampler.h"

static int on_pid_gone(struct loop_source *src, uint32_t events, void *ctx)
{
	struct sampler *s = ctx;
	bool all_gone = true;

	for (size_t i = 0; i < s->pid_sources.cnt; i++) {
		if (s->pid_sources.v[i] == src)
			s->pid_sources.v[i] = loop_remove(src);
		all_gone = all_gone && !s->pid_sources.v[i];
	}
	/* A tree may outlive the processes that it began with. */
	s->roots_gone = all_gone;
	if (all_gone && s->phase == PHASE_SAMPLING && !(s->start.flags & SESSION_TREE))
		recording_end(s, SESSION_ENDED_GONE);
	return 0;
}

static int watch_pid(struct sampler *s, int *pidfd)
{
	struct loop_source *source;
	int fd = *pidfd, r;

	r = vec_push(&s->pidfds, fd);
	if (r < 0)
		return r;
	(void)TAKE_FD(*pidfd);
	r = loop_add_io(s->loop, fd, EPOLLIN, PRIORITY_EVENTS, on_pid_gone, s, &source);
	if (r < 0)
		return r;
	return vec_push(&s->pid_sources, source);
}

/*
 * Held first, asked then, and still there: the start is its own. Without one BPF would record whoever takes
 * the pid later.
 */
static int add_pid(struct sampler *s, pid_t pid)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	uint64_t start;
	int r;

	if (fd < 0)
		return -errno;
	start = cputime_start_ticks(s, (uint32_t)pid);
	if (start == 0 || (syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0 && errno == ESRCH))
		return -ESRCH;
	r = collect_add_pid(s->collect, pid, start);
	return r < 0 ? r : watch_pid(s, &fd);
}

/* One that is gone by now costs nothing of the others. */
int targets_add_pids(struct sampler *s)
{
	uint32_t added = 0;

	for (uint32_t i = 0; i < s->start.pids_cnt; i++) {
		char text[128];
		int r = add_pid(s, s->start.pids[i]);

		added += r == 0;
		if (r == 0 || r == -ESRCH)
			continue;
		(void)snprintf(text, sizeof(text), "cannot record process %d: %s", s->start.pids[i],
			       strerror(-r));
		(void)session_fail(s, r, text);
		return r;
	}
	if (added > 0 || s->start.pids_cnt == 0)
		return 0;
	(void)session_fail(s, -ESRCH,
			   "no process to record: it has exited; see ps -e, or record a command");
	return -ESRCH;
}

static int add_group(uint8_t hierarchy, uint64_t id, void *ctx)
{
	struct sampler *s = ctx;

	s->groups_cnt++;
	return collect_add_group(s->collect, hierarchy, id);
}

/* Its groups of all hierarchies that samples tell; those that are made later come by events. */
int targets_add_unit(struct sampler *s)
{
	char text[SESSION_TEXT_MAX];
	int r;

	if (!(s->start.flags & SESSION_UNIT))
		return 0;
	r = cgroups_find_unit(s->cgroups, s->start.unit, add_group, s);
	if (r == 0 && s->groups_cnt == 0)
		r = -ENOENT;
	if (r == 0)
		return 0;
	if (r == -ENOENT)
		(void)snprintf(text, sizeof(text),
			       "no unit %s runs here: no control group has that name; see "
			       "systemctl",
			       s->start.unit);
	else
		(void)snprintf(text, sizeof(text), "cannot record unit %s: %s", s->start.unit,
			       strerror(-r));
	(void)session_fail(s, r, text);
	return r;
}
