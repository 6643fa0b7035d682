/* SPDX-License-Identifier: Apache-2.0 */

/* case-file — see its header. Samples and rows come before the first stack, so they are held, and stacks are not. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "case-file.h"
#include "cprof/base/arena.h"
#include "cprof/base/fd.h"
#include "cprof/base/map.h"
#include "cprof/base/vec.h"
#include "cprof/decode.h"
#include "cprof/replay.h"

struct case_file {
	int fd;
	case_fn fn;
	void *ctx;
	VEC(struct case_object) objects; /* by id */
	VEC(struct case_sample) samples;
	struct map index; /* samples by cpu and seq */
	struct arena arena;
};

const struct case_object *case_object(const struct case_file *f, uint32_t id)
{
	return id < f->objects.cnt ? &f->objects.v[id] : NULL;
}

uint32_t case_objects_cnt(const struct case_file *f)
{
	return (uint32_t)f->objects.cnt;
}

const char *case_end_name(unsigned int end)
{
	static const char *const names[CPROF_END_MAX] = {
		"none",
#define CPROF_END(name, value, complete, prose) [value] = #name,
#include "cprof/stack_ends.def"
	};

	return end < CPROF_END_MAX && names[end] ? names[end] : "?";
}

const struct cprof_kept_map *case_map(const struct case_stack *s, uint64_t addr)
{
	for (uint32_t i = 0; i < s->kept->maps_cnt; i++)
		if (addr >= s->maps[i].start && addr < s->maps[i].end)
			return &s->maps[i];
	return NULL;
}

static int take_object(struct case_file *f, const struct replay_object *e)
{
	const char *path = (const char *)((const struct object_segment *)(e + 1) + e->segments_cnt);
	struct case_object *o;
	int r = 0;

	while (r == 0 && f->objects.cnt <= e->id)
		r = vec_push(&f->objects, (struct case_object){ 0 });
	if (r < 0)
		return r;
	o = &f->objects.v[e->id];
	free(o->path);
	o->path = strndup(path, e->path_len);
	o->build_id_sz = e->build_id_sz;
	memcpy(o->build_id, e->build_id, e->build_id_sz);
	return o->path ? 0 : -ENOMEM;
}

static uint64_t sample_hash(uint16_t cpu, uint64_t seq)
{
	const uint64_t key[2] = { cpu, seq };

	return hash_bytes(key, sizeof(key), 0);
}

static bool is_sample(uint32_t value, const void *key, const void *ctx)
{
	const struct case_sample *s = &((const struct case_file *)ctx)->samples.v[value];
	const struct cprof_kept *k = key;

	return s->cpu == k->cpu && s->seq == k->seq;
}

static int take_sample(struct case_file *f, const struct cprof_head *head)
{
	const struct cprof_sample *h;
	struct case_sample s;
	struct record rec;
	int r = decode_record(head, head->size, &rec);

	if (r < 0 || rec.type != CPROF_RECORD_SAMPLE)
		return -EBADMSG;
	h = rec.sample.head;
	s = (struct case_sample){
		.seq = h->seq,
		.start_ns = h->start_ns,
		.pid = h->pid,
		.exec = h->exec,
		.cpu = h->cpu,
		.user_cnt = h->user_cnt,
		.user_end = h->user_end,
		.user = arena_dup(&f->arena, rec.sample.user, h->user_cnt * sizeof(*s.user)),
	};
	memcpy(s.comm, h->process_comm, sizeof(s.comm) - 1);
	if (!s.user && s.user_cnt > 0)
		return -ENOMEM;
	r = map_add(&f->index, sample_hash(s.cpu, s.seq), (uint32_t)f->samples.cnt);
	return r < 0 ? r : vec_push(&f->samples, s);
}

static int take_rows(struct case_file *f, const struct replay_rows *e)
{
	struct case_object *o;

	if (e->object >= f->objects.cnt)
		return -EBADMSG;
	o = &f->objects.v[e->object];
	if (e->at == 0) {
		free(o->bytes);
		o->bytes = malloc(e->total_sz);
	}
	if (!o->bytes)
		return -ENOMEM;
	memcpy(o->bytes + e->at, e + 1, e->bytes_sz);
	if (e->at + e->bytes_sz < e->total_sz)
		return 0;
	o->has_rows = true;
	return rows_check(o->bytes, e->total_sz, &o->rows);
}

static int take_kept(struct case_file *f, const struct cprof_head *head)
{
	struct case_stack s = { 0 };
	struct record rec;
	uint32_t i;
	int r = decode_record(head, head->size, &rec);

	if (r < 0 || rec.type != CPROF_RECORD_KEPT)
		return -EBADMSG;
	s.kept = rec.kept.head;
	s.maps = rec.kept.maps;
	s.memory = rec.kept.stack;
	if (map_find(&f->index, sample_hash(s.kept->cpu, s.kept->seq), s.kept, is_sample, f, &i))
		s.sample = &f->samples.v[i];
	f->fn(f, &s, f->ctx);
	return 0;
}

static int on_entry(enum replay_type type, const void *entry, void *ctx)
{
	switch (type) {
	case REPLAY_OBJECT:
		return take_object(ctx, entry);
	case REPLAY_RECORDS:
		return take_sample(ctx, entry);
	case REPLAY_ROWS:
		return take_rows(ctx, entry);
	case REPLAY_KEPT:
		return take_kept(ctx, entry);
	default:
		return 0;
	}
}

static ssize_t on_read(void *dst, size_t sz, void *ctx)
{
	return fd_read_upto(((const struct case_file *)ctx)->fd, dst, sz);
}

static void case_file_done(struct case_file *f)
{
	for (size_t i = 0; i < f->objects.cnt; i++) {
		free(f->objects.v[i].path);
		free(f->objects.v[i].bytes);
	}
	vec_done(&f->objects);
	vec_done(&f->samples);
	map_done(&f->index);
	arena_done(&f->arena);
	f->fd = fd_close(f->fd);
}

int case_file_read(const char *path, case_fn fn, void *ctx)
{
	_cleanup_(case_file_done) struct case_file f = { .fn = fn, .ctx = ctx };
	const struct replay_reader_opts opts = { on_read, on_entry, &f };
	struct replay_fault fault = { .text = "it cannot be opened" };
	int r;

	f.fd = open(path, O_RDONLY | O_CLOEXEC);
	r = f.fd < 0 ? -errno : replay_read(&opts, &fault);
	if (r < 0)
		fprintf(stderr, "%s: %s: %s (at byte %llu)\n", path, fault.text, strerror(-r),
			(unsigned long long)fault.offset);
	return r;
}
