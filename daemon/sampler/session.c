/* SPDX-License-Identifier: Apache-2.0 */

/*
 * session — the clients: who is connected, what they ask, what they are told (cprof/session.h).
 *
 * A private sampler has one client and ends with it. The daemon's has many, who come and go, and are
 * not believed: how many there may be is bounded, who says nothing is let go, and one's end is its own.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "cprof/base/clock.h"
#include "cprof/base/seqpacket.h"
#include "recording.h"

#define PRIORITY_CLIENT 30
/* Of one user who does not see all. */
#define RECORDINGS_OF_ONE_MAX 4
/* A client that asks for nothing, and one that is through but does not hang up. */
#define IDLE_NS (10 * NSEC_PER_SEC)
#define LINGER_NS (5 * NSEC_PER_SEC)

static void session_free(struct recording *rec)
{
	recording_drop(rec);
	rec->tick = loop_remove(rec->tick);
	rec->client = loop_remove(rec->client);
	rec->client_fd = fd_close(rec->client_fd);
	rec->sampler->recordings[rec->slot] = NULL;
	free(rec);
}

void session_lost(struct recording *rec)
{
	recording_drop(rec);
	if (rec->sampler->is_private)
		loop_exit(rec->sampler->loop, 0);
	else
		loop_timer_set(rec->tick, clock_mono_ns());
}

/* Nobody may take all places: a few are enough for one who does not see all. */
static bool is_too_many(const struct recording *rec, unsigned int *ret_own)
{
	const struct sampler *s = rec->sampler;
	unsigned int all = 0, own = 0;

	for (unsigned int i = 0; i < SAMPLER_CLIENTS_MAX; i++) {
		const struct recording *other = s->recordings[i];

		if (!other || !recording_is_under_way(other))
			continue;
		all++;
		own += !other->sees_all && other->uid == rec->uid;
	}
	*ret_own = rec->sees_all ? all : own;
	return all >= SAMPLER_RECORDINGS_MAX || (!rec->sees_all && own >= RECORDINGS_OF_ONE_MAX);
}

static int on_start(struct recording *rec, const struct session_start *m)
{
	unsigned int own;
	char text[128];

	if (rec->phase != PHASE_NONE)
		return session_fail(rec, -EBUSY, "a recording is under way already");
	if (is_too_many(rec, &own)) {
		(void)snprintf(text, sizeof(text),
			       "too many recordings at once: %u are under way; wait until one has "
			       "ended",
			       own);
		return session_fail(rec, -EBUSY, text);
	}
	rec->start = *m;
	return recording_begin(rec);
}

static int on_client(struct loop_source *src, uint32_t events, void *ctx)
{
	struct recording *rec = ctx;
	uint8_t buf[sizeof(struct session_start)] __attribute__((aligned(8)));
	ssize_t sz = seqpacket_recv(rec->client_fd, buf, sizeof(buf), NULL);

	if (sz == -EAGAIN)
		return 0;
	if (sz <= 0) {
		rec->client = loop_remove(rec->client);
		rec->hung_up = true;
		session_lost(rec);
		return 0;
	}
	if (rec->phase == PHASE_DONE && !rec->sampler->is_private)
		return 0;
	switch (session_check(buf, (size_t)sz)) {
	case SESSION_START:
		return on_start(rec, (const void *)buf);
	case SESSION_STOP:
		if (rec->phase == PHASE_SAMPLING)
			recording_end(rec, SESSION_ENDED_STOP);
		return 0;
	default:
		return session_fail(
			rec, -EBADMSG,
			"a message that means nothing; is cprofctl of another version?");
	}
}

static int on_tick(struct loop_source *src, uint64_t now_ns, void *ctx)
{
	struct recording *rec = ctx;

	if (rec->phase == PHASE_NONE) {
		(void)session_fail(rec, -ETIMEDOUT, "nothing was asked for; ask again");
		return 0;
	}
	if (rec->phase != PHASE_DONE) {
		recording_tick(rec, now_ns);
		return 0;
	}
	if (rec->sampler->is_private)
		return 0;
	/* It may still have something to read: hanging up on one that writes would take that away. */
	if (rec->hung_up || rec->lingers) {
		session_free(rec);
		return 0;
	}
	rec->lingers = true;
	loop_timer_set(src, now_ns + LINGER_NS);
	return 0;
}

