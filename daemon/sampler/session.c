/* SPDX-License-Identifier: Apache-2.0 */

/*
 * session — the clients: who is connected, what they ask, what they are told (cprof/session.h).
 *
 * A private sampler has one client and ends with it. The daemon's has many, who come and go, and are
 * not believed: how many there may be is bounded, and how often they may begin, who says nothing is let
 * go, and one's end is its own.
 *
 * A recording begins by loading its BPF programs, a tenth of a second in which nobody else is heard. So
 * in the daemon one begins in a round of the loop, when all else that is ready was done; who left
 * meanwhile costs nothing.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "always.h"
#include "cprof/base/clock.h"
#include "cprof/base/seqpacket.h"
#include "recording.h"

#define PRIORITY_CLIENT 30
#define PRIORITY_START 50 /* behind all others */
/* Of one user who does not see all. */
#define CLIENTS_OF_ONE_MAX 8
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

/* Of clients, or of recordings under way. */
struct tally {
	unsigned int all;
	unsigned int others; /* of all who do not see all */
	unsigned int own;    /* of these, one user's */
};

static struct tally count_clients(const struct sampler *s, uint32_t uid, bool under_way)
{
	struct tally t = { 0 };

	for (unsigned int i = 0; i < SAMPLER_CLIENTS_MAX; i++) {
		const struct recording *rec = s->recordings[i];

		if (!rec || (under_way && !recording_is_under_way(rec)))
			continue;
		t.all++;
		t.others += !rec->sees_all;
		t.own += !rec->sees_all && rec->uid == uid;
	}
	return t;
}

static void send_failed(int fd, const struct session_failed *how, const char *text)
{
	struct session_failed m = *how;

	m.head = (struct wire_head){ .size = sizeof(m), .type = SESSION_FAILED };
	m.text_len = (uint32_t)strnlen(text, sizeof(m.text) - 1);
	memcpy(m.text, text, m.text_len);
	(void)seqpacket_send(fd, &m, sizeof(m), -EBADF);
}

static void count_refused(const struct sampler *s)
{
	if (s->always)
		s->always->counters.v[COUNTER_starts_refused]++;
}

/* Others are in the way, or too many were: it is no fault of the request. */
static int refuse_start(struct recording *rec, uint32_t retry_s, const char *text)
{
	count_refused(rec->sampler);
	send_failed(rec->client_fd, &(struct session_failed){ .error = -EBUSY, .retry_s = retry_s },
		    text);
	session_lost(rec);
	return -EBUSY;
}

/* Nobody may take all places: a few are enough for one who does not see all. */
static int check_room(struct recording *rec)
{
	const struct tally t = count_clients(rec->sampler, rec->uid, true);
	const bool too_many_own = !rec->sees_all && t.own >= RECORDINGS_OF_ONE_MAX;
	const bool too_many_others = !rec->sees_all && t.others >= SAMPLER_RECORDINGS_OF_OTHERS_MAX;
	char text[128];

	if (t.all < SAMPLER_RECORDINGS_MAX && !too_many_own && !too_many_others)
		return 0;
	(void)snprintf(text, sizeof(text),
		       "too many recordings at once: %u are under way; wait until one has ended",
		       too_many_own ? t.own : t.all);
	return refuse_start(rec, 0, text);
}

static int check_starts(struct recording *rec)
{
	struct starts_wait wait;
	uint32_t retry_s;
	char text[160];

	if (rec->sees_all || starts_take(&rec->sampler->starts, rec->uid, clock_mono_ns(), &wait))
		return 0;
	retry_s = (uint32_t)((wait.ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
	(void)snprintf(text, sizeof(text),
		       "too many recordings were begun: %s may begin %u at once, then one every "
		       "%llu s; try again in %u s",
		       wait.is_of_all ? "all users together" : "each user",
		       wait.is_of_all ? STARTS_OF_ALL : STARTS_OF_ONE,
		       (wait.is_of_all ? STARTS_OF_ALL_EVERY_NS : STARTS_OF_ONE_EVERY_NS) /
			       NSEC_PER_SEC,
		       retry_s);
	return refuse_start(rec, retry_s, text);
}

static int on_start(struct recording *rec, const struct session_start *m)
{
	struct sampler *s = rec->sampler;

	if (rec->phase != PHASE_NONE)
		return session_fail(rec, -EBUSY, "a recording is under way already");
	rec->start = *m;
	/* Where one of them fails, the client was told. */
	if (check_room(rec) < 0 || recording_check(rec) < 0 || check_starts(rec) < 0)
		return 0;
	if (s->is_private)
		return recording_begin(rec);
	rec->phase = PHASE_ASKED;
	rec->asked = s->asked++;
	loop_timer_set(rec->tick, UINT64_MAX);
	loop_timer_set(s->next_start, clock_mono_ns());
	return 0;
}

/* Who sees all goes first, for others are many; else who asked first. */
static bool goes_before(const struct recording *rec, const struct recording *other)
{
	if (rec->sees_all != other->sees_all)
		return rec->sees_all;
	return rec->asked < other->asked;
}

static struct recording *find_next(const struct sampler *s)
{
	struct recording *next = NULL;

	for (unsigned int i = 0; i < SAMPLER_CLIENTS_MAX; i++) {
		struct recording *rec = s->recordings[i];

		if (rec && rec->phase == PHASE_ASKED && (!next || goes_before(rec, next)))
			next = rec;
	}
	return next;
}

static int on_next_start(struct loop_source *src, uint64_t now_ns, void *ctx)
{
	struct sampler *s = ctx;
	struct recording *rec = find_next(s);

	if (!rec)
		return 0;
	(void)recording_begin(rec);
	if (rec->stop_at_once && rec->phase == PHASE_SAMPLING)
		recording_end(rec, SESSION_ENDED_STOP);
	loop_timer_set(src, clock_mono_ns());
	return 0;
}

int session_init(struct sampler *s)
{
	return loop_add_timer(s->loop, PRIORITY_START, on_next_start, s, &s->next_start);
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
		rec->stop_at_once = rec->phase == PHASE_ASKED;
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

static bool is_crowded(const struct sampler *s, const struct session_peer *peer)
{
	const struct tally t = count_clients(s, peer->uid, false);

	return t.all >= SAMPLER_CLIENTS_MAX ||
	       (!peer->sees_all &&
		(t.own >= CLIENTS_OF_ONE_MAX || t.others >= SAMPLER_CLIENTS_OF_OTHERS_MAX));
}

int session_attach(struct sampler *s, const struct session_peer *peer)
{
	_cleanup_close_ int fd = peer->fd;
	struct recording *rec;
	unsigned int slot = 0;
	int r;

	if (is_crowded(s, peer)) {
		count_refused(s);
		send_failed(fd, &(struct session_failed){ .error = -EBUSY },
			    "too many connections of recordings at once; close some, or try again "
			    "in a few seconds");
		return 0;
	}
	while (s->recordings[slot])
		slot++;
	rec = calloc(1, sizeof(*rec));
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
		if (rec->phase == PHASE_ASKED)
			(void)session_fail(rec, -ECANCELED, "cprofd is being stopped");
		waits |= s->is_private ? rec->phase != PHASE_NONE : recording_is_under_way(rec);
	}
	return waits;
}

int session_fail(struct recording *rec, int error, const char *text)
{
	send_failed(rec->client_fd, &(struct session_failed){ .error = error }, text);
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
