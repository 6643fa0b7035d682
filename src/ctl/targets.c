/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Processes by pidfd. For a thread's number pidfd_open(2) says EINVAL up to Linux 6.14 and ENOENT
 * later, which is also what it says of other faults, so /proc is asked: PID/status exists for
 * threads too, and its Tgid line names the process.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "targets.h"
#include "units.h"

#define STATUS_MAX 4096

/* The process that @pid is a thread of; -ESRCH when there is neither. */
static int target_process(const struct root *root, int32_t pid, int32_t *ret)
{
	char path[64], status[STATUS_MAX], *line, *end;
	uint64_t tgid;
	int r;

	(void)snprintf(path, sizeof(path), "proc/%d/status", pid);
	r = root_read(root, path, status, sizeof(status));
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	line = strstr(status, "\nTgid:\t");
	if (!line)
		return -ESRCH;
	line += strlen("\nTgid:\t");
	end = strchr(line, '\n');
	if (end)
		*end = 0;
	r = units_parse_number(line, 1, INT32_MAX, &tgid);
	if (r < 0)
		return -ESRCH;
	*ret = (int32_t)tgid;
	return 0;
}

static void target_read_comm(struct target *t, const struct root *root)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%d/comm", t->pid);
	if (root_read(root, path, t->comm, sizeof(t->comm)) < 0)
		t->comm[0] = '\0';
	t->comm[strcspn(t->comm, "\n")] = '\0';
}

static int target_open(struct target *t, const struct root *root,
		       struct target_problem *ret_problem)
{
	int32_t process;
	int r;

	t->pidfd = (int)syscall(SYS_pidfd_open, t->pid, 0);
	if (t->pidfd >= 0) {
		target_read_comm(t, root);
		return 0;
	}
	if (errno != ESRCH && errno != EINVAL && errno != ENOENT)
		return -errno;
	r = target_process(root, t->pid, &process);
	if (r < 0 && r != -ESRCH)
		return r;
	if (r == 0 && process != t->pid)
		*ret_problem = (struct target_problem){ TARGET_THREAD, t->pid, process };
	else
		*ret_problem = (struct target_problem){ TARGET_MISSING, t->pid, 0 };
	return -ESRCH;
}

int targets_open(struct targets *t, const struct root *root, const int32_t *pids, size_t cnt,
		 struct target_problem *ret_problem)
{
	int r;

	t->v = calloc(MAX(cnt, (size_t)1), sizeof(*t->v));
	if (!t->v)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		t->v[i] = (struct target){ .pid = pids[i], .pidfd = -EBADF };
		t->cnt = i + 1;
		r = target_open(&t->v[i], root, ret_problem);
		if (r < 0)
			return r;
	}
	return 0;
}

void targets_done(struct targets *t)
{
	for (size_t i = 0; i < t->cnt; i++)
		t->v[i].pidfd = fd_close(t->v[i].pidfd);
	free(t->v);
	*t = TARGETS_INIT;
}