static int attach(struct recording *rec)
{
	struct sampler *s = rec->sampler;
	int r;

	r = loop_add_io(s->loop, rec->client_fd, EPOLLIN, PRIORITY_CLIENT, on_client, rec,
			&rec->client);
	if (r < 0)
		return r;
	r = loop_add_timer(s->loop, PRIORITY_TICK, on_tick, rec, &rec->tick);
	if (r == 0 && !s->is_private)
		loop_timer_set(rec->tick, clock_mono_ns() + IDLE_NS);
	return r;
}

int session_attach(struct sampler *s, const struct session_peer *peer)
{
	_cleanup_close_ int fd = peer->fd;
	struct recording *rec;
	unsigned int slot = 0;
	int r;

	while (slot < SAMPLER_CLIENTS_MAX && s->recordings[slot])
		slot++;
	rec = slot < SAMPLER_CLIENTS_MAX ? calloc(1, sizeof(*rec)) : NULL;
	if (!rec)
		return 0; /* that client sees that there is nobody */
	rec->sampler = s;
	rec->slot = slot;
	rec->uid = peer->uid;
	rec->sees_all = peer->sees_all;
	rec->writing = WRITING_INIT;
	rec->client_fd = TAKE_FD(fd);
	s->recordings[slot] = rec;
	r = attach(rec);
	if (r < 0)
		session_free(rec);
	return s->is_private ? r : 0;
}

void session_done(struct sampler *s)
{
	for (unsigned int i = 0; i < SAMPLER_CLIENTS_MAX; i++) {
		if (s->recordings[i])
			session_free(s->recordings[i]);
	}
}

bool session_stop_all(struct sampler *s)
{
	bool waits = false;

	for (unsigned int i = 0; i < SAMPLER_CLIENTS_MAX; i++) {
		struct recording *rec = s->recordings[i];

		if (!rec)
			continue;
		if (rec->phase == PHASE_SAMPLING)
			recording_end(rec, SESSION_ENDED_STOP);
		waits |= s->is_private ? rec->phase != PHASE_NONE : recording_is_under_way(rec);
	}
	return waits;
}

int session_fail(struct recording *rec, int error, const char *text)
{
	struct session_failed m = {
		.head = { .size = sizeof(m), .type = SESSION_FAILED },
		.error = error,
	};

	m.text_len = (uint32_t)strnlen(text, sizeof(m.text) - 1);
	memcpy(m.text, text, m.text_len);
	(void)seqpacket_send(rec->client_fd, &m, sizeof(m), -EBADF);
	session_lost(rec);
	return 0;
}

void session_progress(struct recording *rec)
{
	const struct stream *st = rec->stream;
	struct counters c;
	struct books books;
	struct session_progress m = {
		.head = { .size = sizeof(m), .type = SESSION_PROGRESS },
		.elapsed_ns = (rec->ended_ns ? rec->ended_ns : clock_mono_ns()) - rec->begun_ns,
		.processes = (uint32_t)st->open->window->processes.cnt,
		.phase = rec->phase == PHASE_SAMPLING ? SESSION_SAMPLING
			 : rec->phase == PHASE_NAMING ? SESSION_NAMING
						      : SESSION_WRITING,
	};

	m.samples = st->counters.v[COUNTER_delivered] - st->counters.v[COUNTER_discard_forbidden];
	if (stream_books(st, &c, &books) == 0) {
		m.missed = books.missed;
		m.lost = books.dropped + books.discarded - c.v[COUNTER_discard_forbidden];
	}
	(void)seqpacket_send(rec->client_fd, &m, sizeof(m), -EBADF);
}
