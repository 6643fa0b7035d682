/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* replay-fixture — a small recording made by hand, and the replay file of it. */

#include "check.h"
#include "sample.h"

#include "cprof/base/cleanup.h"
#include "cprof/base/vec.h"
#include "cprof/decode.h"
#include "cprof/fold.h"
#include "cprof/locate.h"
#include "cprof/replay.h"

#define TEXT 0xffffffff9a000000ULL   /* _stext, as KASLR placed it */
#define MODULE 0xffffffffc0a01230ULL /* in a module */
#define DIRECT 0xffff9a0012345678ULL /* a superblock */
#define JIT 0x7f12345678a0ULL	     /* anonymous memory of a process */
#define WILD 0x7ffd00001110ULL	     /* no mapping */
#define GROUP 4711

/* All that a sampler holds. */
struct world {
	struct window *window;
	struct objects *objects;
	struct names *names;
	struct cgroups *cgroups;
};

struct bytes {
	VEC(uint8_t) v;
	size_t at; /* read so far */
};

static void world_init(struct world *w)
{
	w->window = window_new(5000000000, 1700000000000000000, 1);
	CHECK(w->window);
	w->window->to_boot_ns = 15000000000;
	w->window->hz = 99;
	w->window->missed = 3;
	w->window->lost = 4;
	CHECK_EQ(objects_new(1, &w->objects), 0);
	CHECK_EQ(names_new(1, &w->names), 0);
	CHECK_EQ(cgroups_new(1, &w->cgroups), 0);
}

static void world_done(struct world *w)
{
	window_free(w->window);
	objects_free(w->objects);
	names_free(w->names);
	cgroups_free(w->cgroups);
}

static int bytes_write(const void *p, size_t sz, void *ctx)
{
	struct bytes *b = ctx;

	CHECK_EQ(vec_reserve(&b->v, sz), 0);
	memcpy(b->v.v + b->v.cnt, p, sz);
	b->v.cnt += sz;
	return 0;
}

/* As the sampler does; the indexes that raw_keep() is told. */
static void feed(struct world *w, const void *record, size_t sz, uint32_t *ret_process,
		 uint32_t *ret_stack)
{
	struct window_frame frames[CPROF_KERNEL_FRAMES_MAX + CPROF_USER_FRAMES_MAX];
	struct record rec;
	uint32_t exe;
	int cnt;

	CHECK_EQ(decode_record(record, sz, &rec), 0);
	if (!fold_find_stack(w->window, &rec, ret_stack)) {
		cnt = locate_stack(w->objects, &rec, frames);
		CHECK(cnt >= 0);
		CHECK_EQ(fold_add_stack(w->window, &rec, frames, (uint32_t)cnt, ret_stack), 0);
	}
	CHECK_EQ(locate_exe(w->objects, &rec, &exe), 0);
	CHECK_EQ(fold_process(w->window, &rec, exe, ret_process), 0);
	CHECK_EQ(fold_add(w->window, &rec, *ret_process, *ret_stack), 0);
}

static void name_place(struct world *w, uint32_t object, uint64_t place, const char *text,
		       uint64_t start)
{
	struct name name = { .start = start };

	CHECK_EQ(names_string(w->names, text, strlen(text), &name.function), 0);
	CHECK_EQ(names_put(w->names, object, place, &name), 0);
}

/* It is in a file, and something was inlined there. */
static void line_place(struct world *w, uint32_t object, uint64_t place)
{
	struct name_line inlined = { .line = 11, .column = 3, .start_line = 10 };
	struct name name;

	CHECK(names_get(w->names, object, place, &name));
	CHECK_EQ(names_string(w->names, "small", 5, &inlined.function), 0);
	CHECK_EQ(names_string(w->names, "_Z5smallv", 9, &inlined.linkage), 0);
	CHECK_EQ(names_string(w->names, "/src/small.h", 12, &inlined.file), 0);
	CHECK_EQ(names_string(w->names, "/src/leaf.c", 11, &name.file), 0);
	name.line = 101;
	name.column = 7;
	name.start_line = 99;
	name.inlined_cnt = 1;
	CHECK_EQ(names_put_inlined(w->names, &inlined, 1, &name.inlined), 0);
	CHECK_EQ(names_put(w->names, object, place, &name), 0);
}

