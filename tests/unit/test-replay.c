/* SPDX-License-Identifier: Apache-2.0 */

/*
 * replay: a window goes to a file and back, and the profiles of both are the same bytes; the file
 * tells no address; cut or damaged anywhere, or of another version, it is refused with a reason.
 */

#include "replay-fixture.h"

#include <errno.h>

#include "cprof/encode.h"

static ssize_t bytes_read(void *dst, size_t sz, struct bytes *b)
{
	/* Never all that was asked for: a pipe does so too. */
	sz = MIN(MIN(sz, b->v.cnt - b->at), (size_t)100);
	memcpy(dst, b->v.v + b->at, sz);
	b->at += sz;
	return (ssize_t)sz;
}

struct reading {
	struct bytes *file;
	struct replay_tables tables; /* window NULL: nothing is restored */
	struct world *world;
	unsigned int records;
	bool ended;
};

static ssize_t reading_read(void *dst, size_t sz, void *ctx)
{
	return bytes_read(dst, sz, ((struct reading *)ctx)->file);
}

static int reading_entry(enum replay_type type, const void *entry, void *ctx)
{
	struct reading *rd = ctx;
	uint32_t process, stack;

	if (type == REPLAY_END) {
		rd->ended = true;
		CHECK_EQ(((const struct replay_end *)entry)->counters_cnt, COUNTER_MAX);
	}
	rd->records += type == REPLAY_RECORDS;
	if (!rd->world)
		return 0;
	if (type == REPLAY_RECORDS)
		feed(rd->world, entry, ((const struct cprof_head *)entry)->size, &process, &stack);
	return replay_restore(&rd->tables, type, entry);
}

static int read_bytes(struct reading *rd, struct replay_fault *fault)
{
	const struct replay_reader_opts opts = {
		.read = reading_read,
		.entry = reading_entry,
		.ctx = rd,
	};

	rd->file->at = 0;
	return replay_read(&opts, fault);
}

static void encode(const struct world *w, const uint32_t *process, struct bytes *profile)
{
	const struct encode_opts opts = {
		.window = w->window,
		.objects = w->objects,
		.names = w->names,
		.cgroups = w->cgroups,
		.processes = process,
		.processes_cnt = 1,
		.labels = !process,
		.event = &event_table[0],
		.version = "0.1.0",
		.write = bytes_write,
		.ctx = profile,
	};
	struct encode_result res;

	CHECK_EQ(encode_profile(&opts, &res), 0);
	CHECK(res.samples > 0);
}

static void check_same_profile(const struct world *a, const struct world *b,
			       const uint32_t *process)
{
	struct bytes x = { 0 }, y = { 0 };

	encode(a, process, &x);
	encode(b, process, &y);
	CHECK_EQ(x.v.cnt, y.v.cnt);
	CHECK(memcmp(x.v.v, y.v.v, x.v.cnt) == 0);
	vec_done(&x.v);
	vec_done(&y.v);
}

TEST(same_profiles)
{
	struct world w, again;
	struct bytes file = { 0 };
	struct reading rd = { .file = &file, .world = &again };
	struct replay_fault fault;

	record(&w, &file);
	world_init(&again);
	rd.tables = (struct replay_tables){
		.objects = again.objects,
		.names = again.names,
		.cgroups = again.cgroups,
		.window = again.window,
	};
	CHECK_EQ(read_bytes(&rd, &fault), 0);
	CHECK(rd.ended);
	CHECK_EQ(rd.records, 3);
	CHECK_EQ(again.window->processes.cnt, 2);
	CHECK_EQ(again.window->processes.v[0].cpu_true_ns, 30000000);
	CHECK(again.window->processes.v[1].cpu_true_ns == UINT64_MAX);
	check_same_profile(&w, &again, NULL);
	check_same_profile(&w, &again, &(uint32_t){ 0 });
	check_same_profile(&w, &again, &(uint32_t){ 1 });
	world_done(&again);
	world_done(&w);
	vec_done(&file.v);
}

static bool holds(const struct bytes *b, const void *what, size_t sz)
{
	return memmem(b->v.v, b->v.cnt, what, sz);
}

