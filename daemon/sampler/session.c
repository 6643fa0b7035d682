/* SPDX-License-Identifier: Apache-2.0 */

/* session — the protocol with the client (cprof/session.h): what it asks, what it is told. */

#include <string.h>
#include <sys/epoll.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "sampler.h"

#define PRIORITY_CLIENT 30

/* The client went away: what it asked for is of no use to anybody. */
void session_lost(struct sampler *s)
{
	s->client = loop_remove(s->client);
	recording_drop(s);
	loop_exit(s->loop, 0);
}

static int on_start(struct sampler *s, const struct session_start *m)
{
	if (s->phase != PHASE_NONE)
		return session_fail(s, -EBUSY, "a recording is under way already");
	s->start = *m;
	return recording_begin(s);
}

static int on_client(struct loop_source *src, uint32_t events, void *ctx)
{
	struct sampler *s = ctx;
	uint8_t buf[sizeof(struct session_start)] __attribute__((aligned(8)));
	ssize_t sz = seqpacket_recv(s->client_fd, buf, sizeof(buf), NULL);

	if (sz == -EAGAIN)
		return 0;
	if (sz <= 0) {
		session_lost(s);
		return 0;
	}
	switch (session_check(buf, (size_t)sz)) {
	case SESSION_START:
		return on_start(s, (const void *)buf);
	case SESSION_STOP:
		if (s->phase == PHASE_SAMPLING)
			recording_end(s, SESSION_ENDED_STOP);
		return 0;
	default:
		return session_fail(
			s, -EBADMSG,
			"a message that means nothing; is cprofctl of another version?");
	}
}

int session_attach(struct sampler *s, int fd)
{
	s->client = loop_remove(s->client);
	s->client_fd = fd_close(s->client_fd);
	s->client_fd = fd;
	return loop_add_io(s->loop, fd, EPOLLIN, PRIORITY_CLIENT, on_client, s, &s->client);
}

int session_fail(struct sampler *s, int error, const char *text)
{
	struct session_failed m = {
		.head = { .size = sizeof(m), .type = SESSION_FAILED },
		.error = error,
	};

	m.text_len = (uint32_t)strnlen(text, sizeof(m.text) - 1);
	memcpy(m.text, text, m.text_len);
	(void)seqpacket_send(s->client_fd, &m, sizeof(m), -EBADF);
	recording_drop(s);
	loop_exit(s->loop, 0);
	return 0;
}

void session_progress(struct sampler *s)
{
	struct counters c;
	struct books books;
	struct session_progress m = {
		.head = { .size = sizeof(m), .type = SESSION_PROGRESS },
		.elapsed_ns = (s->ended_ns ? s->ended_ns : clock_mono_ns()) - s->begun_ns,
		.samples = s->counters.v[COUNTER_delivered],
		.processes = s->window ? (uint32_t)s->window->processes.cnt : 0,
		.phase = s->phase == PHASE_SAMPLING ? SESSION_SAMPLING
			 : s->phase == PHASE_NAMING ? SESSION_NAMING
						    : SESSION_WRITING,
	};

	if (s->collect && recording_books(s, &c, &books) == 0) {
		m.missed = books.missed;
		m.lost = books.dropped + books.discarded;
	}
	(void)seqpacket_send(s->client_fd, &m, sizeof(m), -EBADF);
}
