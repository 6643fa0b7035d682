/* SPDX-License-Identifier: Apache-2.0 */

/* object: fixed indexes, dense new ones, equality over every field of the key. */

#include "check.h"
#include "fail.h"

#include <errno.h>

#include "cprof/object.h"

TEST(fixed_ones)
{
	_cleanup_(objects_freep) struct objects *t = NULL;

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(objects_cnt(t), CPROF_OBJECT_FIRST);
	for (uint32_t i = 0; i < CPROF_OBJECT_FIRST; i++) {
		CHECK(objects_get(t, i));
		CHECK_EQ(objects_get(t, i)->state, OBJECT_SEEN);
		CHECK(!objects_get(t, i)->path);
	}
	CHECK(!objects_get(t, CPROF_OBJECT_FIRST));
	CHECK(!objects_get(t, UINT32_MAX));
	CHECK(!objects_get(t, CPROF_OBJECT_KEY));
}

/* A key of zeroes is a strange key, but not that of a fixed object. */
TEST(zero_key_is_a_key)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	const struct cprof_key zero = { 0 };
	uint32_t idx;

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(objects_intern(t, &zero, &idx), 0);
	CHECK_EQ(idx, CPROF_OBJECT_FIRST);
	CHECK_EQ(objects_intern(t, &zero, &idx), 0);
	CHECK_EQ(idx, CPROF_OBJECT_FIRST);
}

/* Flips each byte of a key: another object each time, found again under its own index. */
TEST(every_byte_of_the_key_counts)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	struct cprof_key key = { .sb = 1, .ino = 2, .size = 3, .dev = 4 };
	unsigned char *bytes = (unsigned char *)&key;
	uint32_t idx;

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(objects_intern(t, &key, &idx), 0);
	CHECK_EQ(idx, CPROF_OBJECT_FIRST);
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < sizeof(key); i++) {
			bytes[i] ^= 0x80;
			CHECK_EQ(objects_intern(t, &key, &idx), 0);
			CHECK_EQ(idx, CPROF_OBJECT_FIRST + 1 + i);
			CHECK(memcmp(&objects_get(t, idx)->key, &key, sizeof(key)) == 0);
			bytes[i] ^= 0x80;
		}
	CHECK_EQ(objects_cnt(t), CPROF_OBJECT_FIRST + 1 + sizeof(key));
}

TEST(facts_survive_growth)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	struct cprof_key key = { .sb = 1 };
	uint32_t first, idx;

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(objects_intern(t, &key, &first), 0);
	objects_get(t, first)->path = strdup("/usr/bin/true");
	objects_get(t, first)->state = OBJECT_READY;
	for (uint64_t i = 1; i < 3000; i++) {
		key.ino = i;
		CHECK_EQ(objects_intern(t, &key, &idx), 0);
		CHECK_EQ(idx, first + i);
	}
	CHECK_STR(objects_get(t, first)->path, "/usr/bin/true");
	CHECK_EQ(objects_get(t, first)->state, OBJECT_READY);
	CHECK(!objects_free(NULL));
}

TEST(no_memory)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	struct cprof_key key = { .sb = 1 };
	uint32_t failed = 0;

	for (long n = 0;; n++) {
		int r;

		fail_at(n);
		r = objects_new(1, &t);
		if (fail_over()) {
			CHECK_EQ(r, 0);
			break;
		}
		CHECK_EQ(r, -ENOMEM);
		CHECK(!t);
	}
	for (uint64_t i = 0; i < 300; i++) {
		uint32_t idx = 0;

		key.ino = i;
		for (long n = 0;; n++) {
			int r;

			fail_at(n);
			r = objects_intern(t, &key, &idx);
			if (fail_over()) {
				CHECK_EQ(r, 0);
				break;
			}
			CHECK_EQ(r, -ENOMEM);
			CHECK_EQ(idx, 0);
			CHECK_EQ(objects_cnt(t), CPROF_OBJECT_FIRST + i);
			failed++;
		}
		CHECK_EQ(idx, CPROF_OBJECT_FIRST + i);
	}
	CHECK(failed > 5);
}

CHECK_MAIN
