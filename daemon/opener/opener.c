/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cprofd-opener — opens the files that processes have mapped, for the symbolizer.
 *
 * The role that may look into every process reads not one byte of what it finds there: a request of
 * the sampler names a process, a range and the identity the kernel saw; the mapped inode is opened,
 * verified (target.c), and the descriptor handed on at once (serve.c).
 *
 * Whoever looks into a process may hang, for as long as that process likes. So this process looks at nothing: it has
 * the sampler's questions answered by others (desk.c), and neither waits for them nor for anybody else.
 * It reads no further question while a reply waits for room in the sampler's socket.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "confine.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "cprof/base/loop.h"
#include "cprof/base/root.h"
#include "cprof/base/seqpacket.h"
#include "cprof/base/vec.h"
#include "cprof/wire.h"
#include "desk.h"
#include "serve.h"

enum opener_priority { OPENER_CONTROL, OPENER_REQUESTS };

struct opener {
	struct root root;
	struct loop *loop;
	int sampler;
	struct loop_source *requests;
	uint32_t requests_events;
	struct desk *desk;
	VEC(struct wire_head *) replies; /* that wait for room; the desk is held back meanwhile */
};

static void opener_drop_replies(struct opener *o)
{
	while (o->replies.cnt > 0)
		free(o->replies.v[--o->replies.cnt]);
}

static void opener_done(struct opener *o)
{
	o->requests = loop_remove(o->requests);
	o->desk = desk_free(o->desk);
	o->loop = loop_free(o->loop);
	o->sampler = fd_close(o->sampler);
	opener_drop_replies(o);
	vec_done(&o->replies);
	root_done(&o->root);
}

static void opener_drop_sampler(struct opener *o)
{
	o->requests = loop_remove(o->requests);
	o->requests_events = 0;
	o->sampler = fd_close(o->sampler);
	opener_drop_replies(o);
	desk_drop(o->desk);
}

static int opener_on_sampler(struct loop_source *s, uint32_t events, void *ctx);

/* Questions are read only where there is room for them and for replies. */
static int opener_watch(struct opener *o)
{
	uint32_t events = o->replies.cnt > 0 ? EPOLLOUT : desk_has_room(o->desk) ? EPOLLIN : 0;

	if (o->sampler < 0 || o->requests_events == events)
		return 0;
	o->requests = loop_remove(o->requests);
	o->requests_events = events;
	if (events == 0)
		return 0;
	return loop_add_io(o->loop, o->sampler, events, OPENER_REQUESTS, opener_on_sampler, o,
			   &o->requests);
}

static int opener_keep(struct opener *o, const struct wire_head *m)
{
	_cleanup_free_ struct wire_head *copy = malloc(m->size);
	int r;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, m, m->size);
	r = vec_push(&o->replies, copy);
	if (r < 0)
		return r;
	(void)TAKE_PTR(copy);
	return desk_hold(o->desk, true);
}

static int opener_on_reply(const struct wire_head *m, void *ctx)
{
	struct opener *o = ctx;
	int r;

	if (o->sampler < 0)
		return 0;
	r = o->replies.cnt > 0 ? -EAGAIN : seqpacket_send(o->sampler, m, m->size, -EBADF);
	if (r == -EAGAIN)
		r = opener_keep(o, m);
	else if (r < 0)
		opener_drop_sampler(o);
	return r == -ENOMEM ? r : opener_watch(o);
}

static int opener_flush(struct opener *o)
{
	size_t sent = 0;
	int r = 0;

	while (sent < o->replies.cnt && r == 0) {
		const struct wire_head *m = o->replies.v[sent];

		r = seqpacket_send(o->sampler, m, m->size, -EBADF);
		if (r == 0)
			free(o->replies.v[sent++]);
	}
	o->replies.cnt -= sent;
	memmove(o->replies.v, o->replies.v + sent, o->replies.cnt * sizeof(*o->replies.v));
	if (r < 0 && r != -EAGAIN)
		opener_drop_sampler(o);
	r = o->replies.cnt == 0 ? desk_hold(o->desk, false) : 0;
	return r < 0 ? r : opener_watch(o);
}

