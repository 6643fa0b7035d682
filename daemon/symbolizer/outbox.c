/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Never block, never drop: what does not fit is kept, and while anything is kept the owner reads no
 * further request. So the queue needs to hold the answers of one request only.
 */

#include "outbox.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/seqpacket.h"

int outbox_send(struct outbox *o, int fd, const void *bytes, size_t sz)
{
	void *copy;
	int r;

	if (o->cnt == 0) {
		r = seqpacket_send(fd, bytes, sz, -EBADF);
		if (r != -EAGAIN)
			return r;
	}
	assert(o->cnt < OUTBOX_MAX);
	copy = malloc(sz);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, sz);
	o->v[o->cnt++] = (struct outbox_message){ .bytes = copy, .sz = sz };
	return 0;
}

int outbox_flush(struct outbox *o, int fd)
{
	while (o->cnt > 0) {
		int r = seqpacket_send(fd, o->v[0].bytes, o->v[0].sz, -EBADF);

		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		free(o->v[0].bytes);
		o->cnt--;
		memmove(o->v, o->v + 1, o->cnt * sizeof(*o->v));
	}
	return 0;
}

bool outbox_is_empty(const struct outbox *o)
{
	return o->cnt == 0;
}

void outbox_clear(struct outbox *o)
{
	while (o->cnt > 0)
		free(o->v[--o->cnt].bytes);
}
