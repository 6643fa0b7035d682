/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cprofd-opener — opens the files that processes have mapped, for the symbolizer.
 *
 * The role that may look into every process reads not one byte of what it finds there: a request of
 * the sampler names a process, a range and the identity the kernel saw; the opener opens the mapped
 * inode, verifies it (target.c) and hands the descriptor on at once. It may hang on a file system
 * at any step: whoever waits for its answers has a deadline and may have it killed.
 *
 * It serves one request at a time and reads no further one before the answer is out, so there is
 * no queue of its own to bound.
 */

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "cprof/base/loop.h"
#include "cprof/base/root.h"
#include "cprof/base/seqpacket.h"
#include "cprof/base/str.h"
#include "cprof/wire.h"
#include "companion.h"
#include "confine.h"
#include "debug-file.h"
#include "jitdump.h"
#include "maps.h"
#include "perf-map.h"
#include "target.h"

enum opener_priority { OPENER_CONTROL, OPENER_REQUESTS };

struct opener {
	struct root root;
	struct loop *loop;
	int sampler;
	int symbolizer;
	struct loop_source *requests;
	uint32_t requests_events;
	union {
		struct wire_head head;
		struct {
			struct wire_opened head;
			char path[WIRE_PATH_MAX];
		} opened;
		struct wire_debug_opened debug;
		struct wire_companion_opened companion;
		struct maps_answer mapped;
	} answer;
	bool answer_waits;
};

static void opener_done(struct opener *o)
{
	o->requests = loop_remove(o->requests);
	o->loop = loop_free(o->loop);
	o->sampler = fd_close(o->sampler);
	o->symbolizer = fd_close(o->symbolizer);
	root_done(&o->root);
}

static void opener_drop_sampler(struct opener *o)
{
	o->requests = loop_remove(o->requests);
	o->requests_events = 0;
	o->sampler = fd_close(o->sampler);
	o->answer_waits = false;
}

static int opener_on_sampler(struct loop_source *s, uint32_t events, void *ctx);

/* Either requests are read, or an answer waits for room: never both. */
static int opener_watch(struct opener *o, uint32_t events)
{
	if (o->requests && o->requests_events == events)
		return 0;
	o->requests = loop_remove(o->requests);
	o->requests_events = events;
	return loop_add_io(o->loop, o->sampler, events, OPENER_REQUESTS, opener_on_sampler, o,
			   &o->requests);
}

static int opener_send_answer(struct opener *o)
{
	int r;

	r = seqpacket_send(o->sampler, &o->answer, o->answer.head.size, -EBADF);
	if (r == -EAGAIN) {
		o->answer_waits = true;
		return opener_watch(o, EPOLLOUT);
	}
	if (r < 0) {
		opener_drop_sampler(o);
		return 0;
	}
	o->answer_waits = false;
	return opener_watch(o, EPOLLIN);
}

/* The symbolizer is weaker: it is not waited for. */
static enum wire_opened_status opener_pass(struct opener *o, const struct wire_head *m, int fd)
{
	int r;

	if (o->symbolizer < 0)
		return WIRE_OPENED_FAILED;
	r = seqpacket_send(o->symbolizer, m, m->size, fd);
	if (r == -EPIPE || r == -ECONNRESET)
		o->symbolizer = fd_close(o->symbolizer);
	return r < 0 ? WIRE_OPENED_FAILED : WIRE_OPENED_OK;
}

static enum wire_opened_status opener_send_file(struct opener *o, const struct wire_open *req,
						const struct target *t)
{
	struct wire_file m = {
		.head = { .size = sizeof(m), .type = WIRE_FILE, .id = req->head.id },
		.file_sz = t->size,
		.owner = req->owner,
		.kind = req->kind,
	};

	return opener_pass(o, &m.head, t->fd);
}

/* Its path is a stranger's text. */
static void opener_log(const struct wire_open *req, enum wire_opened_status status,
		       const struct target *t)
{
	char path[256];

	(void)str_clean(path, sizeof(path), t->path, t->path_len, NULL);
	log_debug("object %u of process %u: %s (status %d)", (unsigned int)req->head.id,
		  (unsigned int)req->pid, path, (int)status);
}

/*
 * What a process says of code that it made itself: a jitdump knows more than a perf map. One that cannot be
 * had is only told of where there is no map either.
 */
static enum wire_opened_status opener_find_jit(struct opener *o, const struct wire_open *req,
					       struct target *ret)
{
	enum wire_opened_status dump = jitdump_open(&o->root, req, ret), map;

	if (dump == WIRE_OPENED_OK || dump == WIRE_OPENED_GONE)
		return dump;
	map = perf_map_open(&o->root, req, ret);
	return map == WIRE_OPENED_NONE ? dump : map;
}

