/* SPDX-License-Identifier: Apache-2.0 */

/*
 * raw — the file for replay of a recording that asks for one (SESSION_RAW).
 *
 * While it runs, of each sample in the window the head is kept, and which process and stack it went
 * to, in a memfd: what the stack holds is in the window anyhow. At the end both are written out
 * together (cprof/replay.h), without addresses. What would grow beyond a limit is counted as
 * raw_lost; the profiles do not suffer.
 */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "cprof/base/fd.h"
#include "cprof/base/sealed.h"
#include "cprof/replay.h"
#include "recording.h"

/* What comes behind the samples: 32 bytes of each process, the counters. */
#define RAW_END_ROOM (64ULL << 10)
#define RAW_KEPT 256

struct raw_entry {
	struct cprof_sample head;
	uint32_t process;
	uint32_t stack;
};

struct raw {
	int fd;
	bool broken; /* a write failed: no more is kept */
	uint64_t written;
	uint64_t written_max;
	size_t cnt; /* that wait to be written */
	struct raw_entry kept[RAW_KEPT];
};

struct raw *raw_free(struct raw *raw)
{
	if (!raw)
		return NULL;
	raw->fd = fd_close(raw->fd);
	free(raw);
	return NULL;
}

int raw_new(uint64_t bytes_max, struct raw **ret)
{
	_cleanup_(raw_freep) struct raw *raw = calloc(1, sizeof(*raw));

	if (!raw)
		return -ENOMEM;
	raw->written_max = bytes_max;
	raw->fd = memfd_create("cprof-raw-log", MFD_CLOEXEC);
	if (raw->fd < 0)
		return -errno;
	*ret = TAKE_PTR(raw);
	return 0;
}

/* How many were lost. */
static size_t flush(struct raw *raw)
{
	const size_t sz = raw->cnt * sizeof(*raw->kept), cnt = raw->cnt;

	raw->cnt = 0;
	if (writing_write(raw->kept, sz, &raw->fd) < 0) {
		raw->broken = true;
		return cnt;
	}
	raw->written += sz;
	return 0;
}

void raw_keep(const struct cprof_sample *head, uint32_t process, uint32_t stack, void *ctx)
{
	struct recording *rec = ctx;
	struct raw *raw = rec->raw;
	__u64 *lost = &rec->stream->counters.v[COUNTER_raw_lost];

	if (!raw)
		return;
	if (raw->broken || raw->written + sizeof(raw->kept) > raw->written_max) {
		(*lost)++;
		return;
	}
	raw->kept[raw->cnt++] = (struct raw_entry){ *head, process, stack };
	if (raw->cnt == RAW_KEPT)
		*lost += flush(raw);
}

/* How long the file may get before its end. */
static uint64_t room_of(const struct recording *rec)
{
	const struct window *window = rec->stream->open->window;

	return SESSION_PROFILE_BYTES_MAX - RAW_END_ROOM -
	       window->processes.cnt * sizeof(struct replay_process);
}

static int write_entries(struct recording *rec, struct replay_writer *w, size_t cnt)
{
	struct stream *st = rec->stream;
	const uint64_t room = room_of(rec);
	int r = 0;

	for (size_t i = 0; r == 0 && i < cnt; i++) {
		const struct raw_entry *e = &rec->raw->kept[i];

		if (replay_writer_bytes(w) + REPLAY_CHUNK_MAX > room)
			st->counters.v[COUNTER_raw_lost]++;
		else
			r = replay_write_sample(w, &e->head, e->process, e->stack);
	}
	return r;
}

/* The log, from its beginning; a part of an entry is never written. */
static int write_samples(struct recording *rec, struct replay_writer *w)
{
	struct raw *raw = rec->raw;
	uint64_t at = 0;
	int r = 0;

	while (r == 0 && at < raw->written) {
		const size_t sz = MIN(sizeof(raw->kept), raw->written - at);
		const ssize_t n = fd_pread_upto(raw->fd, raw->kept, sz, at);

		if (n != (ssize_t)sz)
			return n < 0 ? (int)n : -EIO;
		at += sz;
		r = write_entries(rec, w, sz / sizeof(*raw->kept));
	}
	return r;
}

static void describe(struct recording *rec, uint64_t bytes)
{
	const struct window *window = rec->stream->open->window;

	rec->writing.profile = (struct session_profile){
		.head = { .size = sizeof(rec->writing.profile), .type = SESSION_PROFILE },
		.bytes = bytes,
		.from_real_ns = window->from_real_ns,
		.to_real_ns = window->from_real_ns + (window->to_boot_ns - window->from_boot_ns),
		.kind = SESSION_PROFILE_RAW,
		.processes = (uint32_t)window->processes.cnt,
	};
}

static int write_file(struct recording *rec, int fd)
{
	_cleanup_(replay_writer_freep) struct replay_writer *w = NULL;
	const struct sampler *s = rec->sampler;
	struct replay_writer_opts opts = {
		.session = &rec->writing.about,
		.window = rec->stream->open->window,
		.objects = s->objects,
		.names = s->names,
		.cgroups = s->cgroups,
		.memory = rec->memory,
		.write = writing_write,
		.ctx = &fd,
	};
	struct counters counters;
	struct books books;
	int r;

	opts.more = memory_objects(rec->memory, &opts.more_cnt);
	rec->stream->counters.v[COUNTER_raw_lost] += flush(rec->raw);
	r = replay_writer_new(&opts, &w);
	if (r == 0)
		r = write_samples(rec, w);
	if (r == 0)
		r = memory_write(rec, w, room_of(rec));
	if (r < 0)
		return r;
	(void)stream_books(rec->stream, &counters, &books);
	r = replay_write_end(w, &counters);
	if (r < 0)
		return r;
	describe(rec, replay_writer_bytes(w));
	return 0;
}

static int make_file(struct recording *rec)
{
	_cleanup_close_ int fd = memfd_create("cprof-raw", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = write_file(rec, fd);
	if (r < 0)
		return r;
	r = sealed_finish(fd);
	if (r < 0)
		return r;
	rec->writing.fd = TAKE_FD(fd);
	return 0;
}

void raw_finish(struct recording *rec)
{
	char text[256];
	int r = make_file(rec);

	if (r >= 0)
		return;
	rec->stream->counters.v[COUNTER_raw_lost] += rec->raw->written / sizeof(*rec->raw->kept);
	(void)snprintf(text, sizeof(text), "no raw file: %s; the profiles are whole", strerror(-r));
	(void)session_note(rec, text);
}
