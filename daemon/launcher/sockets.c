/* SPDX-License-Identifier: Apache-2.0 */

/*
 * All sockets of one unit of systemd bear one name, so they are told apart by what they are: HTTP is
 * a stream, sessions are packets. What is not passed is made here, mode 0666: who may see what is
 * decided by the credentials of the peer, not by the mode of a file.
 *
 * A file that is left of a daemon that was killed refuses connections, and is replaced. The lock
 * beside it keeps two starts from doing that to each other (places.c).
 */

#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"

#define SOCKETS_MODE_MASK 0111

static const int sockets_types[WIRE_LISTEN_MAX] = {
	[WIRE_LISTEN_HTTP] = SOCK_STREAM,
	[WIRE_LISTEN_SESSION] = SOCK_SEQPACKET,
};

/* Does anybody accept there? Full counts as yes. */
static bool sockets_is_answered(const struct sockaddr_un *at, int type)
{
	_cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return false;
	return connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN;
}

/* Only a socket: a file of another kind there is nobody's leftover. */
static void sockets_remove_stale(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
}

static int sockets_bind(int fd, const struct sockaddr_un *at)
{
	const mode_t before = umask(SOCKETS_MODE_MASK);
	int r = bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ? -errno : 0;

	(void)umask(before);
	return r;
}

static int sockets_make(struct sockets *s, enum wire_listen_kind kind, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (snprintf(at.sun_path, sizeof(at.sun_path), "%s", path) >= (int)sizeof(at.sun_path))
		return log_error(-ENAMETOOLONG, "%s: too long for a socket; shorten Socket=", path);
	if (sockets_is_answered(&at, sockets_types[kind]))
		return log_error(-EADDRINUSE, "%s: another cprofd answers there; stop it first",
				 path);
	sockets_remove_stale(path);
	fd = socket(AF_UNIX, sockets_types[kind] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return log_error(-errno, "%s: no socket: %m", path);
	r = sockets_bind(fd, &at);
	if (r < 0)
		return log_error(r, "%s: cannot be made: %m; see Socket=", path);
	(void)memcpy(s->made[kind], at.sun_path, sizeof(at.sun_path));
	if (listen(fd, SOMAXCONN) < 0)
		return log_error(-errno, "%s: cannot listen: %m", path);
	s->fds[kind] = TAKE_FD(fd);
	return 0;
}

/* Takes a descriptor that systemd passed. */
static int sockets_adopt(struct sockets *s, int fd)
{
	for (int kind = 0; kind < WIRE_LISTEN_MAX; kind++) {
		if (s->fds[kind] >= 0 || sd_is_socket(fd, AF_UNIX, sockets_types[kind], 1) <= 0)
			continue;
		if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
			return log_error(-errno, "a socket of systemd: %m");
		s->fds[kind] = fd;
		return 0;
	}
	return log_error(-EINVAL,
			 "systemd passed a socket that is none of cprofd's; see cprofd.socket");
}

int sockets_open(const char *path, struct sockets *ret)
{
	const int dir = (int)(strrchr(path, '/') - path), cnt = sd_listen_fds(1);
	char session[2 * SOCKETS_PATH_SZ];
	int r = cnt < 0 ? log_error(cnt, "the sockets of systemd: %m") : 0;

	for (int i = 0; i < cnt && r == 0; i++)
		r = sockets_adopt(ret, SD_LISTEN_FDS_START + i);
	(void)snprintf(session, sizeof(session), "%.*s/session.sock", dir, path);
	if (r == 0 && ret->fds[WIRE_LISTEN_HTTP] < 0)
		r = sockets_make(ret, WIRE_LISTEN_HTTP, path);
	if (r == 0 && ret->fds[WIRE_LISTEN_SESSION] < 0)
		r = sockets_make(ret, WIRE_LISTEN_SESSION, session);
	return r;
}

void sockets_done(struct sockets *s)
{
	for (int kind = 0; kind < WIRE_LISTEN_MAX; kind++) {
		if (s->made[kind][0] != '\0')
			(void)unlink(s->made[kind]);
		s->fds[kind] = fd_close(s->fds[kind]);
	}
}