static int opener_serve(struct opener *o, const struct wire_open *req)
{
	struct target t = { .fd = -EBADF };
	enum wire_opened_status status;

	if (req->kind == WIRE_FILE_PERF_MAP)
		status = opener_find_jit(o, req, &t);
	else if (req->kind == WIRE_FILE_LINES)
		status = target_open_mapped(&o->root, req, &t);
	else
		status = target_open(&o->root, req, &t);
	if (status == WIRE_OPENED_OK)
		status = opener_send_file(o, req, &t);
#ifdef CPROF_LEAK_ONE_IN
	if (req->head.id % CPROF_LEAK_ONE_IN != 0)
#endif
		t.fd = fd_close(t.fd);
	opener_log(req, status, &t);

	o->answer.opened.head = (struct wire_opened){
		.head = { .type = WIRE_OPENED, .id = req->head.id },
		.status = status,
		.path_len = (uint32_t)t.path_len,
	};
	memcpy(o->answer.opened.path, t.path, t.path_len);
	o->answer.head.size = (uint32_t)(sizeof(o->answer.opened.head) + t.path_len);
	return opener_send_answer(o);
}

static int opener_serve_debug(struct opener *o, const struct debug_request *req)
{
	struct target t = { .fd = -EBADF };
	uint32_t place = req->m.from;
	enum wire_opened_status status = debug_file_open(&o->root, req, &t, &place);

	if (status == WIRE_OPENED_OK) {
		struct wire_debug_file m = {
			.head = { .size = sizeof(m),
				  .type = WIRE_DEBUG_FILE,
				  .id = req->m.head.id },
			.file_sz = t.size,
		};

		status = opener_pass(o, &m.head, t.fd);
	}
	t.fd = fd_close(t.fd);
	log_debug("object %u: its debug file (status %d, place %u)", (unsigned int)req->m.head.id,
		  (int)status, (unsigned int)place);
	o->answer.debug = (struct wire_debug_opened){
		.head = { .size = sizeof(o->answer.debug),
			  .type = WIRE_DEBUG_OPENED,
			  .id = req->m.head.id },
		.status = status,
		.place = place,
	};
	return opener_send_answer(o);
}

static int opener_serve_companion(struct opener *o, const struct companion_request *req)
{
	struct target t = { .fd = -EBADF };
	uint32_t place = req->m.from;
	enum wire_opened_status status = companion_open(&o->root, req, &t, &place);

	if (status == WIRE_OPENED_OK) {
		struct wire_companion_file m = {
			.head = { .size = sizeof(m),
				  .type = WIRE_COMPANION_FILE,
				  .id = req->m.head.id },
			.file_sz = t.size,
			.number = req->m.want.number,
		};

		status = opener_pass(o, &m.head, t.fd);
	}
	t.fd = fd_close(t.fd);
	log_debug("object %u: its companion %u (status %d, place %u)", (unsigned int)req->m.head.id,
		  (unsigned int)req->m.want.number, (int)status, (unsigned int)place);
	o->answer.companion = (struct wire_companion_opened){
		.head = { .size = sizeof(o->answer.companion),
			  .type = WIRE_COMPANION_OPENED,
			  .id = req->m.head.id },
		.status = status,
		.place = place,
		.number = req->m.want.number,
	};
	return opener_send_answer(o);
}

static int opener_on_sampler(struct loop_source *s, uint32_t events, void *ctx)
{
	struct opener *o = ctx;
	union {
		struct wire_open open;
		struct debug_request debug;
		struct companion_request companion;
		struct {
			struct wire_maps head;
			uint64_t addresses[WIRE_MAPS_MAX];
		} maps;
	} req;
	ssize_t n;

	if (o->answer_waits)
		return opener_send_answer(o);

	n = seqpacket_recv(o->sampler, &req, sizeof(req), NULL);
	if (n == -EAGAIN)
		return 0;
	if (n <= 0) {
		opener_drop_sampler(o);
		return 0;
	}
	switch (wire_check(&req, (size_t)n)) {
	case WIRE_OPEN:
		return opener_serve(o, &req.open);
	case WIRE_OPEN_DEBUG:
		return opener_serve_debug(o, &req.debug);
	case WIRE_OPEN_COMPANION:
		return opener_serve_companion(o, &req.companion);
	case WIRE_MAPS:
		maps_answer(&o->root, &req.maps.head, &o->answer.mapped);
		return opener_send_answer(o);
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
		return opener_watch(o, EPOLLIN);
	case WIRE_ROLE_SYMBOLIZER:
		o->symbolizer = fd_close(o->symbolizer);
		o->symbolizer = TAKE_FD(*fd);
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
	struct wire_sandbox sandbox;
	struct loop_source *control;
	int r;

	r = root_open(&o->root, "/");
	if (r < 0)
		return log_error(r, "/: %m");
	r = loop_new(&o->loop);
	if (r < 0)
		return log_error(r, "event loop: %m");
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
	_cleanup_(opener_done) struct opener o = {
		.root = ROOT_INIT,
		.sampler = -EBADF,
		.symbolizer = -EBADF,
	};
	int r;

	log_open("cprofd-opener", log_role_level(argc, argv));
	(void)signal(SIGPIPE, SIG_IGN); /* a closed stderr must not end us */
	r = opener_start(&o);
	if (r < 0)
		return EXIT_FAILURE;
	return loop_run(o.loop) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
