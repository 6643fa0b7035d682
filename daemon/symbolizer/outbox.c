/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Never block, never drop: what does not fit is kept, and while anything is kept the owner reads no
 * further request. So the queue needs to hold the answers of one request only.
 */

#include "outbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/seqpacket.h"

int outbox_send(struct outbox *o, int fd, const void *bytes, size_t sz, int pass_fd)
{
	_cleanup_close_ int own = -EBADF;
	void *copy;
	int r;

	if (o->cnt == 0) {
		r = seqpacket_send(fd, bytes, sz, pass_fd);
		if (r != -EAGAIN)
			return r;
	}
	assert(o->cnt < OUTBOX_MAX);
	if (pass_fd >= 0) {
		own = fcntl(pass_fd, F_DUPFD_CLOEXEC, 0);
		if (own < 0)
			return -errno;
	}
	copy = malloc(sz);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, sz);
	o->v[o->cnt++] = (struct outbox_message){ .bytes = copy, .sz = sz, .fd = TAKE_FD(own) };
	return 0;
}

static void message_done(struct outbox_message *m)
{
	free(m->bytes);
	m->fd = fd_close(m->fd);
}

int outbox_flush(struct outbox *o, int fd)
{
	while (o->cnt > 0) {
		int r = seqpacket_send(fd, o->v[0].bytes, o->v[0].sz, o->v[0].fd);

		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		message_done(&o->v[0]);
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
		message_done(&o->v[--o->cnt]);
}
