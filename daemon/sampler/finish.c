/* SPDX-License-Identifier: Apache-2.0 */

/*
 * finish — hands the profiles of a recording to its client, and closes the books.
 *
 * One profile at a time: encoded, sent, closed; a client that does not read is waited for by the
 * timer, up to a limit, and what it did not take is counted.
 */

#include <errno.h>
#include <string.h>

#include "cprof/base/clock.h"
#include "cprof/base/seqpacket.h"
#include "recording.h"

#define CLIENT_WAIT_NS (30 * NSEC_PER_SEC)

static void describe(struct recording *rec)
{
	struct replay_session *about = &rec->writing.about;

	writing_describe(&rec->writing, rec->stream, rec->stream->open);
	if (rec->start.flags & SESSION_MERGED)
		about->flags |= REPLAY_MERGED;
	about->pids_cnt = rec->start.pids_cnt;
	memcpy(about->pids, rec->start.pids, rec->start.pids_cnt * sizeof(*about->pids));
}

void finish_begin(struct recording *rec)
{
	struct window *window = rec->stream->open->window;
	struct counters c;
	struct books books;

	interval_settle(rec->stream->open);
	(void)stream_books(rec->stream, &c, &books);
	window->missed = books.missed;
	window->lost = books.dropped + books.discarded - c.v[COUNTER_discard_forbidden];
	describe(rec);
	writing_begin(&rec->writing);
	rec->phase = PHASE_WRITING;
}

/* The profiles, and behind them the file for replay: they must not wait for it. */
static void next_file(struct recording *rec)
{
	writing_next(&rec->writing);
	if (rec->writing.fd < 0 && rec->raw) {
		raw_finish(rec);
		rec->raw = raw_free(rec->raw);
		rec->memory = memory_free(rec->memory);
	}
	rec->profile_waits_ns = clock_mono_ns();
}

/* 1: sent or given up; 0: the client is slow; -errno: it is gone. */
static int send_profile(struct recording *rec)
{
	struct writing *w = &rec->writing;
	int r = seqpacket_send(rec->client_fd, &w->profile, sizeof(w->profile), w->fd);

	if (r == -EAGAIN || r == -ETOOMANYREFS) {
		if (clock_mono_ns() - rec->profile_waits_ns < CLIENT_WAIT_NS)
			return 0;
		writing_settle(w, COUNTER_discard_client);
	} else if (r < 0) {
		return r;
	} else {
		writing_settle(w, COUNTER_in_profiles);
		rec->profiles += w->profile.kind != SESSION_PROFILE_RAW;
	}
	w->fd = fd_close(w->fd);
	return 1;
}

static int send_end(struct recording *rec)
{
	const struct stream *st = rec->stream;
	struct session_end m = {
		.head = { .size = sizeof(m), .type = SESSION_END },
		.duration_ns = rec->ended_ns - rec->begun_ns,
		.ended_by = rec->ended_by,
		.bpf_bytes = collect_map_bytes(st->collect),
		.profiles = rec->profiles,
		.hz = st->hz,
		.cpus = st->cpus,
		.counters_cnt = COUNTER_MAX,
		.walk = collect_walk_is_off(st->collect) ? SESSION_WALK_PROC : SESSION_WALK_TREE,
	};

	(void)stream_books(st, &m.counters, &m.books);
	return seqpacket_send(rec->client_fd, &m, sizeof(m), -EBADF);
}

int finish_step(struct recording *rec)
{
	int r;

	for (;;) {
		if (rec->writing.fd < 0)
			next_file(rec);
		if (rec->writing.fd < 0)
			break;
		r = send_profile(rec);
		if (r <= 0)
			return r;
	}
	r = session_send_notes(rec);
	if (r <= 0)
		return r;
	r = send_end(rec);
	if (r == -EAGAIN)
		return 0;
	/* The programs are unloaded now; the client may go on for long (a command that lives). */
	recording_drop(rec);
	return r < 0 ? r : 1;
}
