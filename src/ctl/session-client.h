/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * session-client — our end of a recording: the socket, and the private cprofd behind it unless a
 * daemon answers. Messages are checked before anything of them is seen outside.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "cprof/session_receive.h"

struct session_client {
	int fd;		     /* non-blocking */
	struct child cprofd; /* none when a daemon answers */
	const char
		*daemon; /* borrowed: the path of its HTTP socket; NULL: it is a private cprofd */
	bool outside;	 /* the daemon sees other pids than we do */
};

#define SESSION_CLIENT_INIT ((struct session_client){ .fd = -EBADF, .cprofd = CHILD_INIT })

/*
 * To a daemon: by the session socket that lies beside the @socket_path of its HTTP interface. 0 or
 * -errno; -EAGAIN: it takes no connection.
 */
int session_client_connect(struct session_client *c, const char *socket_path);

/* A private cprofd, and how it is to be started. */
struct session_program {
	const char *path;
	const char *const *roles; /* "NAME=PATH" */
	size_t roles_cnt;
	const sigset_t *mask; /* the signal mask that it gets */
	bool verbose;
};

/* Starts `cprofd --session`. */
int session_client_spawn(struct session_client *c, const struct session_program *p);

int session_client_start(struct session_client *c, struct session_start *start);
int session_client_stop(struct session_client *c);

/*
 * The bytes of a profile, checked to be sealed and as long as it says; the caller's to free.
 * -EBADMSG: they are not.
 */
int session_profile_read(const struct session_profile *p, int fd, void **ret);

/* For the sampler this is STOP without an answer; a private cprofd ends by itself. */
void session_client_hang_up(struct session_client *c);
/* Hangs up and waits for the private cprofd, a few seconds at most; its status is in c->cprofd. */
void session_client_close(struct session_client *c);
void session_client_done(struct session_client *c);
