/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* accept: takes connections from a listening socket, a batch at a time. */

#include <stdint.h>

#include "cprof/base/loop.h"
#include "places.h"

struct acceptor {
	struct loop *loop;
	struct loop_source *source;
	int fd;
	int priority;
	uint32_t control_gid;
	/* Somebody came; @fd is the callee's to own. @error: no word of who it is. */
	void (*fn)(int fd, const struct peer *peer, int error, void *ctx);
	/* None could be taken for want of memory or descriptors. */
	void (*starved)(void *ctx);
	void *ctx;
};

/* Takes over the socket; one that was there is closed. 0 or -errno. */
int acceptor_listen(struct acceptor *a, int fd);
/* After it starved, or at any time. */
void acceptor_resume(struct acceptor *a);
void acceptor_done(struct acceptor *a);
