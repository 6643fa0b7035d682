/* SPDX-License-Identifier: Apache-2.0 */

/*
 * raw — the file for replay of a recording that asks for one (SESSION_RAW).
 *
 * While it runs, of each sample in the window the head is kept, and which process and stack it went
 * to, in a memfd: what the stack holds is in the window anyhow. At the end both are written out
 * together (cprof/replay.h), without addresses. What would grow beyond a limit is counted as
 * raw_lost; the profiles do not suffer.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "cprof/replay.h"
#include "sampler.h"

#define RAW_LOG_MAX (256ULL << 20)
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

int raw_new(struct raw **ret)
{
	_cleanup_(raw_freep) struct raw *raw = calloc(1, sizeof(*raw));

	if (!raw)
		return -ENOMEM;
	raw->fd = memfd_create("cprof-raw-log", MFD_CLOEXEC);
	if (raw->fd < 0)
		return -errno;
	*ret = TAKE_PTR(raw);
	return 0;
}

static void flush(struct sampler *s, struct raw *raw)
{
	const size_t sz = raw->cnt * sizeof(*raw->kept);

	if (finish_write(raw->kept, sz, &raw->fd) < 0) {
		s->counters.v[COUNTER_raw_lost] += raw->cnt;
		raw->broken = true;
	} else {
		raw->written += sz;
	}
	raw->cnt = 0;
}

void raw_keep(struct sampler *s, const struct cprof_sample *head, uint32_t process, uint32_t stack)
{
	struct raw *raw = s->raw;

	if (!raw)
		return;
	if (raw->broken || raw->written + sizeof(raw->kept) > RAW_LOG_MAX) {
		s->counters.v[COUNTER_raw_lost]++;
		return;
	}
	raw->kept[raw->cnt++] = (struct raw_entry){ *head, process, stack };
	if (raw->cnt == RAW_KEPT)
		flush(s, raw);
}

static int write_entries(struct sampler *s, struct replay_writer *w, size_t cnt)
{
	const uint64_t room = SESSION_PROFILE_BYTES_MAX - RAW_END_ROOM -
			      s->window->processes.cnt * sizeof(struct replay_process);
	int r = 0;

	for (size_t i = 0; r == 0 && i < cnt; i++) {
		const struct raw_entry *e = &s->raw->kept[i];

		if (replay_writer_bytes(w) + REPLAY_CHUNK_MAX > room)
			s->counters.v[COUNTER_raw_lost]++;
		else
			r = replay_write_sample(w, &e->head, e->process, e->stack);
	}
	return r;
}

/* The log, from its beginning; a part of an entry is never written. */
static int write_samples(struct sampler *s, struct replay_writer *w)
{
	uint64_t at = 0;
	int r = 0;

	while (r == 0 && at < s->raw->written) {
		const size_t sz = MIN(sizeof(s->raw->kept), s->raw->written - at);
		const ssize_t n = pread(s->raw->fd, s->raw->kept, sz, (off_t)at);

		if (n != (ssize_t)sz)
			return n < 0 ? -errno : -EIO;
		at += sz;
		r = write_entries(s, w, sz / sizeof(*s->raw->kept));
	}
	return r;
}

static int write_file(struct sampler *s, int fd)
{
	_cleanup_(replay_writer_freep) struct replay_writer *w = NULL;
	const struct replay_writer_opts opts = {
		.session = &s->about,
		.window = s->window,
		.objects = s->objects,
		.names = s->names,
		.cgroups = s->cgroups,
		.write = finish_write,
		.ctx = &fd,
	};
	struct counters counters;
	struct books books;
	int r;

	flush(s, s->raw);
	r = replay_writer_new(&opts, &w);
	if (r == 0)
		r = write_samples(s, w);
	if (r < 0)
		return r;
	(void)recording_books(s, &counters, &books);
	r = replay_write_end(w, &counters);
	if (r < 0)
		return r;
	s->profile = (struct session_profile){
		.head = { .size = sizeof(s->profile), .type = SESSION_PROFILE },
		.bytes = replay_writer_bytes(w),
		.from_real_ns = s->window->from_real_ns,
		.to_real_ns =
			s->window->from_real_ns + (s->window->to_boot_ns - s->window->from_boot_ns),
		.kind = SESSION_PROFILE_RAW,
		.processes = (uint32_t)s->window->processes.cnt,
	};
	return 0;
}

static int make_file(struct sampler *s)
{
	_cleanup_close_ int fd = memfd_create("cprof-raw", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = write_file(s, fd);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, FINISH_SEALS) < 0)
		return -errno;
	s->profile_fd = TAKE_FD(fd);
	return 0;
}

void raw_finish(struct sampler *s)
{
	char text[256];
	int r = make_file(s);

	if (r >= 0)
		return;
	s->counters.v[COUNTER_raw_lost] += s->raw->written / sizeof(*s->raw->kept);
	(void)snprintf(text, sizeof(text), "no raw file: %s; the profiles are whole", strerror(-r));
	(void)session_note(s, text);
}
