/* SPDX-License-Identifier: Apache-2.0 */

/* locate: order of frames, ids, keys, references to nothing, memory that runs out. */

#include "check.h"
#include "fail.h"
#include "sample.h"

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/locate.h"

static struct record record_of(const struct cprof_sample *head, const struct sample_body *b)
{
	struct record rec = { .type = CPROF_RECORD_SAMPLE };

	rec.sample.head = head;
	rec.sample.kernel = b->kernel;
	rec.sample.user = b->user;
	rec.sample.keys = b->keys;
	return rec;
}

static void check_frame(const struct window_frame *f, uint64_t offset, uint32_t object,
			uint32_t flags)
{
	CHECK_EQ(f->offset, offset);
	CHECK_EQ(f->object, object);
	CHECK_EQ(f->flags, flags);
}

TEST(kernel_first_then_user)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	const __u64 kernel[] = { 0xffffffff81000010, 0xffffffff81000020 };
	const struct cprof_frame user[] = {
		{ .offset = 0x10, .object = CPROF_OBJECT_VDSO, .flags = CPROF_FRAME_EXACT },
		{ .offset = 0x20, .object = CPROF_OBJECT_ANON },
		{ .offset = 0x30, .object = CPROF_OBJECT_NONE },
	};
	const struct cprof_sample head = { .kernel_cnt = 2, .user_cnt = 3 };
	const struct record rec =
		record_of(&head, &(struct sample_body){ .kernel = kernel, .user = user });
	struct window_frame f[5];

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(locate_stack(t, &rec, f), 5);
	check_frame(&f[0], kernel[0], CPROF_OBJECT_KERNEL, CPROF_FRAME_EXACT);
	check_frame(&f[1], kernel[1], CPROF_OBJECT_KERNEL, 0);
	check_frame(&f[2], 0x10, CPROF_OBJECT_VDSO, CPROF_FRAME_EXACT);
	check_frame(&f[3], 0x20, CPROF_OBJECT_ANON, 0);
	check_frame(&f[4], 0x30, CPROF_OBJECT_NONE, 0);
}

TEST(ids_and_keys)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	const struct cprof_key keys[] = { { .ino = 7 }, { .ino = 8 }, { .ino = 9 } };
	const struct cprof_frame user[] = {
		{ .offset = 1, .object = CPROF_OBJECT_KEY + 1 },
		{ .offset = 2, .object = CPROF_OBJECT_FIRST },
		{ .offset = 3, .object = CPROF_OBJECT_KEY + 0 },
		{ .offset = 4, .object = CPROF_OBJECT_KEY + 1 },
		/* References to nothing. */
		{ .offset = 5, .object = CPROF_OBJECT_FIRST + 50 },
		{ .offset = 6, .object = CPROF_OBJECT_ANON + 1 },
		{ .offset = 7, .object = CPROF_OBJECT_FIRST - 1 },
		{ .offset = 8, .object = CPROF_OBJECT_KEY - 1 },
	};
	const struct cprof_sample head = { .user_cnt = 8, .keys_cnt = 3 };
	const struct record rec =
		record_of(&head, &(struct sample_body){ .user = user, .keys = keys });
	struct window_frame f[8];
	uint32_t known;

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(objects_intern(t, &keys[0], &known), 0);
	CHECK_EQ(known, CPROF_OBJECT_FIRST);
	for (int round = 0; round < 2; round++) {
		CHECK_EQ(locate_stack(t, &rec, f), 8);
		check_frame(&f[0], 1, CPROF_OBJECT_FIRST + 1, 0);
		check_frame(&f[1], 2, known, 0);
		check_frame(&f[2], 3, known, 0);
		check_frame(&f[3], 4, CPROF_OBJECT_FIRST + 1, 0);
		for (int i = 4; i < 8; i++)
			check_frame(&f[i], (uint64_t)i + 1, CPROF_OBJECT_NONE, 0);
	}
	/* A key that no frame refers to is not entered. */
	CHECK_EQ(objects_cnt(t), CPROF_OBJECT_FIRST + 2);
	CHECK_EQ(objects_get(t, CPROF_OBJECT_FIRST + 1)->key.ino, 8);
}

/* A record in the ring may name what was forgotten since: no other file takes its place. */
TEST(forgotten_ids_lead_nowhere)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	const struct cprof_key keys[] = { { .ino = 7 }, { .ino = 8 } };
	const struct cprof_frame user[] = { { .offset = 1, .object = CPROF_OBJECT_FIRST },
					    { .offset = 2, .object = CPROF_OBJECT_FIRST + 1 } };
	const struct cprof_sample head = { .user_cnt = 2, .time_ns = 500 };
	const struct record rec = record_of(&head, &(struct sample_body){ .user = user });
	struct window_frame f[2];
	uint32_t idx;

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(objects_intern(t, &keys[0], &idx), 0);
	objects_forget(t, idx);
	CHECK_EQ(objects_intern(t, &keys[1], &idx), 0);
	CHECK_EQ(locate_stack(t, &rec, f), 2);
	check_frame(&f[0], 1, CPROF_OBJECT_NONE, 0);
	check_frame(&f[1], 2, idx, 0);
	CHECK_EQ(objects_get(t, idx)->used_ns, 500);
}

