/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* encode-fixture — windows made by hand, and the file that encode makes of them. */

#include "check.h"
#include "cprof/base/vec.h"
#include "cprof/encode.h"

struct fixture {
	struct window *window;
	struct objects *objects;
	struct names *names;
	struct encode_opts opts;
	struct encode_result result;
	VEC(uint8_t) file;
	uint64_t files; /* objects made: keys differ */
};

static int fixture_write(const void *bytes, size_t sz, void *ctx)
{
	struct fixture *f = ctx;

	CHECK_EQ(vec_reserve(&f->file, sz), 0);
	memcpy(f->file.v + f->file.cnt, bytes, sz);
	f->file.cnt += sz;
	return 0;
}

static void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	f->window = window_new(5000000000, 1700000000000000000, 1);
	CHECK(f->window);
	f->window->to_boot_ns = 15000000000;
	f->window->hz = 99;
	f->window->missed = 3;
	f->window->lost = 4;
	CHECK_EQ(objects_new(1, &f->objects), 0);
	CHECK_EQ(names_new(1, &f->names), 0);
	f->opts = (struct encode_opts){
		.window = f->window,
		.objects = f->objects,
		.names = f->names,
		.labels = true,
		.event = &event_table[EVENT_CPU_CLOCK],
		.version = "0.1.0",
		.boot_id = "6f3c",
		.host_cpus = 2,
		.write = fixture_write,
		.ctx = f,
	};
}

static void fixture_done(struct fixture *f)
{
	window_free(f->window);
	objects_free(f->objects);
	names_free(f->names);
	vec_done(&f->file);
}

/* A file that is known: one executable segment. */
__attribute__((unused)) static uint32_t fixture_object(struct fixture *f, const char *path,
						       enum object_elf elf,
						       const struct object_segment *segment)
{
	const struct cprof_key key = { .ino = ++f->files, .sb = 1 };
	struct object *o;
	uint32_t idx;

	CHECK_EQ(objects_intern(f->objects, &key, &idx), 0);
	o = objects_get(f->objects, idx);
	o->elf = elf;
	CHECK_EQ(objects_set_path(f->objects, idx, path, path ? strlen(path) : 0), 0);
	CHECK_EQ(objects_set_segments(f->objects, idx, segment, segment ? 1 : 0), 0);
	return idx;
}

__attribute__((unused)) static void fixture_name(struct fixture *f, uint32_t object, uint64_t place,
						 const char *name, const char *linkage)
{
	struct name n = { .start = place };

	CHECK_EQ(names_string(f->names, name, strlen(name), &n.function), 0);
	if (linkage)
		CHECK_EQ(names_string(f->names, linkage, strlen(linkage), &n.linkage), 0);
	CHECK_EQ(names_put(f->names, object, place, &n), 0);
}

static uint32_t fixture_process(struct fixture *f, uint32_t pid, const char *comm, uint32_t exe)
{
	struct window_process p = {
		.pid = pid,
		.start_ns = 1230000000ULL + pid,
		.exec = 1,
		.uid = 1000,
		.exe = exe,
		.cpu_true_ns = UINT64_MAX,
		.first_sample = WINDOW_NONE,
		.last_sample = WINDOW_NONE,
	};

	(void)snprintf(p.comm, sizeof(p.comm), "%s", comm);
	CHECK_EQ(vec_push(&f->window->processes, p), 0);
	return (uint32_t)f->window->processes.cnt - 1;
}

static uint32_t fixture_stack(struct fixture *f, const struct window_frame *frames, uint32_t cnt)
{
	struct window_stack s = { .cnt = cnt, .user_end = CPROF_END_FP_ZERO, .complete = 1 };

	s.frames = arena_dup(&f->window->arena, frames, cnt * sizeof(*frames));
	CHECK_EQ(vec_push(&f->window->stacks, s), 0);
	return (uint32_t)f->window->stacks.cnt - 1;
}

static void fixture_sample(struct fixture *f, uint32_t process, uint32_t stack, uint64_t cnt)
{
	struct window_sample s = {
		.process = process,
		.stack = stack,
		.cnt = cnt,
		.weight_ns = cnt * 10000000,
		.next = WINDOW_NONE,
	};

	CHECK_EQ(vec_push(&f->window->samples, s), 0);
	window_chain(f->window, (uint32_t)f->window->samples.cnt - 1);
	f->window->processes.v[process].samples += cnt;
	f->window->processes.v[process].weight_ns += s.weight_ns;
}

#define FIXTURE_ALL UINT32_MAX

static void fixture_encode(struct fixture *f, uint32_t process)
{
	f->file.cnt = 0;
	f->opts.processes = process == FIXTURE_ALL ? NULL : &process;
	f->opts.processes_cnt = 1;
	f->opts.labels = process == FIXTURE_ALL;
	CHECK_EQ(encode_profile(&f->opts, &f->result), 0);
	CHECK_EQ(f->result.bytes, f->file.cnt);
}
