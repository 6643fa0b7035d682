/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* symbolize-bench — an opener and a symbolizer that the test plays itself, honest and not. */

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "check.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/seqpacket.h"
#include "cprof/symbolize_kernel.h"

#define SECOND 1000000000ull

struct bench {
	struct objects *objects;
	struct names *names;
	struct counters counters;
	struct symbolize *s;
	struct window *w;
	struct symbolize_view *v;
	int opener, symbolizer; /* our ends */
	const char *
		link; /* with rows: they are a part, and that file may have the others; NULL: all */
	uint32_t part;	  /* of what, with a link; 0: of rows */
	uint64_t late_ns; /* when rows are said; 0: at once */
	uint32_t lined;	  /* of rows */
	unsigned int known, forgotten;
	unsigned int rows_cnt; /* blocks that were handed on; the last one: */
	uint32_t rows_object, rows_pages;
	uint8_t buf[WIRE_MESSAGE_MAX] __attribute__((aligned(8)));
	const char *code_file; /* NULL: no BPF program is there */
	size_t code_asked;     /* places of BPF programs */
};

static inline void on_object(uint32_t object, void *ctx)
{
	struct bench *b = ctx;

	b->known++;
}

static inline void on_forget(uint32_t object, void *ctx)
{
	struct bench *b = ctx;

	b->forgotten++;
}

static inline void on_rows(uint32_t object, const struct rows_view *rows, void *ctx)
{
	struct bench *b = ctx;

	b->rows_cnt++;
	b->rows_object = object;
	b->rows_pages = rows->head->pages_cnt;
}

static inline void give_opener(struct bench *b)
{
	int fds[2];

	b->opener = fd_close(b->opener);
	CHECK_EQ(seqpacket_pair(fds), 0);
	b->opener = fds[0];
	symbolize_set_opener(b->s, fds[1], UINT64_MAX, SECOND);
}

static inline void give_symbolizer(struct bench *b)
{
	int fds[2];

	b->symbolizer = fd_close(b->symbolizer);
	CHECK_EQ(seqpacket_pair(fds), 0);
	b->symbolizer = fds[0];
	symbolize_set_symbolizer(b->s, fds[1], SECOND);
}

/* Of every place that is asked for, unless the program is gone. */
static inline void on_code(const uint64_t *places, size_t cnt, void *ctx)
{
	struct bench *b = ctx;

	b->code_asked += cnt;
	for (size_t i = 0; i < cnt && b->code_file; i++) {
		const struct symbolize_code_line line = { .place = places[i],
							  .file = b->code_file,
							  .line = 18,
							  .column = 3,
							  .start_line = 14 };

		symbolize_code_line(b->s, &line);
	}
}

static inline void begin(struct bench *b)
{
	struct symbolize_opts opts = {
		.on_object = on_object,
		.on_forget = on_forget,
		.on_rows = on_rows,
		.on_code = on_code,
		.ctx = b,
	};

	*b = (struct bench){ .opener = -EBADF, .symbolizer = -EBADF };
	CHECK_EQ(objects_new(1, &b->objects), 0);
	CHECK_EQ(names_new(1, &b->names), 0);
	opts.objects = b->objects;
	opts.names = b->names;
	opts.counters = &b->counters;
	CHECK_EQ(symbolize_new(&opts, &b->s), 0);
	b->w = window_new(1, 1, 1);
	CHECK(b->w);
	CHECK_EQ(symbolize_view_new(b->s, b->w, &b->v), 0);
	give_opener(b);
	give_symbolizer(b);
}

static inline void end(struct bench *b)
{
	b->v = symbolize_view_free(b->v);
	b->s = symbolize_free(b->s);
	b->w = window_free(b->w);
	b->names = names_free(b->names);
	b->objects = objects_free(b->objects);
	b->opener = fd_close(b->opener);
	b->symbolizer = fd_close(b->symbolizer);
}

