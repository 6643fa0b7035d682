/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Everybody who asks the same waits for one answer, so that a hundred clients cost the sampler one
 * question at a time. Those who do not see all wait for one that is not asked sooner than a while after
 * the last: to answer takes the sampler's time, and they may ask as often as they like. An answer that
 * does not come in time is given up; when it comes after all, its id tells that nobody waits for it.
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
	bool is_asked;
	uint64_t id;
	uint64_t asked_ns; /* the last time; 0: never */
};

struct link {
	struct loop *loop;
	struct counts *counts;
	struct loop_source *source;
	struct loop_source *timer; /* what was put off is asked */
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
	q->is_asked = false;
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

static int link_send(struct link *l, const void *msg, size_t sz, int fd)
{
	int r;

	if (l->fd < 0)
		return -ENOTCONN;
	r = seqpacket_send(l->fd, msg, sz, fd);
	/* Who waits is told when its end is read; here nobody's list may change. */
	return r == -EPIPE || r == -ECONNRESET ? -ENOTCONN : r;
}

static int question_ask(struct link *l, struct question *q, uint64_t now_ns)
{
	struct wire_head m = {
		.size = sizeof(m),
		.type = q == question_of(l, CONTROL_STATUS) ? CONTROL_STATUS : CONTROL_PROCESSES,
		.id = ++l->last_id,
	};
	int r = link_send(l, &m, sizeof(m), -EBADF);

	if (r < 0)
		return r;
	q->id = m.id;
	q->asked_ns = now_ns;
	q->is_asked = true;
	return 0;
}

static bool question_waits(const struct question *q)
{
	return q->waiters && !q->is_asked;
}

static int link_on_timer(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	struct link *l = ctx;

	for (size_t i = 0; i < ELEMENTSOF(l->questions); i++) {
		struct question *q = &l->questions[i];
		int r = 0;

		if (!question_waits(q))
			continue;
		if (now_ns >= q->asked_ns + LINK_PAUSE_NS)
			r = question_ask(l, q, now_ns);
		else
			loop_timer_set(s, q->asked_ns + LINK_PAUSE_NS);
		if (r < 0)
			question_answer(q, r, NULL);
	}
	return 0;
}

int link_new(struct loop *loop, struct counts *counts, struct link **ret)
{
	_cleanup_free_ struct link *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->loop = loop;
	l->counts = counts;
	l->fd = -EBADF;
	r = loop_add_timer(loop, LINK_PRIORITY, link_on_timer, l, &l->timer);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(l);
	return 0;
}

struct link *link_free(struct link *l)
{
	if (l) {
		link_drop(l, -ENOTCONN);
		l->timer = loop_remove(l->timer);
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
	if (l->message.head.id != q->id || !q->is_asked)
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

int link_ask(struct link *l, enum control_type type, struct link_waiter *w, uint64_t now_ns)
{
	struct question *q = question_of(l, (int)type);

	if (!q->is_asked && l->fd >= 0 && w->patient && now_ns < q->asked_ns + LINK_PAUSE_NS) {
		loop_timer_set(l->timer, now_ns); /* which knows when */
	} else if (!q->is_asked) {
		int r = question_ask(l, q, now_ns);

		if (r < 0)
			return r;
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
		/* Who comes now asks anew: the answer may be one that the sampler could not send. */
		if (!l->questions[i].waiters)
			l->questions[i].is_asked = false;
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

bool link_check(struct link *l, uint64_t now_ns)
{
	bool waits = false;

	for (size_t i = 0; i < ELEMENTSOF(l->questions); i++) {
		struct question *q = &l->questions[i];

		waits |= q->is_asked;
		if (!q->is_asked || now_ns < q->asked_ns + LINK_PATIENCE_NS)
			continue;
		l->counts->v[COUNT_sampler_silent]++;
		q->id = 0; /* an answer that comes now is too late */
		question_answer(q, -ETIMEDOUT, NULL);
	}
	return waits;
}
