/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* outbox — answers that the sampler's socket has no room for yet, in order. */

#include <stdbool.h>
#include <stddef.h>

/* One request has two answers at most (OBJECT and NAMED of what it loads by itself). */
#define OUTBOX_MAX 2

struct outbox_message {
	void *bytes;
	size_t sz;
};

struct outbox {
	struct outbox_message v[OUTBOX_MAX];
	unsigned int cnt;
};

/* Sends, or keeps a copy when the peer does not read. 0, or -EPIPE and other -errno. */
int outbox_send(struct outbox *o, int fd, const void *bytes, size_t sz);
/* Sends what is kept as far as there is room; 0, or -errno as above. */
int outbox_flush(struct outbox *o, int fd);
bool outbox_is_empty(const struct outbox *o);
/* Throws away what is kept: its reader is gone. */
void outbox_clear(struct outbox *o);