TEST(executable)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	const struct cprof_key keys[] = { { .ino = 7 }, { .ino = 8 } };
	struct cprof_sample head = { .keys_cnt = 2 };
	const struct record rec = record_of(&head, &(struct sample_body){ .keys = keys });
	static const struct {
		__u32 exe;
		uint32_t idx;
	} cases[] = {
		{ CPROF_OBJECT_NONE, CPROF_OBJECT_NONE },
		{ CPROF_OBJECT_FIRST, CPROF_OBJECT_NONE }, /* not there yet */
		{ CPROF_OBJECT_KEY + 1, CPROF_OBJECT_FIRST },
		{ CPROF_OBJECT_FIRST, CPROF_OBJECT_FIRST },
		{ CPROF_OBJECT_KEY + 0, CPROF_OBJECT_FIRST + 1 },
		{ CPROF_OBJECT_KEY + 1, CPROF_OBJECT_FIRST },
	};

	CHECK_EQ(objects_new(1, &t), 0);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		uint32_t idx = 99;

		head.exe = cases[i].exe;
		CHECK_EQ(locate_exe(t, &rec, &idx), 0);
		CHECK_EQ(idx, cases[i].idx);
	}
}

TEST(empty_stack)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	const struct cprof_sample head = { 0 };
	const struct record rec = record_of(&head, &(struct sample_body){ 0 });

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(locate_stack(t, &rec, NULL), 0);
}

TEST(no_memory)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	struct cprof_key keys[CPROF_KEYS_MAX] = { 0 };
	struct cprof_frame user[CPROF_KEYS_MAX];
	const struct cprof_sample head = { .user_cnt = CPROF_KEYS_MAX,
					   .keys_cnt = CPROF_KEYS_MAX,
					   .exe = CPROF_OBJECT_KEY };
	const struct record rec =
		record_of(&head, &(struct sample_body){ .user = user, .keys = keys });
	struct window_frame f[CPROF_KEYS_MAX];
	uint32_t idx = 99;
	int failed = 0;

	for (uint32_t i = 0; i < CPROF_KEYS_MAX; i++) {
		keys[i].ino = i;
		user[i] = (struct cprof_frame){ .object = CPROF_OBJECT_KEY + i };
	}
	CHECK_EQ(objects_new(1, &t), 0);
	fail_at(0);
	CHECK_EQ(locate_exe(t, &rec, &idx), -ENOMEM);
	CHECK(!fail_over());
	CHECK_EQ(idx, 99);
	for (long n = 0;; n++) {
		int r;

		fail_at(n);
		r = locate_stack(t, &rec, f);
		if (fail_over()) {
			CHECK_EQ(r, CPROF_KEYS_MAX);
			break;
		}
		CHECK_EQ(r, -ENOMEM);
		failed++;
	}
	CHECK(failed > 0);
	/* What was entered before each failure is not entered twice. */
	CHECK_EQ(objects_cnt(t), CPROF_OBJECT_FIRST + CPROF_KEYS_MAX);
	for (uint32_t i = 0; i < CPROF_KEYS_MAX; i++)
		CHECK_EQ(objects_get(t, f[i].object)->key.ino, i);
}

TEST(run_time_code_is_its_process_s_own)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	const struct cprof_frame user[] = { { .offset = 0x7f00, .object = CPROF_OBJECT_ANON },
					    { .offset = 0x7f10, .object = CPROF_OBJECT_ANON } };
	struct cprof_sample head = { .user_cnt = 2, .pid = 5, .start_ns = 9, .exec = 1, .euid = 3 };
	const struct record rec = record_of(&head, &(struct sample_body){ .user = user });
	struct window_frame f[2], g[2];

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(locate_stack(t, &rec, f), 2);
	CHECK_EQ(f[0].object, f[1].object);
	CHECK_EQ(f[0].offset, 0x7f00);
	CHECK_EQ(objects_get(t, f[0].object)->kind, OBJECT_JIT);
	CHECK_EQ(objects_get(t, f[0].object)->jit.uid, 3);
	head.pid = 6;
	CHECK_EQ(locate_stack(t, &rec, g), 2);
	CHECK(g[0].object != f[0].object);
	head.pid = 0; /* nobody that we know */
	CHECK_EQ(locate_stack(t, &rec, g), 2);
	CHECK_EQ(g[0].object, CPROF_OBJECT_ANON);
}

CHECK_MAIN
