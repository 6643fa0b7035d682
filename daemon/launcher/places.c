/* SPDX-License-Identifier: Apache-2.0 */

/*
 * All of this happens as root, before the launcher drops its rights, and with paths of root's own
 * configuration. What exists is taken over only if it can be meant: a directory, no link to one, and
 * either empty or the sampler's already. Directory=/etc must not give /etc away.
 *
 * Whether the sampler will be able to write is tried as the sampler: flags and free blocks of a file
 * system tell less than one write does, and root may write where others may not. To make a block safe may
 * take seconds on a busy disk, or for ever, and a restart should lose nothing by that: a process of its own
 * tries, and says how it went, while the roles start.
 *
 * One daemon writes there. Its sampler holds the lock, and that of a launcher which was killed may take
 * a while to die; so a lock that is taken is waited for before it is called another daemon's.
 */

#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/fd.h"
#include "cprof/base/log.h"
#include "identity.h"

#define PLACES_MODE 0750
#define PLACES_TRY_SZ 4096
#define PLACES_TRY_FD 100 /* above all that we have when it is tried */
#define PLACES_LOCK_NS (5 * NSEC_PER_SEC)
#define PLACES_LOCK_STEP_NS (20 * NSEC_PER_MSEC)

/* Makes what is missing of the directories above the last part of @path. */
static int places_make_parents(const char *path)
{
	char part[CONFIG_PATH_SZ];
	int n = snprintf(part, sizeof(part), "%s", path);

	if (n >= (int)sizeof(part))
		return -ENAMETOOLONG;
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

int places_runtime(const char *socket, int *ret_lock)
{
	_cleanup_close_ int lock = -EBADF;
	char path[CONFIG_SOCKET_SZ + 32];
	int r, dir = (int)(strrchr(socket, '/') - socket);

	r = places_make_parents(socket);
	if (r < 0)
		return log_error(r, "Socket=%s: cannot make its directory: %m", socket);
	(void)snprintf(path, sizeof(path), "%.*s/cprofd.lock", dir, socket);
	lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0)
		return log_error(-errno, "%s: %m; it must be possible to make it", path);
	if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return log_error(-EBUSY, "%s: locked: another cprofd runs; stop it first",
					 path);
		return log_error(-errno, "%s: cannot lock: %m", path);
	}
	*ret_lock = TAKE_FD(lock);
	return 0;
}

/* What also the root of a file system has that was just made. */
static bool places_is_nothing(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lost+found") == 0;
}

/* 1 when there is nothing in it, 0 when there is, or -errno. */
static int places_is_empty(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = fd_opendir(own < 0 ? -errno : own);
	const struct dirent *e;
	int r = 1;

	if (!d)
		return -errno;
	while (r == 1 && (e = readdir(d)))
		r = places_is_nothing(e->d_name);
	return r;
}

/* Only the owner may change the mode, and nobody but root says who that is. */
static int places_give(int fd, const struct stat *st, const struct places_owner *owner)
{
	if (st->st_uid == owner->uid && st->st_gid == owner->gid &&
	    (st->st_mode & 07777) == PLACES_MODE)
		return 0;
	if (fchown(fd, 0, 0) < 0 || fchmod(fd, PLACES_MODE) < 0 ||
	    fchown(fd, owner->uid, owner->gid) < 0)
		return -errno;
	return 0;
}

