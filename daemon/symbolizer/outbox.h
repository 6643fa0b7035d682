/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* outbox — answers that the sampler's socket has no room for yet, in order. */

#include <stdbool.h>
#include <stddef.h>

/* One request has three answers at most (OBJECT, ROWS and NAMED of what it loads by itself). */
#define OUTBOX_MAX 3

struct outbox_message {
	void *bytes;
	size_t sz;
	int fd; /* of its own; -EBADF: none goes with it */
};

struct outbox {
	struct outbox_message v[OUTBOX_MAX];
	unsigned int cnt;
};

/*
 * Sends, with @pass_fd when it is >= 0 (the caller keeps its descriptor), or keeps a copy when the peer
 * does not read. 0, or -EPIPE and other -errno.
 */
int outbox_send(struct outbox *o, int fd, const void *bytes, size_t sz, int pass_fd);
/* Sends what is kept as far as there is room; 0, or -errno as above. */
int outbox_flush(struct outbox *o, int fd);
bool outbox_is_empty(const struct outbox *o);
/* Throws away what is kept: its reader is gone. */
void outbox_clear(struct outbox *o);