static int opener_on_sampler(struct loop_source *s, uint32_t events, void *ctx)
{
	struct opener *o = ctx;
	union question q;
	ssize_t n;
	int r;

	if (o->replies.cnt > 0)
		return opener_flush(o);

	n = seqpacket_recv(o->sampler, &q, sizeof(q), NULL);
	if (n == -EAGAIN)
		return 0;
	if (n <= 0) {
		opener_drop_sampler(o);
		return 0;
	}
	switch (wire_check(&q, (size_t)n)) {
	case WIRE_OPEN:
	case WIRE_OPEN_DEBUG:
	case WIRE_OPEN_COMPANION:
	case WIRE_MAPS:
		r = desk_put(o->desk, &q);
		return r < 0 ? r : opener_watch(o);
	default:
		log_warning(
			0,
			"the sampler sent what is no question to this role; its socket is closed");
		opener_drop_sampler(o);
		return 0;
	}
}

static int opener_take_peer(struct opener *o, const struct wire_peer *m, int *fd)
{
	if (*fd < 0)
		return 0;
	switch (m->role) {
	case WIRE_ROLE_SAMPLER:
		opener_drop_sampler(o);
		o->sampler = TAKE_FD(*fd);
		return opener_watch(o);
	case WIRE_ROLE_SYMBOLIZER:
		desk_set_symbolizer(o->desk, TAKE_FD(*fd));
		return 0;
	default:
		return 0;
	}
}

static int opener_on_control(struct loop_source *s, uint32_t events, void *ctx)
{
	_cleanup_close_ int fd = -EBADF;
	struct opener *o = ctx;
	struct wire_peer m;
	ssize_t n;

	n = seqpacket_recv(WIRE_CONTROL_FD, &m, sizeof(m), &fd);
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return log_error((int)n, "control socket: %m");
	if (n == 0) { /* the launcher is gone */
		loop_exit(o->loop, 0);
		return 0;
	}
	switch (wire_check(&m, (size_t)n)) {
	case WIRE_PEER:
		return opener_take_peer(o, &m, &fd);
	case WIRE_STOP:
		loop_exit(o->loop, 0);
		return 0;
	default:
		return log_error(-EBADMSG, "control socket: not a message for this role");
	}
}

static int opener_start(struct opener *o)
{
	struct wire_head ready = { .size = sizeof(ready), .type = WIRE_READY };
	struct desk_opts desk = { .root = &o->root, .on_reply = opener_on_reply, .ctx = o };
	struct wire_sandbox sandbox;
	struct loop_source *control;
	int r;

	r = root_open(&o->root, "/");
	if (r < 0)
		return log_error(r, "/: %m");
	r = loop_new(&o->loop);
	if (r < 0)
		return log_error(r, "event loop: %m");
	desk.loop = o->loop;
	r = desk_new(&desk, &o->desk);
	if (r < 0)
		return log_error(r, "timer: %m");
	r = loop_add_io(o->loop, WIRE_CONTROL_FD, EPOLLIN, OPENER_CONTROL, opener_on_control, o,
			&control);
	if (r < 0)
		return log_error(r, "control socket (is this started by cprofd?): %m");
	r = seqpacket_send(WIRE_CONTROL_FD, &ready, sizeof(ready), -EBADF);
	if (r < 0)
		return log_error(r, "control socket (is this started by cprofd?): %m");
	r = confine(&sandbox);
	if (r < 0)
		return log_error(r, "cannot confine itself: %m");
	/* A launcher that does not hear it is gone, as the loop will see. */
	(void)seqpacket_send(WIRE_CONTROL_FD, &sandbox, sizeof(sandbox), -EBADF);
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(opener_done) struct opener o = { .root = ROOT_INIT, .sampler = -EBADF };
	int r;

	log_open("cprofd-opener", log_role_level(argc, argv));
	(void)signal(SIGPIPE, SIG_IGN); /* a closed stderr must not end us */
	r = opener_start(&o);
	if (r < 0)
		return EXIT_FAILURE;
	return loop_run(o.loop) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
