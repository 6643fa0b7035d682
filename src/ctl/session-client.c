/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The client's side of the session protocol: the way to a sampler, and what we tell it. The sampler is
 * stronger than we are, but it works on data of strangers: what it says comes by session_receive().
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cprof/base/clock.h"
#include "cprof/base/sealed.h"
#include "cprof/base/seqpacket.h"
#include "session-client.h"
#include "unix-connect.h"

#define CPROFD_FINISH_MS 5000
#define SESSION_CONNECT_NS (5 * NSEC_PER_SEC)
#define SESSION_SOCKET "session.sock"

int session_client_connect(struct session_client *c, const char *socket_path)
{
	const char *slash = strrchr(socket_path, '/');
	int dir_len = slash ? (int)(slash + 1 - socket_path) : 0;
	_cleanup_free_ char *path = NULL;
	struct ucred peer;
	int fd;

	if (asprintf(&path, "%.*s" SESSION_SOCKET, dir_len, socket_path) < 0)
		return -ENOMEM;
	fd = unix_connect(path, SOCK_SEQPACKET, SESSION_CONNECT_NS);
	if (fd < 0)
		return fd;
	c->fd = fd;
	c->daemon = socket_path;
	/* Whoever listens there (the daemon, or systemd for it) has no number in our pid namespace. */
	c->outside =
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){ sizeof(peer) }) == 0 &&
		peer.pid == 0;
	return 0;
}

/* "cprofd --session [--verbose] [--role NAME=PATH]...", the array the caller's to free. */
static char **session_program_argv(const struct session_program *p)
{
	const char **argv = calloc(4 + 2 * p->roles_cnt, sizeof(*argv));
	size_t cnt = 0;

	if (!argv)
		return NULL;
	argv[cnt++] = p->path;
	argv[cnt++] = "--session";
	if (p->verbose)
		argv[cnt++] = "--verbose";
	for (size_t i = 0; i < p->roles_cnt; i++) {
		argv[cnt++] = "--role";
		argv[cnt++] = p->roles[i];
	}
	/* execv(2) only reads, but its type is older than const. */
	return (char **)(uintptr_t)argv;
}

int session_client_spawn(struct session_client *c, const struct session_program *p)
{
	_cleanup_free_ char **argv = session_program_argv(p);
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	struct child_setup setup = { .argv = argv, .mask = p->mask };
	int ends[2], r;

	if (!argv)
		return -ENOMEM;
	r = seqpacket_pair(ends);
	if (r < 0)
		return r;
	ours = ends[0];
	theirs = ends[1];
	setup.control_fd = theirs;
	r = child_fork(&c->cprofd, &setup);
	if (r < 0)
		return r;
	r = child_release(&c->cprofd);
	if (r < 0)
		return r;
	c->fd = TAKE_FD(ours);
	return 0;
}

int session_client_start(struct session_client *c, struct session_start *start)
{
	start->head = (struct wire_head){ .size = sizeof(*start), .type = SESSION_START };
	return seqpacket_send(c->fd, start, sizeof(*start), -EBADF);
}

int session_client_stop(struct session_client *c)
{
	const struct wire_head stop = { .size = sizeof(stop), .type = SESSION_STOP };

	return seqpacket_send(c->fd, &stop, sizeof(stop), -EBADF);
}

int session_profile_read(const struct session_profile *p, int fd, void **ret)
{
	_cleanup_free_ char *bytes = NULL;
	int r = session_profile_check(p, fd);

	if (r < 0)
		return r;
	bytes = malloc(p->bytes);
	if (!bytes)
		return -ENOMEM;
	r = sealed_read(fd, bytes, p->bytes);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(bytes);
	return 0;
}

void session_client_hang_up(struct session_client *c)
{
	c->fd = fd_close(c->fd);
}

void session_client_close(struct session_client *c)
{
	session_client_hang_up(c);
	child_finish(&c->cprofd, CPROFD_FINISH_MS, true);
}

void session_client_done(struct session_client *c)
{
	session_client_close(c);
	child_done(&c->cprofd);
}
