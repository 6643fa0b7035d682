/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sockets: what the front listens on, from the service manager or made by us. */

#include <stdbool.h>

#include "cprof/wire.h"

#define SOCKETS_PATH_SZ 108 /* of sun_path */

struct sockets {
	int fds[WIRE_LISTEN_MAX];
	char made[WIRE_LISTEN_MAX][SOCKETS_PATH_SZ]; /* by us; empty: not by us */
};

#define SOCKETS_INIT ((struct sockets){ .fds = { -EBADF, -EBADF } })

/*
 * Both sockets: of HTTP at @path, and of sessions at session.sock beside it. 0, or -errno after a line
 * that says why (-EADDRINUSE: somebody answers there).
 */
int sockets_open(const char *path, struct sockets *ret);

/* Closes them, and removes those that we made. */
void sockets_done(struct sockets *s);
