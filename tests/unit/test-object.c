/* SPDX-License-Identifier: Apache-2.0 */

/* object: fixed indexes, new ones that are never used twice, equality over every field of the key. */

#include "check.h"
#include "fail.h"

#include <errno.h>

#include "cprof/object_source.h"
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
	CHECK_EQ(objects_set_path(t, first, "/usr/bin/true/", 13), 0);
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

TEST(what_is_forgotten_is_nobody)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	struct cprof_key key = { .sb = 1 };
	uint32_t first, idx, slot;
	size_t empty;

	CHECK_EQ(objects_new(1, &t), 0);
	empty = objects_bytes(t);
	CHECK_EQ(objects_intern(t, &key, &first), 0);
	CHECK_EQ(objects_set_path(t, first, "/x", 2), 0);
	CHECK_EQ(objects_set_build_id(t, first, (const uint8_t *)"abc", 3), 0);
	CHECK(objects_bytes(t) > empty);
	slot = objects_slot(t, first);
	objects_forget(t, first);
	CHECK(!objects_get(t, first));
	CHECK_EQ(objects_slot(t, first), UINT32_MAX);
	CHECK(objects_knew(t, first));
	CHECK(!objects_knew(t, first + 1));
	CHECK_EQ(objects_bytes(t), empty);
	CHECK_EQ(objects_cnt(t), CPROF_OBJECT_FIRST);
	objects_forget(t, first);
	objects_forget(t, CPROF_OBJECT_KERNEL);
	CHECK(objects_get(t, CPROF_OBJECT_KERNEL));

	/* The same file comes back as another object, in the room of the first. */
	CHECK_EQ(objects_intern(t, &key, &idx), 0);
	CHECK_EQ(idx, first + 1);
	CHECK_EQ(objects_slot(t, idx), slot);
	CHECK(!objects_get(t, idx)->path);
	CHECK(!objects_get(t, first));
}

/* A million files, a hundred at a time: no id comes twice, nothing grows, the rest is as it was. */
TEST(many_come_and_go)
{
	enum { LIVE = 100, ROUNDS = 200000 };
	_cleanup_(objects_freep) struct objects *t = NULL;
	uint32_t last = 0, idx, found, met = 0;
	size_t pos = 0;

	CHECK_EQ(objects_new(1, &t), 0);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		struct cprof_key key = { .ino = i };

		CHECK_EQ(objects_intern(t, &key, &idx), 0);
		CHECK(idx > last);
		CHECK(objects_slot(t, idx) <= CPROF_OBJECT_FIRST + LIVE);
		last = idx;
		if (i < LIVE)
			continue;
		CHECK(objects_oldest(t, &idx));
		CHECK_EQ(idx, last - LIVE);
		objects_forget(t, idx);
		key.ino = i - LIVE / 2;
		CHECK_EQ(objects_intern(t, &key, &found), 0);
		CHECK_EQ(found, last - LIVE / 2);
		CHECK_EQ(objects_get(t, found)->key.ino, i - LIVE / 2);
	}
	CHECK_EQ(objects_cnt(t), CPROF_OBJECT_FIRST + LIVE);
	while (objects_next(t, &pos, &idx)) {
		CHECK(idx > last - LIVE && idx <= last);
		objects_forget(t, idx);
		met++;
	}
	CHECK_EQ(met, LIVE);
	CHECK_EQ(objects_cnt(t), CPROF_OBJECT_FIRST);
	CHECK(!objects_oldest(t, &idx));
}

TEST(used_ones_go_last)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	uint32_t ids[4], oldest;

	CHECK_EQ(objects_new(1, &t), 0);
	for (uint64_t i = 0; i < 4; i++) {
		const struct cprof_key key = { .ino = i };

		CHECK_EQ(objects_intern(t, &key, &ids[i]), 0);
	}
	CHECK(objects_use(t, ids[0], 50));
	CHECK(objects_use(t, ids[0], 40));
	CHECK_EQ(objects_get(t, ids[0])->used_ns, 50);
	objects_touch(t, ids[2]);
	objects_touch(t, ids[2]);
	CHECK_EQ(objects_get(t, ids[2])->used_ns, 0);
	CHECK(objects_use(t, CPROF_OBJECT_NONE, 1));
	CHECK(!objects_use(t, 12345, 1));
	for (int i = 0; i < 4; i++) {
		static const int order[] = { 1, 3, 0, 2 };

		CHECK(objects_oldest(t, &oldest));
		CHECK_EQ(oldest, ids[order[i]]);
		objects_forget(t, oldest);
	}
}

