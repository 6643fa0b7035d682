/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A request names a process, a range and the identity the kernel saw; the mapped inode is opened,
 * verified (target.c), and the descriptor handed on at once.
 */

#include "serve.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "cprof/base/str.h"
#include "jitdump.h"
#include "perf-map.h"
#include "target.h"

/* The symbolizer is weaker: it is not waited for. */
static enum wire_opened_status pass(struct server *s, const struct wire_head *m, int fd)
{
	int r;

	if (s->symbolizer < 0)
		return WIRE_OPENED_FAILED;
	r = seqpacket_send(s->symbolizer, m, m->size, fd);
	if (r == -EPIPE || r == -ECONNRESET)
		s->symbolizer = fd_close(s->symbolizer);
	return r < 0 ? WIRE_OPENED_FAILED : WIRE_OPENED_OK;
}

static enum wire_opened_status send_file(struct server *s, const struct wire_open *req,
					 const struct target *t)
{
	struct wire_file m = {
		.head = { .size = sizeof(m), .type = WIRE_FILE, .id = req->head.id },
		.file_sz = t->size,
		.owner = req->owner,
		.kind = req->kind,
	};

	return pass(s, &m.head, t->fd);
}

/* Its path is a stranger's text. */
static void tell(const struct wire_open *req, enum wire_opened_status status,
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
static enum wire_opened_status find_jit(struct server *s, const struct wire_open *req,
					struct target *ret)
{
	enum wire_opened_status dump = jitdump_open(&s->root, req, ret), map;

	if (dump == WIRE_OPENED_OK || dump == WIRE_OPENED_GONE)
		return dump;
	map = perf_map_open(&s->root, req, ret);
	return map == WIRE_OPENED_NONE ? dump : map;
}

static void serve_open(struct server *s, const struct wire_open *req, union reply *ret)
{
	struct target t = { .fd = -EBADF };
	enum wire_opened_status status;

	if (req->kind == WIRE_FILE_PERF_MAP)
		status = find_jit(s, req, &t);
	else if (req->kind == WIRE_FILE_LINES)
		status = target_open_mapped(&s->root, req, &t);
	else
		status = target_open(&s->root, req, &t);
	if (status == WIRE_OPENED_OK)
		status = send_file(s, req, &t);
	t.fd = fd_close(t.fd);
	tell(req, status, &t);

	ret->opened.head = (struct wire_opened){
		.head = { .type = WIRE_OPENED, .id = req->head.id },
		.status = status,
		.path_len = (uint32_t)t.path_len,
	};
	memcpy(ret->opened.path, t.path, t.path_len);
	ret->head.size = (uint32_t)(sizeof(ret->opened.head) + t.path_len);
}

static struct wire_debug_opened debug_opened(const struct debug_request *req,
					     enum wire_opened_status status, uint32_t place)
{
	return (struct wire_debug_opened){
		.head = { .size = sizeof(struct wire_debug_opened),
			  .type = WIRE_DEBUG_OPENED,
			  .id = req->m.head.id },
		.status = status,
		.place = place,
	};
}

static void serve_debug(struct server *s, const struct debug_request *req, union reply *ret)
{
	struct target t = { .fd = -EBADF };
	uint32_t place = req->m.from;
	enum wire_opened_status status = debug_file_open(&s->root, req, &t, &place);

	if (status == WIRE_OPENED_OK) {
		struct wire_debug_file m = {
			.head = { .size = sizeof(m),
				  .type = WIRE_DEBUG_FILE,
				  .id = req->m.head.id },
			.file_sz = t.size,
		};

		status = pass(s, &m.head, t.fd);
	}
	t.fd = fd_close(t.fd);
	log_debug("object %u: its debug file (status %d, place %u)", (unsigned int)req->m.head.id,
		  (int)status, (unsigned int)place);
	ret->debug = debug_opened(req, status, place);
}

static struct wire_companion_opened companion_opened(const struct companion_request *req,
						     enum wire_opened_status status, uint32_t place)
{
	return (struct wire_companion_opened){
		.head = { .size = sizeof(struct wire_companion_opened),
			  .type = WIRE_COMPANION_OPENED,
			  .id = req->m.head.id },
		.status = status,
		.place = place,
		.number = req->m.want.number,
	};
}

static void serve_companion(struct server *s, const struct companion_request *req, union reply *ret)
{
	struct target t = { .fd = -EBADF };
	uint32_t place = req->m.from;
	enum wire_opened_status status = companion_open(&s->root, req, &t, &place);

	if (status == WIRE_OPENED_OK) {
		struct wire_companion_file m = {
			.head = { .size = sizeof(m),
				  .type = WIRE_COMPANION_FILE,
				  .id = req->m.head.id },
			.file_sz = t.size,
			.number = req->m.want.number,
		};

		status = pass(s, &m.head, t.fd);
	}
	t.fd = fd_close(t.fd);
	log_debug("object %u: its companion %u (status %d, place %u)", (unsigned int)req->m.head.id,
		  (unsigned int)req->m.want.number, (int)status, (unsigned int)place);
	ret->companion = companion_opened(req, status, place);
}

void serve(struct server *s, const union question *q, union reply *ret)
{
	if (q->head.type == WIRE_OPEN)
		serve_open(s, &q->open, ret);
	else if (q->head.type == WIRE_OPEN_DEBUG)
		serve_debug(s, &q->debug, ret);
	else if (q->head.type == WIRE_OPEN_COMPANION)
		serve_companion(s, &q->companion, ret);
	else
		maps_answer(&s->root, &q->maps.head, &ret->mapped);
}

void serve_none(const union question *q, enum wire_opened_status why, union reply *ret)
{
	if (q->head.type == WIRE_OPEN)
		ret->opened.head = (struct wire_opened){
			.head = { .size = sizeof(ret->opened.head),
				  .type = WIRE_OPENED,
				  .id = q->head.id },
			.status = why,
		};
	else if (q->head.type == WIRE_OPEN_DEBUG)
		ret->debug = debug_opened(&q->debug, why, q->debug.m.from);
	else if (q->head.type == WIRE_OPEN_COMPANION)
		ret->companion = companion_opened(&q->companion, why, q->companion.m.from);
	else
		ret->mapped.head = (struct wire_mapped){
			.head = { .size = sizeof(ret->mapped.head),
				  .type = WIRE_MAPPED,
				  .id = q->head.id },
			.status = why == WIRE_OPENED_HUNG ? WIRE_OPENED_GONE : why,
		};
}