static inline uint32_t announce_sized(struct bench *b, uint64_t ino, uint64_t sz, uint32_t uid,
				      uint64_t now_ns)
{
	struct cprof_announce a = {
		.head = { .size = sizeof(a) },
		.key = { .ino = ino, .size = sz },
		.fs_magic = EXT4_SUPER_MAGIC,
		.mode = S_IFREG,
		.pid = 1,
		.uid = uid,
	};
	uint32_t object;

	symbolize_announce(b->s, &a, now_ns);
	CHECK_EQ(objects_intern(b->objects, &a.key, &object), 0);
	return object;
}

static inline uint32_t announce_by(struct bench *b, uint64_t ino, uint32_t uid, uint64_t now_ns)
{
	return announce_sized(b, ino, 0, uid, now_ns);
}

static inline uint32_t announce(struct bench *b, uint64_t ino, uint64_t magic, uint32_t mode)
{
	struct cprof_announce a = {
		.head = { .size = sizeof(a) },
		.key = { .ino = ino },
		.fs_magic = magic,
		.mode = mode,
		.pid = 1,
	};
	uint32_t object;

	symbolize_announce(b->s, &a, SECOND);
	CHECK_EQ(objects_intern(b->objects, &a.key, &object), 0);
	return object;
}

/* The next message that the peer of @fd sent us, or 0. */
static inline int next_any(struct bench *b, int fd)
{
	ssize_t sz = seqpacket_recv(fd, b->buf, sizeof(b->buf), NULL);

	return sz < 0 ? 0 : wire_check(b->buf, (size_t)sz);
}

/* But for what is asked about rows. */
static inline int next(struct bench *b, int fd)
{
	int type;

	do
		type = next_any(b, fd);
	while (type == WIRE_MAKE_ROWS || type == WIRE_CLOSE);
	return type;
}