static const struct cprof_key fixture_keys[] = {
	{ .sb = DIRECT, .ino = 7, .size = 5000, .ctime_s = 99 },
	{ .sb = DIRECT, .ino = 8, .size = 6000, .ctime_s = 98 },
};

/* Files in the table before ours, which the recording has nothing to do with. */
static void fill_tables(struct world *w)
{
	const struct cprof_key other = { .sb = DIRECT, .ino = 1 };
	const struct object_segment segment = { .offset = 0x1000,
						.vaddr = 0x401000,
						.filesz = 0x9000 };
	uint32_t idx[2], secret;

	CHECK_EQ(objects_intern(w->objects, &other, &secret), 0);
	CHECK_EQ(objects_set_path(w->objects, secret, "/opt/other/secret", 17), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(objects_intern(w->objects, &fixture_keys[i], &idx[i]), 0);
	CHECK_EQ(objects_set_path(w->objects, idx[0], "/usr/bin/tool", 13), 0);
	CHECK_EQ(objects_set_segments(w->objects, idx[0], &segment, 1), 0);
	CHECK_EQ(objects_set_build_id(w->objects, idx[0], (const uint8_t *)"\1\2\3\4", 4), 0);
	objects_get(w->objects, idx[0])->elf = OBJECT_ELF_EXEC;
	objects_get(w->objects, CPROF_OBJECT_KERNEL)->kernel_text = TEXT;
	name_place(w, idx[0], 0x2000, "leaf", 0x1f00);
	line_place(w, idx[0], 0x2000);
	name_place(w, idx[0], 0x2fff, "main", 0x2f00);
	name_place(w, CPROF_OBJECT_KERNEL, TEXT + 0x10, "do_work", TEXT + 8);
	name_place(w, CPROF_OBJECT_KERNEL, MODULE - 1, "module_work [mod]", MODULE - 0x20);
	CHECK_EQ(cgroups_put_root(w->cgroups, CPROF_HIERARCHY_DEFAULT, GROUP, "/a.slice/b.service"),
		 0);
}

static const struct cprof_sample fixture_head = {
	.time_ns = 6000000000,
	.weight_ns = 10101010,
	.start_ns = 2000000000,
	.cgroup = GROUP,
	.pid = 42,
	.tid = 43,
	.exec = 1,
	.exe = CPROF_OBJECT_KEY,
	.kernel_cnt = 2,
	.user_cnt = 5,
	.keys_cnt = 2,
	.kernel_end = CPROF_END_ROOT,
	.user_end = CPROF_END_FP_ZERO,
	.comm = "thread",
	.process_comm = "worker",
};

static const __u64 fixture_kernel[] = { TEXT + 0x10, MODULE };
/* The exact JIT frame and the return address behind it are one place. */
static const struct cprof_frame fixture_user[] = {
	{ 0x2000, CPROF_OBJECT_KEY, CPROF_FRAME_EXACT },
	{ JIT, CPROF_OBJECT_ANON, CPROF_FRAME_EXACT },
	{ JIT + 1, CPROF_OBJECT_ANON, 0 },
	{ WILD, CPROF_OBJECT_NONE, 0 },
	{ 0x3000, CPROF_OBJECT_KEY, 0 },
};
static const struct sample_body fixture_body = {
	.kernel = fixture_kernel, .user = fixture_user, .interp = fixture_user, .keys = fixture_keys
};

static void feed_and_write(struct world *w, struct replay_writer *writer, bool write,
			   const struct cprof_sample *h)
{
	static struct sample s;
	uint32_t process, stack;

	sample_build(&s, h, &fixture_body);
	feed(w, s.bytes, s.sz, &process, &stack);
	if (write)
		CHECK_EQ(replay_write_sample(writer, &s.head, process, stack), 0);
}

/* Three samples of two processes; the second is a kernel thread. */
static void feed_all(struct world *w, struct replay_writer *writer, bool write)
{
	struct cprof_sample h = fixture_head, k = fixture_head;

	feed_and_write(w, writer, write, &h);
	h.seq = 2;
	h.user_cnt = 0;
	h.user_end = CPROF_END_NONE;
	feed_and_write(w, writer, write, &h);
	k.pid = k.tid = 7;
	k.cred = CPROF_CRED_KTHREAD;
	k.cgroup = 0;
	k.exe = CPROF_OBJECT_NONE;
	k.user_cnt = k.keys_cnt = 0;
	k.user_end = CPROF_END_NONE;
	feed_and_write(w, writer, write, &k);
}

#define KEPT_WORDS 6

/* Where the memory of the file's stack was, and what maps of it lead to by the tables' indexes. */
static const struct cprof_kept fixture_kept = {
	.seq = 2,
	.pc = WILD,
	.regs = { [7] = 0x7ffd00002000 },
	.stack_addr = 0x7ffd00002000,
	.stack_sz = KEPT_WORDS * sizeof(uint64_t),
	.cpu = 1,
	.maps_cnt = 2,
};
static const struct cprof_kept_map fixture_maps[] = {
	{ 0x7f0000000000, 0x7f0000010000, 0x1000, CPROF_OBJECT_FIRST + 3, 1 },
	{ JIT, JIT + 0x1000, JIT, CPROF_OBJECT_ANON, 1 },
};
static const uint64_t fixture_stack[KEPT_WORDS] = { JIT, 1, 2, 0x7f0000000123, 4, 5 };
/* Of an object that no sample names. */
static const struct cprof_key fixture_more = { .sb = DIRECT, .ino = 9 };

static uint8_t fixture_row(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

static void write_memory(struct replay_writer *writer, size_t rows_sz)
{
	const size_t first_sz = 41, sz = MAX(rows_sz, first_sz);
	_cleanup_free_ uint8_t *rows = malloc(sz);

	CHECK(rows);
	for (size_t i = 0; i < sz; i++)
		rows[i] = fixture_row(i);
	CHECK_EQ(replay_write_rows(writer, CPROF_OBJECT_VDSO, rows, first_sz), 0);
	CHECK_EQ(replay_write_rows(writer, CPROF_OBJECT_FIRST + 3, rows, rows_sz), 0);
	CHECK_EQ(replay_write_kept(writer, &fixture_kept, fixture_maps, fixture_stack), 0);
}

/*
 * A recording, and the file of it: the window is whole before the file begins. With so many bytes of
 * rows, and a stack; 0: without memory.
 */
static void record_memory(struct world *w, struct bytes *file, size_t rows_sz)
{
	const struct replay_session session = {
		.flags = REPLAY_MERGED,
		.from_boot_ns = 5000000000,
		.to_boot_ns = 15000000000,
		.hz = 99,
		.cpus = 2,
		.event = "cpu-clock",
		.version = "0.1.0",
	};
	const struct counters counters = { .v = { [COUNTER_runs] = 3 } };
	struct replay_writer_opts opts = { .session = &session, .write = bytes_write, .ctx = file };
	struct replay_writer *writer;
	struct world again;
	uint32_t more;

	world_init(w);
	fill_tables(w);
	if (rows_sz > 0) {
		CHECK_EQ(objects_intern(w->objects, &fixture_more, &more), 0);
		CHECK_EQ(more, CPROF_OBJECT_FIRST + 3);
		opts.memory = true;
		opts.more = &more;
		opts.more_cnt = 1;
	}
	feed_all(w, NULL, false);
	w->window->processes.v[0].cpu_true_ns = 30000000;
	opts.window = w->window;
	opts.objects = w->objects;
	opts.names = w->names;
	opts.cgroups = w->cgroups;
	CHECK_EQ(replay_writer_new(&opts, &writer), 0);
	/* The same records once more, for their heads: their indexes are those of the first time. */
	world_init(&again);
	fill_tables(&again);
	feed_all(&again, writer, true);
	world_done(&again);
	if (rows_sz > 0)
		write_memory(writer, rows_sz);
	CHECK_EQ(replay_write_end(writer, &counters), 0);
	CHECK_EQ(replay_writer_bytes(writer), file->v.cnt);
	replay_writer_free(writer);
}

__attribute__((unused)) static void record(struct world *w, struct bytes *file)
{
	record_memory(w, file, 0);
}
