/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cprofd-front — the daemon's doors: HTTP and connections for sessions, on Unix sockets.
 *
 * The role that talks with strangers has no rights: no capability, a uid of its own, and no more than
 * the group of those who may see all. It decides who may ask what, by the kernel's word of who is at
 * the other end; what it passes on, the sampler holds against the same rule again. When it breaks, the
 * launcher starts another; sampling goes on.
 */

#include "front.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "confine.h"
#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "cprof/wire.h"

#define FRONT_HZ_DEFAULT 99
#define FRONT_MMAP_THRESHOLD (128 << 10)
#define FRONT_TICK_NS NSEC_PER_SEC	  /* how late a deadline may be noticed */
#define FRONT_QUIET_NS (5 * NSEC_PER_SEC) /* the first one's after a time without any */

enum { FRONT_PRIORITY_CONTROL = 0, FRONT_PRIORITY_TICK = 7 };

static void front_done(struct front *f)
{
	f->http = http_free(f->http);
	f->door = door_free(f->door);
	f->link = link_free(f->link);
	f->tick = loop_remove(f->tick);
	f->loop = loop_free(f->loop);
	f->spool = fd_close(f->spool);
	root_done(&f->root);
}

static int front_on_tick(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	struct front *f = ctx;

	bool busy = http_check(f->http, now_ns);

	busy |= door_check(f->door, now_ns);
	busy |= link_check(f->link, now_ns);
	loop_timer_set(f->tick, now_ns + (busy ? FRONT_TICK_NS : FRONT_QUIET_NS));
	return 0;
}

static void front_take_config(struct front *f, const struct wire_config *m)
{
	f->hz = m->config.hz > 0 && m->config.hz <= SESSION_HZ_MAX ? m->config.hz
								   : FRONT_HZ_DEFAULT;
	f->control_gid = m->control_gid;
	(void)snprintf(f->group, sizeof(f->group), "%.*s",
		       m->control_gid == UINT32_MAX ? 0 : (int)sizeof(m->config.group),
		       m->config.group);
	memcpy(f->directory, m->config.directory, sizeof(f->directory));
	http_set_group(f->http, f->control_gid);
	door_set_group(f->door, f->control_gid);
}

static int front_take_socket(struct front *f, const struct wire_listen *m, int *fd)
{
	if (*fd < 0)
		return 0;
	if (m->kind == WIRE_LISTEN_HTTP)
		return http_listen(f->http, TAKE_FD(*fd));
	if (m->kind == WIRE_LISTEN_SESSION)
		return door_listen(f->door, TAKE_FD(*fd));
	return 0;
}

/* The directory comes before the sockets; whatever the launcher does, nobody is heard before. */
static int front_confine(struct front *f, int spool)
{
	int r = f->is_confined ? 0 : confine(spool);

	f->is_confined = true;
	return r < 0 ? log_error(r, "cannot confine itself: %m") : 0;
}

static int front_take(struct front *f, int type, const void *msg, int *fd)
{
	const struct wire_peer *peer = msg;
	int r;

	if (type == WIRE_PEER || type == WIRE_SPOOL || type == WIRE_LISTEN) {
		r = front_confine(f, type == WIRE_SPOOL ? *fd : -EBADF);
		if (r < 0)
			return r;
	}
	switch (type) {
	case WIRE_PEER:
		return peer->role == WIRE_ROLE_SAMPLER && *fd >= 0
			       ? link_take(f->link, TAKE_FD(*fd))
			       : 0;
	case WIRE_CONFIG:
		front_take_config(f, msg);
		return 0;
	case WIRE_SPOOL:
		f->spool = fd_close(f->spool);
		f->spool = TAKE_FD(*fd);
		return 0;
	case WIRE_LISTEN:
		return front_take_socket(f, msg, fd);
	case WIRE_STOP:
		loop_exit(f->loop, 0);
		return 0;
	default:
		return log_error(-EBADMSG, "control socket: not a message for this role");
	}
}

static int front_on_control(struct loop_source *s, uint32_t events, void *ctx)
{
	_cleanup_close_ int fd = -EBADF;
	struct front *f = ctx;
	union {
		struct wire_head head;
		struct wire_peer peer;
		struct wire_config config;
		struct wire_listen listen;
	} m;
	ssize_t n;
	int r;

	n = seqpacket_recv(WIRE_CONTROL_FD, &m, sizeof(m), &fd);
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return log_error((int)n, "control socket: %m");
	if (n == 0) { /* the launcher is gone */
		loop_exit(f->loop, 0);
		return 0;
	}
	r = front_take(f, wire_check(&m, (size_t)n), &m, &fd);
	return r < 0 && r != -EBADMSG ? log_error(r, "what the launcher sent cannot be used: %m")
				      : r;
}

static int front_open(struct front *f)
{
	const struct http_opts opts = {
		.counts = &f->counts, .serve = serve, .forget = serve_forget, .ctx = f
	};
	struct http_opts http = opts;
	int r;

	r = root_open(&f->root, "/");
	if (r == 0)
		r = loop_new(&f->loop);
	if (r == 0)
		r = link_new(f->loop, &f->counts, &f->link);
	if (r == 0)
		r = door_new(f->loop, f->link, &f->counts, &f->door);
	http.loop = f->loop;
	if (r == 0)
		r = http_new(&http, &f->http);
	if (r == 0)
		r = loop_add_timer(f->loop, FRONT_PRIORITY_TICK, front_on_tick, f, &f->tick);
	return r;
}

static int front_start(struct front *f)
{
	struct wire_head ready = { .size = sizeof(ready), .type = WIRE_READY };
	struct loop_source *control;
	int r;

	r = front_open(f);
	if (r < 0)
		return log_error(r, "cannot start: %m");
	loop_timer_set(f->tick, clock_mono_ns() + FRONT_TICK_NS);
	r = loop_add_io(f->loop, WIRE_CONTROL_FD, EPOLLIN, FRONT_PRIORITY_CONTROL, front_on_control,
			f, &control);
	if (r == 0)
		r = seqpacket_send(WIRE_CONTROL_FD, &ready, sizeof(ready), -EBADF);
	if (r < 0)
		return log_error(r, "control socket (is this started by cprofd?): %m");
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(front_done) struct front f = {
		.root = ROOT_INIT,
		.control_gid = UINT32_MAX,
		.hz = FRONT_HZ_DEFAULT,
		.spool = -EBADF,
	};

	log_open("cprofd-front", log_role_level(argc, argv));
	/* A fixed one: else each large answer that is freed makes larger ones stay in the heap. */
	(void)mallopt(M_MMAP_THRESHOLD, FRONT_MMAP_THRESHOLD);
	(void)signal(SIGPIPE, SIG_IGN); /* clients leave whenever they like */
	if (front_start(&f) < 0)
		return EXIT_FAILURE;
	return loop_run(f.loop) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
