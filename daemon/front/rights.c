/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whose a process is tells the owner of a file in /proc/PID: its effective user, but root of a process
 * that is not dumpable, as after a set-user-ID exec. (The directory itself always shows the effective
 * user: task_dump_owner() of Linux's fs/proc/base.c.) A process may make itself dumpable again, so what its
 * status says of users, groups and capabilities counts, too: record_may_see() as far as /proc tells it. What
 * is found here decides whether a question is put at all; the sampler holds each sample against the whole
 * rule, so a process that changes its user meanwhile, or a pid that is taken anew, gives nothing away.
 */

#include "rights.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cprof/base/cleanup.h"

#define OPEN_TRIES 4
#define STATUS_SZ 16384 /* its user may be in many groups */

static int in_group(int fd, gid_t wanted)
{
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t sz = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &sz) == 0)
		return 0;
	if (errno != ERANGE)
		return -errno;
	groups = malloc(sz);
	if (!groups)
		return -ENOMEM;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &sz) < 0)
		return -errno;
	for (size_t i = 0; i < sz / sizeof(*groups); i++) {
		if (groups[i] == wanted)
			return 1;
	}
	return 0;
}

int rights_of(int fd, uint32_t control_gid, struct peer *ret)
{
	struct ucred cred;
	socklen_t sz = sizeof(cred);
	int r = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &sz) < 0)
		return -errno;
	/* (uid_t)-1: in a user namespace that ours does not map */
	if (cred.uid != 0 && control_gid != UINT32_MAX) {
		r = cred.gid == control_gid ? 1 : in_group(fd, control_gid);
		if (r < 0)
			return r;
	}
	*ret = (struct peer){ .uid = cred.uid, .privileged = cred.uid == 0 || r > 0 };
	return 0;
}

static int refuse_for_rights(const struct asker *asker, const char *what, struct refusal *refusal)
{
	return refuse(refusal, 403, "%s: only root%s%s may", what,
		      asker->group[0] ? " and members of group " : "", asker->group);
}

int rights_to_all(const struct asker *asker, const char *what, struct refusal *refusal)
{
	return asker->peer->privileged ? 0 : refuse_for_rights(asker, what, refusal);
}

/* Numbers of a line of /proc/PID/status; how many were read. A name in it cannot hold a newline. */
static size_t status_numbers(const char *status, const char *key, int base, uint64_t *ret,
			     size_t max)
{
	const char *at = strstr(status, key);
	size_t cnt = 0;

	if (!at)
		return 0;
	for (at += strlen(key); cnt < max && *at == '\t'; cnt++) {
		char *end;

		ret[cnt] = strtoull(++at, &end, base);
		at = end;
	}
	return cnt;
}

/* The process that this number is a thread of; the number itself when that cannot be read. */
static uint32_t process_of(const char *status, uint32_t tid)
{
	uint64_t tgid;

	return status_numbers(status, "\nTgid:", 10, &tgid, 1) == 1 ? (uint32_t)tgid : tid;
}

/* In the initial user namespace, or in one that has all its users. */
static bool has_all_users(int dir)
{
	const struct root root = { .fd = dir };
	unsigned int inside, outside, cnt;
	char text[128];

	return root_read(&root, "uid_map", text, sizeof(text)) < 0 ||
	       (sscanf(text, "%u %u %u", &inside, &outside, &cnt) == 3 && inside == 0 &&
		outside == 0 && cnt == UINT32_MAX);
}

/*
 * One user and one group in all places, and no right that its user has not. In another user namespace
 * capabilities are its owner's: who that is the sampler sees.
 */
static bool is_users_own(uint32_t uid, int dir, const char *status)
{
	uint64_t uids[4], gids[3], caps;

	if (status_numbers(status, "\nUid:", 10, uids, 4) < 4 ||
	    status_numbers(status, "\nGid:", 10, gids, 3) < 3 ||
	    status_numbers(status, "\nCapPrm:", 16, &caps, 1) < 1)
		return false;
	for (size_t i = 0; i < ELEMENTSOF(uids); i++) {
		if (uids[i] != uid)
			return false;
	}
	return gids[0] == gids[1] && gids[0] == gids[2] && (caps == 0 || !has_all_users(dir));
}

bool rights_are_kept(const struct peer *peer, int dir)
{
	const struct root root = { .fd = dir };
	char status[STATUS_SZ];
	struct stat st;

	return peer->privileged || (fstatat(dir, "status", &st, 0) == 0 && st.st_uid == peer->uid &&
				    root_read(&root, "status", status, sizeof(status)) >= 0 &&
				    is_users_own(peer->uid, dir, status));
}

/* Whoever this is; it stays who it is as long as the directory is open. */
static uint32_t process_in(int dir, uint32_t pid)
{
	const struct root root = { .fd = dir };
	char status[STATUS_SZ];

	return root_read(&root, "status", status, sizeof(status)) < 0 ? pid
								      : process_of(status, pid);
}

/* There, but hidden from us (hidepid= of proc(5)), is not one that took the pid only now: look again. */
static int open_process(const struct root *root, const char *path, uint32_t pid, bool *ret_hidden)
{
	int dir = -ENOENT;

	*ret_hidden = true;
	for (int i = 0; i < OPEN_TRIES && dir < 0 && *ret_hidden; i++) {
		dir = root_open_file(root, path, O_PATH | O_DIRECTORY);
		*ret_hidden = dir < 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
	}
	return dir;
}

int rights_to_process(const struct asker *asker, uint32_t pid, int *ret_dir,
		      struct refusal *refusal)
{
	_cleanup_close_ int dir = -EBADF;
	char path[32], what[160];
	uint32_t process;
	bool is_hidden;

	(void)snprintf(path, sizeof(path), "proc/%" PRIu32, pid);
	dir = open_process(asker->root, path, pid, &is_hidden);
	if (is_hidden)
		return refuse(refusal, 403,
			      "process %" PRIu32 ": /proc hides it from cprofd (hidepid=), so "
			      "nobody can say whose it is",
			      pid);
	if (dir < 0)
		return refuse(refusal, 404, "there is no process %" PRIu32, pid);
	process = process_in(dir, pid);
	if (process != pid)
		return refuse(refusal, 404,
			      "%" PRIu32 " is a thread: ask for its process, %" PRIu32, pid,
			      process);
	if (!rights_are_kept(asker->peer, dir)) {
		(void)snprintf(what, sizeof(what),
			       "process %" PRIu32 " is not yours, or it may not be traced (it "
			       "changed its user, has capabilities, or asked for it)",
			       pid);
		return refuse_for_rights(asker, what, refusal);
	}
	*ret_dir = TAKE_FD(dir);
	return 0;
}
