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

static void cut_anywhere(size_t rows_sz)
{
	struct bytes file = { 0 };
	struct world w;
	size_t cnt;

	record_memory(&w, &file, rows_sz);
	cnt = file.v.cnt;
	for (file.v.cnt = 0; file.v.cnt < cnt; file.v.cnt++)
		check_refused(&file, -EBADMSG);
	CHECK_EQ(bytes_write("\0\0\0\0\0\0\0", 8, &file), 0);
	check_refused(&file, -EBADMSG);
	world_done(&w);
	vec_done(&file.v);
}

TEST(cut_anywhere)
{
	cut_anywhere(0);
	cut_anywhere(100);
}

static void damaged_anywhere(size_t rows_sz)
{
	struct bytes file = { 0 };
	struct world w;

	record_memory(&w, &file, rows_sz);
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

TEST(damaged_anywhere)
{
	damaged_anywhere(0);
	damaged_anywhere(100);
}

/* What came of memory. */
struct remembering {
	struct reading rd;
	uint32_t object;
	size_t rows, blocks, kept;
};

static void take_piece(struct remembering *rm, const struct replay_rows *e)
{
	const uint8_t *bytes = (const void *)(e + 1);

	if (e->at == 0)
		rm->blocks++;
	rm->object = e->object;
	rm->rows = e->at + e->bytes_sz;
	for (uint32_t i = 0; i < e->bytes_sz; i++)
		CHECK_EQ(bytes[i], fixture_row(e->at + i));
}

static void take_kept(struct remembering *rm, const struct cprof_head *head)
{
	struct record rec;

	CHECK_EQ(decode_record(head, head->size, &rec), 0);
	CHECK_EQ(rec.type, CPROF_RECORD_KEPT);
	CHECK_EQ(rec.kept.head->seq, fixture_kept.seq);
	CHECK(rec.kept.head->regs[7] == fixture_kept.regs[7]);
	CHECK(memcmp(rec.kept.stack, fixture_stack, sizeof(fixture_stack)) == 0);
	CHECK_EQ(rec.kept.maps[0].object, rm->object);
	CHECK(rec.kept.maps[0].start == fixture_maps[0].start);
	CHECK_EQ(rec.kept.maps[1].object, CPROF_OBJECT_ANON);
	rm->kept++;
}

static int remember(enum replay_type type, const void *entry, void *ctx)
{
	if (type == REPLAY_ROWS)
		take_piece(ctx, entry);
	if (type == REPLAY_KEPT)
		take_kept(ctx, entry);
	return 0;
}

static void check_memory(size_t rows_sz)
{
	struct bytes file = { 0 };
	struct remembering rm = { .rd = { .file = &file } };
	const struct replay_reader_opts opts = { reading_read, remember, &rm };
	struct replay_fault fault;
	struct world w;

	record_memory(&w, &file, rows_sz);
	CHECK_EQ(replay_read(&opts, &fault), 0);
	CHECK_EQ(rm.blocks, 2);
	CHECK_EQ(rm.rows, rows_sz);
	CHECK_EQ(rm.object, CPROF_OBJECT_FIRST + 1); /* only what was met is numbered */
	CHECK_EQ(rm.kept, 1);
	world_done(&w);
	vec_done(&file.v);
}

TEST(memory)
{
	check_memory(1);
	check_memory(100);
	check_memory(REPLAY_CHUNK_MAX);
	check_memory(5 * REPLAY_CHUNK_MAX / 2);
}

/* The first entry of that type, in a chunk whose check is mended by mend(). */
static void *find_entry(struct bytes *file, uint32_t type, struct replay_chunk **ret)
{
	size_t at = sizeof(struct replay_head);

	for (;;) {
		struct replay_chunk *c = (void *)(file->v.v + at);

		CHECK(at < file->v.cnt);
		at += sizeof(*c) + c->size;
		*ret = c;
		if (c->type == type)
			return c + 1;
	}
}

static void check_lie(struct bytes *file, struct replay_chunk *c, uint32_t *field, uint32_t lie)
{
	const uint32_t truth = *field;

	*field = lie;
	c->check = replay_check(c, c + 1);
	check_refused(file, -EBADMSG);
	*field = truth;
	c->check = replay_check(c, c + 1);
}

TEST(lies_of_memory)
{
	struct bytes file = { 0 };
	struct replay_head *head;
	struct replay_rows *rows;
	struct replay_chunk *c;
	struct cprof_kept *kept;
	struct world w;

	record_memory(&w, &file, 100);
	rows = find_entry(&file, REPLAY_ROWS, &c);
	check_lie(&file, c, &rows->object, CPROF_OBJECT_FIRST + 3);
	check_lie(&file, c, &rows->at, 1);
	check_lie(&file, c, &rows->total_sz, 42); /* a block that is not whole */
	check_lie(&file, c, &rows->total_sz, 40);
	check_lie(&file, c, &rows->total_sz, REPLAY_ROWS_MAX + 1);
	check_lie(&file, c, &rows->bytes_sz, 0);
	check_lie(&file, c, &rows->bytes_sz, 48);
	check_lie(&file, c, &rows->pad, 1);
	kept = find_entry(&file, REPLAY_KEPT, &c);
	check_lie(&file, c, &((struct cprof_kept_map *)(void *)(kept + 1))->object,
		  CPROF_OBJECT_FIRST + 3);
	kept->maps_cnt = UINT16_MAX;
	c->check = replay_check(c, c + 1);
	check_refused(&file, -EBADMSG);
	kept->maps_cnt = fixture_kept.maps_cnt;
	kept->keys_cnt = 1;
	c->check = replay_check(c, c + 1);
	check_refused(&file, -EBADMSG);
	kept->keys_cnt = 0;
	/* Its kind of file says so at the beginning. */
	head = (void *)file.v.v;
	head->version = REPLAY_VERSION;
	check_refused(&file, -EBADMSG);
	world_done(&w);
	vec_done(&file.v);
}

/* Without memory nothing is as if there were none: the version that all before know. */
TEST(version_without_memory)
{
	const struct replay_head *head;
	struct bytes file = { 0 };
	struct world w;

	record(&w, &file);
	head = (const void *)file.v.v;
	CHECK_EQ(head->version, REPLAY_VERSION);
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
