/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Everybody who asks the same waits for one answer, so that a hundred clients cost the sampler one
 * question at a time. An answer that does not come in time is given up; when it comes after all, its id
 * tells that nobody waits for it.
 */

#include "link.h"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"

#define LINK_PRIORITY 1

struct question {
	struct link_waiter *waiters;
	uint64_t id;
	uint64_t deadline_ns;
};

struct link {
	struct loop *loop;
	struct counts *counts;
	struct loop_source *source;
	int fd;
	uint64_t last_id;
	struct question questions[2];
	bool lie_told; /* one line for each sampler */
	union {
		struct wire_head head;
		struct control_status status;
		struct control_processes processes;
	} message;
};

static struct question *question_of(struct link *l, int type)
{
	return &l->questions[type == CONTROL_PROCESSES];
}

/* A waiter may ask again at once: the list is taken off first. */
static void question_answer(struct question *q, int error, const struct link_answer *answer)
{
	struct link_waiter *waiters = q->waiters;

	q->waiters = NULL;
	while (waiters) {
		struct link_waiter *w = waiters;

		waiters = w->next;
		w->next = NULL;
		w->waits = false;
		w->fn(error, answer, w->ctx);
	}
}

static void link_drop(struct link *l, int error)
{
	l->source = loop_remove(l->source);
	l->fd = fd_close(l->fd);
	for (size_t i = 0; i < ELEMENTSOF(l->questions); i++)
		question_answer(&l->questions[i], error, NULL);
}

int link_new(struct loop *loop, struct counts *counts, struct link **ret)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->loop = loop;
	l->counts = counts;
	l->fd = -EBADF;
	*ret = l;
	return 0;
}

struct link *link_free(struct link *l)
{
	if (l) {
		link_drop(l, -ENOTCONN);
		free(l);
	}
	return NULL;
}

/* It is stronger than we are, so it keeps its socket; but nothing of such a message is used. */
static void link_on_lie(struct link *l, struct question *q)
{
	l->counts->v[COUNT_sampler_lied]++;
	if (!l->lie_told)
		log_warning(0, "the sampler sent a message that makes no sense: ignored");
	l->lie_told = true;
	if (q)
		question_answer(q, -EBADMSG, NULL);
}

static int link_on_message(struct loop_source *s, uint32_t events, void *ctx)
{
	struct link *l = ctx;
	_cleanup_close_ int fd = -EBADF;
	struct link_answer answer = { 0 };
	struct question *q;
	ssize_t n = seqpacket_recv(l->fd, &l->message, sizeof(l->message), &fd);
	int type;

	if (n == -EAGAIN)
		return 0;
	if (n == 0 || (n < 0 && n != -EMSGSIZE && n != -EPROTO)) {
		link_drop(l, -ENOTCONN);
		return 0;
	}
	type = n < 0 ? (int)n : control_check(&l->message, (size_t)n);
	q = type == CONTROL_STATUS || type == CONTROL_PROCESSES ? question_of(l, type) : NULL;
	if (!q || n == sizeof(l->message.head) || (fd >= 0) != (type == CONTROL_PROCESSES)) {
		link_on_lie(l, q);
		return 0;
	}
	if (l->message.head.id != q->id)
		return 0; /* too late */
	if (type == CONTROL_STATUS)
		answer.status = &l->message.status;
	else
		answer.processes = &l->message.processes;
	answer.fd = fd;
	question_answer(q, 0, &answer);
	return 0;
}

int link_take(struct link *l, int fd)
{
	link_drop(l, -ENOTCONN);
	l->fd = fd;
	l->lie_told = false;
	return loop_add_io(l->loop, l->fd, EPOLLIN, LINK_PRIORITY, link_on_message, l, &l->source);
}

static int link_send(struct link *l, const void *msg, size_t sz, int fd)
{
	int r;

	if (l->fd < 0)
		return -ENOTCONN;
	r = seqpacket_send(l->fd, msg, sz, fd);
	/* Who waits is told when its end is read; here nobody's list may change. */
	return r == -EPIPE || r == -ECONNRESET ? -ENOTCONN : r;
}

int link_ask(struct link *l, enum control_type type, struct link_waiter *w, uint64_t now_ns)
{
	struct question *q = question_of(l, (int)type);
	struct wire_head m = { .size = sizeof(m), .type = (uint16_t)type };

	if (!q->waiters) {
		int r;

		m.id = ++l->last_id;
		r = link_send(l, &m, sizeof(m), -EBADF);
		if (r < 0)
			return r;
		q->id = m.id;
		q->deadline_ns = now_ns + LINK_PATIENCE_NS;
	}
	w->next = q->waiters;
	w->waits = true;
	q->waiters = w;
	return 0;
}

void link_forget(struct link *l, struct link_waiter *w)
{
	for (size_t i = 0; w->waits && i < ELEMENTSOF(l->questions); i++) {
		struct link_waiter **at = &l->questions[i].waiters;

		while (*at && *at != w)
			at = &(*at)->next;
		if (*at)
			*at = w->next;
	}
	w->waits = false;
}

/* Half of what may wait for the sampler to read it is kept for questions, and for those who see all. */
static bool link_is_crowded(const struct link *l)
{
	socklen_t sz = sizeof(int);
	int waiting, room;

	return ioctl(l->fd, SIOCOUTQ, &waiting) == 0 &&
	       getsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &room, &sz) == 0 && waiting > room / 2;
}

int link_send_client(struct link *l, const struct control_client *m, int fd)
{
	if (!(m->flags & CONTROL_ALL) && l->fd >= 0 && link_is_crowded(l))
		return -EAGAIN;
	return link_send(l, m, sizeof(*m), fd);
}

void link_check(struct link *l, uint64_t now_ns)
{
	for (size_t i = 0; i < ELEMENTSOF(l->questions); i++) {
		struct question *q = &l->questions[i];

		if (!q->waiters || q->deadline_ns > now_ns)
			continue;
		l->counts->v[COUNT_sampler_silent]++;
		q->id = 0; /* an answer that comes now is too late */
		question_answer(q, -ETIMEDOUT, NULL);
	}
}