TEST(facts_have_limits)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	struct object_segment segments[OBJECT_SEGMENTS_MAX + 1] = { { .vaddr = 7 } };
	uint8_t id[OBJECT_BUILD_ID_MAX + 1] = { 0 };
	const struct cprof_key key = { .ino = 1 };
	uint32_t idx;

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(objects_set_path(t, 99, "/", 1), -ENOENT);
	CHECK_EQ(objects_intern(t, &key, &idx), 0);
	CHECK_EQ(objects_set_segments(t, idx, segments, OBJECT_SEGMENTS_MAX + 1), -E2BIG);
	CHECK_EQ(objects_set_build_id(t, idx, id, OBJECT_BUILD_ID_MAX + 1), -E2BIG);
	CHECK_EQ(objects_set_segments(t, idx, segments, OBJECT_SEGMENTS_MAX), 0);
	fail_at(0);
	CHECK_EQ(objects_set_segments(t, idx, segments, 1), -ENOMEM);
	CHECK(!fail_over());
	CHECK_EQ(objects_get(t, idx)->segments_cnt, OBJECT_SEGMENTS_MAX);
	CHECK_EQ(objects_get(t, idx)->segments[0].vaddr, 7);
	CHECK_EQ(objects_set_segments(t, idx, NULL, 0), 0);
	CHECK(!objects_get(t, idx)->segments);
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

TEST(run_time_code_is_of_one_generation_of_a_process)
{
	_cleanup_(objects_freep) struct objects *t = NULL;
	struct object_jit jit = { .start_ns = 100, .pid = 7, .exec = 1, .uid = 1000 };
	struct cprof_key like = { .ino = 100, .dev = 7, .generation = 1 };
	uint32_t first, idx;

	CHECK_EQ(objects_new(1, &t), 0);
	CHECK_EQ(objects_intern_jit(t, &jit, &first), 0);
	CHECK_EQ(objects_get(t, first)->kind, OBJECT_JIT);
	CHECK_EQ(objects_get(t, first)->jit.pid, 7);
	CHECK_EQ(objects_get(t, first)->owner, 1000);
	jit.uid = 5; /* it may change its user */
	CHECK_EQ(objects_intern_jit(t, &jit, &idx), 0);
	CHECK_EQ(idx, first);
	CHECK_EQ(objects_jits(t), 1);
	jit.exec = 2;
	CHECK_EQ(objects_intern_jit(t, &jit, &idx), 0);
	CHECK_EQ(objects_jits(t), 2);
	CHECK(idx != first);
	/* Keys of files hold a superblock's address, or 0. */
	CHECK_EQ(objects_intern(t, &like, &idx), 0);
	CHECK(idx != first);
	CHECK_EQ(objects_get(t, idx)->kind, OBJECT_FILE);
}

TEST(what_is_said_of_names)
{
	struct object o = { .state = OBJECT_READY };
	char words[OBJECT_WORDS_SZ];

	object_names_words(&o, words);
	CHECK_STR(words, "");
	CHECK(!object_why(&o)); /* nobody told: of a recording from before */
	o.sources = OBJECT_SOURCE_DYNSYM | OBJECT_SOURCE_PLT;
	object_names_words(&o, words);
	CHECK_STR(words, "dynsym,plt");
	CHECK_STR(object_why(&o), "stripped");
	o.no_debug = true;
	CHECK_STR(object_why(&o), "no_debug_file");
	o.sources |= OBJECT_SOURCE_DEBUG | OBJECT_SOURCE_LINES_DEBUG;
	CHECK(!object_why(&o));
	object_lines_words(&o, words);
	CHECK_STR(words, "debug_file");
	o.limited = true;
	CHECK_STR(object_why(&o), "too_large");
	o = (struct object){ .state = OBJECT_UNNAMED };
	CHECK_STR(object_why(&o), "no_symbols");
	o.state = OBJECT_GONE;
	CHECK_STR(object_why(&o), "gone");
	o.state = OBJECT_REFUSED;
	CHECK_STR(object_why(&o), "refused");
	o.kind = OBJECT_JIT;
	CHECK_STR(object_why(&o), "refused");
	o.state = OBJECT_GONE;
	CHECK_STR(object_why(&o), "no_map");
	o.sources = OBJECT_SOURCE_JITDUMP;
	CHECK(!object_why(&o));
	/* There is room for all of them. */
	o.sources = OBJECT_SOURCE_ALL;
	object_names_words(&o, words);
	CHECK_STR(words,
		  "symtab,debug_file,debugdata,gopclntab,dynsym,plt,kallsyms,perf_map,jitdump");
	object_lines_words(&o, words);
	CHECK_STR(words, "dwarf,debug_file,gopclntab");
}

CHECK_MAIN