/* A file without a name where that can be had: no end at any moment leaves it behind. */
static int places_open_try(int dir, char name[static 32])
{
	int fd = openat(dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);

	name[0] = '\0';
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd < 0 ? -errno : fd;
	/* A name that nothing has: what lies there may be anything. */
	(void)snprintf(name, 32, ".new-try-%d", getpid());
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

/* Writes a block and removes it again, in a directory that is ours; 0 or -errno. */
static int places_write(int dir)
{
	static const char block[PLACES_TRY_SZ];
	char name[32];
	_cleanup_close_ int fd = places_open_try(dir, name);
	int r = 0;

	if (fd < 0)
		return fd;
	errno = 0;
	if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
		r = errno ? -errno : -ENOSPC;
	else if (fsync(fd) < 0)
		r = -errno;
	if (name[0])
		(void)unlinkat(dir, name, 0);
	return r;
}

/* As the sampler; says 0 or -errno. It holds nothing else of ours: it may outlive us. */
static _Noreturn void places_try_child(int dir, int told, const struct places_owner *owner)
{
	const struct role_identity id = { .uid = owner->uid, .gid = owner->gid };
	int fds[] = { dir, told }, r;

	for (size_t i = 0; i < ELEMENTSOF(fds); i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, PLACES_TRY_FD + (int)i);
	r = fds[0] < 0 || fds[1] < 0 ? -errno : 0;
	if (r == 0 && close_range(3, PLACES_TRY_FD - 1, 0) < 0)
		r = -errno;
	if (r == 0)
		r = identity_take(&id);
	if (r == 0)
		r = places_write(fds[0]);
	_exit(write(fds[1] < 0 ? told : fds[1], &r, sizeof(r)) != (ssize_t)sizeof(r));
}

static int places_try(int dir, const struct places_owner *owner, struct places_attempt *ret)
{
	_cleanup_close_ int asked = -EBADF, told = -EBADF;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	asked = fds[0];
	told = fds[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		places_try_child(dir, told, owner);
	ret->fd = TAKE_FD(asked);
	ret->pid = pid;
	return 0;
}

static int places_end(const struct places_attempt *a, const char *path, int r)
{
	/* What is there can be evicted: the sampler makes room. */
	if ((r == -ENOSPC || r == -EDQUOT) && !a->is_empty) {
		log_warning(r, "Directory=%s: %m; older profiles will go", path);
		return 0;
	}
	if (r < 0)
		return log_error(r, "Directory=%s: cannot be written: %m; free or name another",
				 path);
	return 0;
}

int places_tried(const struct places_attempt *a, const char *path)
{
	int r;

	if (read(a->fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
		r = -ECHILD;
	return places_end(a, path, r);
}

int places_tried_too_long(const struct places_attempt *a, const char *path)
{
	(void)kill(a->pid, SIGKILL); /* it dies when the kernel lets it */
	return places_end(a, path, -ETIMEDOUT);
}

/* Waits for one that is about to end. The lock is the sampler's: it is not ours to keep. */
static int places_check_lock(int fd)
{
	const struct timespec step = { .tv_nsec = PLACES_LOCK_STEP_NS };
	const uint64_t until_ns = clock_mono_ns() + PLACES_LOCK_NS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return 0; /* a file system without locks */
		if (clock_mono_ns() >= until_ns)
			return -EBUSY;
		(void)nanosleep(&step, NULL);
	}
	(void)flock(fd, LOCK_UN);
	return 0;
}

/* 1 when there is nothing in it, 0 when there is, or -errno. */
static int places_own(const char *path, int fd, const struct places_owner *owner)
{
	struct stat st;
	int empty, r;

	if (fstat(fd, &st) < 0)
		return log_error(-errno, "Directory=%s: %m", path);
	empty = places_is_empty(fd);
	if (empty < 0)
		return log_error(empty, "Directory=%s: cannot be read: %m", path);
	if (!empty && st.st_uid != owner->uid)
		return log_error(
			-EPERM,
			"Directory=%s: not empty, and user %u's: profiles go to a directory"
			" of their own; name another, or chown -R %u it",
			path, st.st_uid, owner->uid);
	r = places_give(fd, &st, owner);
	if (r < 0)
		return log_error(r, "Directory=%s: cannot give it to user %u: %m", path,
				 owner->uid);
	return empty;
}

static int places_take(const char *path, int fd, const struct places_owner *owner,
		       struct places_attempt *a)
{
	int empty = places_own(path, fd, owner), r;

	if (empty < 0)
		return empty;
	if (places_check_lock(fd) < 0)
		return log_error(
			-EBUSY,
			"Directory=%s: another cprofd writes to it, or hangs in it; stop that"
			" one, or name another",
			path);
	a->is_empty = empty > 0;
	r = places_try(fd, owner, a);
	return r < 0 ? log_error(r, "Directory=%s: cannot be tried: %m", path) : 0;
}

static int places_make(const char *path)
{
	int r = places_make_parents(path);

	if (r < 0)
		return log_error(r, "Directory=%s: cannot make the directories above: %m", path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return log_error(-errno, "Directory=%s: cannot be made: %m", path);
	return 0;
}

static int places_open(const char *path)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(path, flags);
	int r;

	/* Only where it is missing: mkdir(2) of one that is there waits for a disk that hangs. */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		r = places_make(path);
		if (r < 0)
			return r;
		fd = open(path, flags);
	}
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return log_error(-ENOTDIR,
				 "Directory=%s: a link or no directory; name the directory itself",
				 path);
	return fd < 0 ? log_error(-errno, "Directory=%s: %m", path) : fd;
}

int places_prepare(const char *path, const struct places_owner *owner)
{
	_cleanup_close_ int fd = places_open(path);
	int r = fd < 0 ? fd : places_own(path, fd, owner);

	return MIN(r, 0);
}

int places_profiles(const char *path, const struct places_owner *owner, struct places_attempt *a,
		    int *ret_fd)
{
	_cleanup_close_ int fd = places_open(path);
	int r;

	if (fd < 0)
		return fd;
	r = places_take(path, fd, owner, a);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
