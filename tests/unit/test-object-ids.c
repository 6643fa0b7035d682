/* SPDX-License-Identifier: Apache-2.0 */

/* object, locate: no index is used twice, so one day there are none left. Here there are two (meson.build). */

#include "check.h"

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/locate.h"

TEST(ids_end)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	uint32_t idx = 0;

	CHECK_EQ(objects_new(1, &t), 0);
	for (__u64 ino = 1; ino <= 2; ino++) {
		const struct cprof_key key = { .ino = ino };

		CHECK_EQ(objects_intern(t, &key, &idx), 0);
		CHECK_EQ(idx, CPROF_OBJECT_FIRST + ino - 1);
	}
	CHECK_EQ(objects_intern(t, &(struct cprof_key){ .ino = 3 }, &idx), -ENOSPC);
	CHECK_EQ(objects_intern(t, &(struct cprof_key){ .ino = 1 }, &idx), 0);
	objects_forget(t, idx);
	CHECK_EQ(objects_intern(t, &(struct cprof_key){ .ino = 1 }, &idx), -ENOSPC);
	CHECK_EQ(objects_cnt(t), CPROF_OBJECT_FIRST + 1);
	CHECK_EQ(objects_overflow(t), 2);
}

TEST(the_frame_stays)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	const struct cprof_key keys[] = { { .ino = 1 }, { .ino = 2 }, { .ino = 3 } };
	const struct cprof_frame user[] = {
		{ .offset = 1, .object = CPROF_OBJECT_KEY },
		{ .offset = 2, .object = CPROF_OBJECT_KEY + 2 },
		{ .offset = 3, .object = CPROF_OBJECT_KEY + 1 },
	};
	const struct cprof_sample head = { .user_cnt = 3, .keys_cnt = 3 };
	const struct record rec = {
		.type = CPROF_RECORD_SAMPLE,
		.sample = { .head = &head, .user = user, .keys = keys },
	};
	struct window_frame f[3];

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(locate_stack(t, &rec, f), 3);
	CHECK_EQ(f[0].object, CPROF_OBJECT_FIRST);
	CHECK_EQ(f[1].object, CPROF_OBJECT_FIRST + 1);
	CHECK_EQ(f[2].object, CPROF_OBJECT_NONE);
	CHECK_EQ(f[2].offset, 3);
	CHECK_EQ(objects_overflow(t), 1);
}

CHECK_MAIN