static inline void say_opened(struct bench *b, uint32_t object, uint32_t status)
{
	struct wire_opened m = {
		.head = { .size = sizeof(m), .type = WIRE_OPENED, .id = object },
		.status = status,
	};

	CHECK_EQ(seqpacket_send(b->opener, &m, sizeof(m), -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_opener(b->s, SECOND), 0);
}

static inline int say_object(struct bench *b, uint64_t id, uint32_t status)
{
	struct wire_object m = {
		.head = { .size = sizeof(m), .type = WIRE_OBJECT, .id = id },
		.status = status,
		.elf = OBJECT_ELF_DYN,
		.segments_cnt = 1,
		.segments = { { .offset = 0x1000, .vaddr = 0x1000, .filesz = 0x1000 } },
	};

	CHECK_EQ(seqpacket_send(b->symbolizer, &m, sizeof(m), -EBADF), 0);
	return symbolize_dispatch_symbolizer(b->s, SECOND);
}

#define ROWS_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

/* A block of @pages pages as a file with these seals. */
static inline int make_block(uint32_t pages, int seals, size_t *ret_sz)
{
	struct cprof_rule rule = { .cfa = CPROF_CFA_REG, .cfa_reg = CPROF_REG_RSP, .cfa_off = 8 };
	_cleanup_(rows_builder_freep) struct rows_builder *rows = NULL;
	_cleanup_free_ void *bytes = NULL;
	int fd = memfd_create("rows", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0);
	CHECK_EQ(rows_builder_new(&rows), 0);
	if (pages > 0)
		CHECK_EQ(rows_add(rows, 0, (uint64_t)pages << CPROF_PAGE_SHIFT, &rule), 0);
	CHECK_EQ(rows_finish(rows, &bytes, ret_sz), 0);
	CHECK_EQ(write(fd, bytes, *ret_sz), *ret_sz);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Takes the descriptor. */
static inline int say_rows(struct bench *b, uint64_t id, uint32_t status, int fd, uint64_t bytes)
{
	struct wire_rows m = {
		.head = { .size = sizeof(m), .type = WIRE_ROWS, .id = id },
		.status = status,
		.bytes = bytes,
		.lined = b->lined,
		.part = !b->link  ? 0
			: b->part ? b->part
				  : WIRE_PART_ROWS,
		.link_len = b->link ? (uint32_t)strlen(b->link) : 0,
	};

	if (b->link)
		memcpy(m.link, b->link, m.link_len);
	CHECK_EQ(seqpacket_send(b->symbolizer, &m, sizeof(m), fd), 0);
	if (fd >= 0)
		close(fd);
	return symbolize_dispatch_symbolizer(b->s, MAX(b->late_ns, SECOND));
}

/* An honest one. */
static inline int say_block(struct bench *b, uint64_t id, uint32_t status, uint32_t pages)
{
	size_t sz;
	int fd = make_block(pages, ROWS_SEALS, &sz);

	return say_rows(b, id, status, fd, sz);
}

/* Nothing is told of the rows that are asked for as time goes by. */
static inline void settle_rows(struct bench *b)
{
	while (symbolize_tick(b->s, 3 * SECOND), next_any(b, b->symbolizer) == WIRE_MAKE_ROWS)
		CHECK_EQ(say_block(b, ((struct wire_head *)b->buf)->id, WIRE_ROWS_BAD, 0), 0);
}

static inline uint32_t announced_ready(struct bench *b, uint32_t object)
{
	CHECK_EQ(next(b, b->opener), WIRE_OPEN);
	say_opened(b, object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(b, object, WIRE_OBJECT_READY), 0);
	CHECK_EQ(objects_get(b->objects, object)->state, OBJECT_READY);
	return object;
}

static inline uint32_t make_ready(struct bench *b, uint64_t ino)
{
	return announced_ready(b, announce(b, ino, EXT4_SUPER_MAGIC, S_IFREG | 0755));
}

static inline void add_stack(struct bench *b, uint32_t object, uint32_t cnt)
{
	struct window_frame *frames = arena_alloc(&b->w->arena, cnt * sizeof(*frames));
	struct window_stack stack = { .frames = frames, .cnt = cnt };

	CHECK(frames);
	for (uint32_t i = 0; i < cnt; i++)
		frames[i] = (struct window_frame){ .object = object, .offset = 0x1000 + i * 16 };
	CHECK_EQ(vec_push(&b->w->stacks, stack), 0);
}

/* The window has a stack in it, and was looked at. */
static inline void wait_for(struct bench *b, uint32_t object)
{
	add_stack(b, object, 1);
	CHECK_EQ(symbolize_window(b->v, SECOND), 0);
}

/* Answers @cnt of the request in b->buf, each with the name "f<offset>". */
static inline int answer(struct bench *b, uint32_t cnt)
{
	static uint8_t out[WIRE_MESSAGE_MAX] __attribute__((aligned(8)));
	const struct wire_names *ask = (const void *)b->buf;
	const uint64_t *offsets = (const void *)(ask + 1);
	struct wire_named *m = (void *)out;
	struct wire_named_writer writer;

	*m = (struct wire_named){
		.head = { .size = sizeof(*m), .type = WIRE_NAMED, .id = ask->head.id },
		.object = ask->object,
		.status = WIRE_OBJECT_READY,
	};
	wire_named_writer_init(&writer, m, sizeof(out));
	for (uint32_t i = 0; i < cnt; i++) {
		char name[32];
		int len = snprintf(name, sizeof(name), "f%" PRIx64, offsets[i]);
		struct wire_line_view line = { .name = name, .name_len = (uint16_t)len };

		CHECK_EQ(wire_named_add(&writer, 0, &line, 1), 0);
	}
	CHECK_EQ(seqpacket_send(b->symbolizer, m, m->head.size, -EBADF), 0);
	return symbolize_dispatch_symbolizer(b->s, SECOND);
}