TEST(no_address)
{
	const uint64_t secrets[] = { TEXT + 0x10, TEXT + 8, MODULE,  MODULE - 1, MODULE - 0x20,
				     DIRECT,	  JIT,	    JIT + 1, WILD,	 WILD - 1 };
	struct bytes file = { 0 };
	struct world w;

	record(&w, &file);
	for (size_t i = 0; i < ELEMENTSOF(secrets); i++) {
		CHECK(!holds(&file, &secrets[i], 6));
		/* Nor the half that KASLR or ASLR chose. */
		CHECK(!holds(&file, (const uint8_t *)&secrets[i] + 3, 3));
	}
	for (size_t i = 0; i + 8 <= file.v.cnt; i += 8) {
		uint64_t v;

		memcpy(&v, file.v.v + i, sizeof(v));
		/* A chunk's check may be anything; those of this file are not so large. */
		CHECK(v < 0xffff800000000000ULL);
	}
	CHECK(!holds(&file, "secret", 6));
	CHECK(holds(&file, "/usr/bin/tool", 13));
	world_done(&w);
	vec_done(&file.v);
}

/* Refused, with a reason and a place within the file. */
static void check_refused(struct bytes *file, int error)
{
	struct reading rd = { .file = file };
	struct replay_fault fault;

	CHECK_EQ(read_bytes(&rd, &fault), error);
	CHECK(fault.text[0]);
	CHECK(fault.offset <= file->v.cnt);
}

TEST(cut_anywhere)
{
	struct bytes file = { 0 };
	struct world w;
	size_t cnt;

	record(&w, &file);
	cnt = file.v.cnt;
	for (file.v.cnt = 0; file.v.cnt < cnt; file.v.cnt++)
		check_refused(&file, -EBADMSG);
	CHECK_EQ(bytes_write("\0\0\0\0\0\0\0", 8, &file), 0);
	check_refused(&file, -EBADMSG);
	world_done(&w);
	vec_done(&file.v);
}

TEST(damaged_anywhere)
{
	struct bytes file = { 0 };
	struct world w;

	record(&w, &file);
	for (size_t i = 0; i < file.v.cnt; i++) {
		/* Version, byte order and records' version are told apart from damage. */
		const bool version = i >= 8 && i < 20;

		file.v.v[i] ^= 0x41;
		check_refused(&file, version ? -EPROTONOSUPPORT : -EBADMSG);
		file.v.v[i] ^= 0x41;
	}
	world_done(&w);
	vec_done(&file.v);
}

/* An error of the one who takes the entries ends the reading; it learns where. */
static int refuse(enum replay_type type, const void *entry, void *ctx)
{
	return type == REPLAY_RECORDS ? -ENOMEM : 0;
}

TEST(refusal)
{
	struct bytes file = { 0 };
	struct reading rd = { .file = &file };
	const struct replay_reader_opts opts = { reading_read, refuse, &rd };
	struct replay_fault fault;
	struct world w;

	record(&w, &file);
	CHECK_EQ(replay_read(&opts, &fault), -ENOMEM);
	CHECK(fault.offset > sizeof(struct replay_head) && fault.offset < file.v.cnt);
	world_done(&w);
	vec_done(&file.v);
}

/* As many as a sampler knows: those that live, and those that were removed. */
TEST(many_groups)
{
	const uint64_t most = CGROUPS_MAX + 2 * CGROUPS_REMOVED_KEPT;
	_cleanup_(cgroups_freep) struct cgroups *groups = NULL;
	struct replay_tables tables = { 0 };
	char path[CGROUPS_PATH_SZ];
	struct {
		struct replay_group g;
		char path[16];
	} entry = { .g = { .size = sizeof(entry), .path_len = 4 } };

	CHECK_EQ(cgroups_new(1, &groups), 0);
	tables.cgroups = groups;
	memcpy(entry.path, "/a/b", 4);
	for (entry.g.id = 1; entry.g.id <= most + 1; entry.g.id++)
		CHECK_EQ(replay_restore(&tables, REPLAY_GROUP, &entry), 0);
	for (uint64_t id = 1; id <= most; id++)
		CHECK_EQ(cgroups_path(groups, 0, id, path), 0);
	CHECK_STR(path, "/a/b");
	CHECK_EQ(cgroups_path(groups, 0, most + 1, path), -ENOENT);
}

CHECK_MAIN
