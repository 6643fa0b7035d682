/* SPDX-License-Identifier: Apache-2.0 */

/* names: answers by place, "no name" as an answer, replacement, shared text. */

#include "check.h"
#include "fail.h"

#include <errno.h>

#include "cprof/names.h"

TEST(put_and_get)
{
	_cleanup_(names_freep) struct names *n = NULL;
	struct name got = { .start = 99 };
	uint32_t id, linkage;

	CHECK_EQ(names_new(1, &n), 0);
	CHECK(!names_get(n, 16, 0x1000, &got));
	CHECK_EQ(got.start, 99);
	CHECK_EQ(names_string(n, "foo(int)", 8, &id), 0);
	CHECK_EQ(names_string(n, "_Z3fooi", 7, &linkage), 0);
	CHECK_EQ(names_put(n, 16, 0x1000,
			   &(struct name){ .function = id, .linkage = linkage, .start = 0xff0 }),
		 0);
	CHECK(names_get(n, 16, 0x1000, &got));
	CHECK_STR(names_text(n, got.function), "foo(int)");
	CHECK_STR(names_text(n, got.linkage), "_Z3fooi");
	CHECK_EQ(got.start, 0xff0);

	/* Neither another offset, nor the same one of another object, nor both exchanged. */
	CHECK(!names_get(n, 16, 0x1001, &got));
	CHECK(!names_get(n, 17, 0x1000, &got));
	CHECK(!names_get(n, 0x1000, 16, &got));
}

TEST(no_name_is_an_answer)
{
	_cleanup_(names_freep) struct names *n = NULL;
	struct name got = { .function = 5 };

	CHECK_EQ(names_new(1, &n), 0);
	CHECK_EQ(names_put(n, 16, 1, &(struct name){ .start = 1 }), 0);
	CHECK(names_get(n, 16, 1, &got));
	CHECK_EQ(got.function, 0);
	CHECK_STR(names_text(n, got.function), "");
}

TEST(doubted_answers_stay_until_they_are_put_again)
{
	_cleanup_(names_freep) struct names *n = NULL;
	struct name got;
	uint32_t id;

	CHECK_EQ(names_new(1, &n), 0);
	CHECK_EQ(names_string(n, "f", 1, &id), 0);
	CHECK(!names_settled(n, 16, 1));
	for (uint64_t at = 1; at < 4; at++)
		CHECK_EQ(names_put(n, 16, at, &(struct name){ .function = id }), 0);
	CHECK_EQ(names_put(n, 17, 1, &(struct name){ .function = id }), 0);
	CHECK(names_settled(n, 16, 1));
	names_doubt(n, 16);
	CHECK(names_get(n, 16, 1, &got));
	CHECK_EQ(got.function, id);
	CHECK(!names_settled(n, 16, 1));
	CHECK(!names_use(n, 16, 1, 5));
	CHECK(names_use(n, 17, 1, 5));
	CHECK_EQ(names_put(n, 16, 2, &(struct name){ .function = id }), 0);
	CHECK(names_use(n, 16, 2, 5));
	CHECK(!names_use(n, 16, 1, 5));

	/* A doubt is not forgotten; what was not used is. */
	CHECK_EQ(names_sweep(n, 5, NULL, NULL), 0);
	CHECK_EQ(names_cnt(n), 3);
	CHECK(names_get(n, 16, 1, &got));
	CHECK(!names_settled(n, 16, 1));
	CHECK(names_settled(n, 16, 2));
	CHECK(names_settled(n, 17, 1));
}

static int add_offset(uint64_t offset, void *ctx)
{
	uint64_t *sum = ctx;

	*sum += offset;
	return offset == 7 ? -E2BIG : 0;
}

TEST(what_was_answered_in_part_is_doubted)
{
	_cleanup_(names_freep) struct names *n = NULL;
	uint64_t sum = 0;

	CHECK_EQ(names_new(1, &n), 0);
	CHECK_EQ(names_put(n, 16, 1, &(struct name){ .start = 1 }), 0);
	CHECK_EQ(names_put(n, 16, 2, &(struct name){ .part = true }), 0);
	CHECK_EQ(names_put(n, 17, 4, &(struct name){ .part = true }), 0);
	CHECK_EQ(names_doubt_part(n, 16, add_offset, &sum), 0);
	CHECK_EQ(sum, 2);
	CHECK(names_settled(n, 16, 1));
	CHECK(!names_settled(n, 16, 2));
	CHECK(names_settled(n, 17, 4));
	/* It is known to be a part after a sweep, too. */
	CHECK_EQ(names_sweep(n, 0, NULL, NULL), 0);
	CHECK_EQ(names_doubt_part(n, 17, add_offset, &sum), 0);
	CHECK_EQ(sum, 6);
	CHECK_EQ(names_put(n, 17, 7, &(struct name){ .part = true }), 0);
	CHECK_EQ(names_doubt_part(n, 17, add_offset, &sum), -E2BIG);
}

TEST(later_answer_replaces)
{
	_cleanup_(names_freep) struct names *n = NULL;
	struct name got;
	uint32_t id;

	CHECK_EQ(names_new(1, &n), 0);
	CHECK_EQ(names_put(n, 16, 1, &(struct name){ 0 }), 0);
	CHECK_EQ(names_string(n, "late", 4, &id), 0);
	CHECK_EQ(names_put(n, 16, 1, &(struct name){ .function = id }), 0);
	CHECK(names_get(n, 16, 1, &got));
	CHECK_EQ(got.function, id);
}

TEST(many)
{
	_cleanup_(names_freep) struct names *n = NULL;
	struct name got;
	uint32_t id;

	CHECK_EQ(names_new(1, &n), 0);
	CHECK_EQ(names_string(n, "shared", 6, &id), 0);
	for (uint32_t i = 0; i < 20000; i++)
		CHECK_EQ(names_put(n, i % 7, i * 16ULL << 20,
				   &(struct name){ .function = id, .start = i }),
			 0);
	for (uint32_t i = 0; i < 20000; i++) {
		CHECK(names_get(n, i % 7, i * 16ULL << 20, &got));
		CHECK_EQ(got.start, i);
	}
	CHECK(!names_free(NULL));
}

TEST(no_memory)
{
	_cleanup_(names_freep) struct names *n = NULL;
	struct name got;

	for (long k = 0;; k++) {
		int r;

		fail_at(k);
		r = names_new(1, &n);
		if (fail_over()) {
			CHECK_EQ(r, 0);
			break;
		}
		CHECK_EQ(r, -ENOMEM);
		CHECK(!n);
	}
	for (uint32_t i = 0; i < 200; i++) {
		char s[16];
		uint32_t id;

		snprintf(s, sizeof(s), "f%u", i);
		for (bool done = false; !done;) {
			fail_at(0);
			done = names_string(n, s, strlen(s), &id) == 0;
			CHECK_EQ(done, fail_over());
			if (!done)
				CHECK_EQ(names_string(n, s, strlen(s), &id), 0);
		}
		CHECK_EQ(id, i + 1);
		for (bool done = false; !done;) {
			fail_at(0);
			done = names_put(n, 16, i, &(struct name){ .function = id }) == 0;
			CHECK_EQ(done, fail_over());
			CHECK_EQ(names_get(n, 16, i, &got), done);
			if (!done)
				CHECK_EQ(names_put(n, 16, i, &(struct name){ .function = id }), 0);
		}
	}
	for (uint32_t i = 0; i < 200; i++) {
		CHECK(names_get(n, 16, i, &got));
		CHECK_EQ(got.function, i + 1);
	}
}

static bool keep_even(uint32_t object, size_t bytes, void *ctx)
{
	size_t *sum = ctx;

	*sum += object % 2 == 0 ? bytes : 0;
	return object % 2 == 0;
}

static void put_text(struct names *n, uint32_t object, uint64_t offset, const char *text)
{
	struct name name = { .start = offset };

	CHECK_EQ(names_string(n, text, strlen(text), &name.function), 0);
	CHECK_EQ(names_put(n, object, offset, &name), 0);
}

TEST(what_was_inlined_stays_with_its_place)
{
	_cleanup_(names_freep) struct names *n = NULL;
	struct name_line lines[NAME_INLINED_MAX] = { 0 };
	struct name name = { .start = 1, .line = 9, .inlined_cnt = NAME_INLINED_MAX }, got;
	const struct name_line *inlined;
	size_t before;

	CHECK_EQ(names_new(1, &n), 0);
	put_text(n, 16, 1, "other");
	CHECK_EQ(names_string(n, "dropped", 7, &lines[0].function), 0);
	for (uint32_t i = 0; i < ELEMENTSOF(lines); i++) {
		CHECK_EQ(names_string(n, i % 2 ? "odd" : "even", i % 2 ? 3 : 4, &lines[i].function),
			 0);
		CHECK_EQ(names_string(n, "/src/x.c", 8, &lines[i].file), 0);
		lines[i].line = i + 1;
	}
	CHECK_EQ(names_string(n, "outer", 5, &name.function), 0);
	before = names_bytes(n);
	CHECK_EQ(names_put_inlined(n, lines, name.inlined_cnt, &name.inlined), 0);
	CHECK(names_bytes(n) >= before + sizeof(lines));
	CHECK_EQ(names_put(n, 16, 2, &name), 0);
	CHECK(names_use(n, 16, 2, 100));
	CHECK_EQ(names_sweep(n, 100, NULL, NULL), 0);
	CHECK(!names_get(n, 16, 1, &got));
	CHECK(names_get(n, 16, 2, &got));
	CHECK_STR(names_text(n, got.function), "outer");
	CHECK(got.line == 9 && got.inlined_cnt == NAME_INLINED_MAX);
	inlined = names_inlined(n, &got);
	for (uint32_t i = 0; i < ELEMENTSOF(lines); i++) {
		CHECK_STR(names_text(n, inlined[i].function), i % 2 ? "odd" : "even");
		CHECK_STR(names_text(n, inlined[i].file), "/src/x.c");
		CHECK_EQ(inlined[i].line, i + 1);
	}
}

TEST(what_nobody_asks_for_is_forgotten_with_its_text)
{
	_cleanup_(names_freep) struct names *n = NULL;
	char text[2000];
	struct name got;
	size_t before, sum = 0;

	CHECK_EQ(names_new(1, &n), 0);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK(!names_use(n, 1, 1, 100));
	put_text(n, 16, 1, "shared");
	put_text(n, 16, 2, text);
	put_text(n, 17, 1, "odd");
	put_text(n, 18, 1, "shared");
	before = names_bytes(n);
	CHECK(names_use(n, 18, 1, 200));
	CHECK(names_use(n, 17, 1, 200));
	CHECK(names_use(n, 16, 1, 200));
	CHECK_EQ(names_sweep(n, 200, keep_even, &sum), 0);
	CHECK_EQ(names_cnt(n), 2);
	CHECK(sum > 2 * strlen("shared"));
	CHECK(names_bytes(n) + sizeof(text) < before);
	CHECK(!names_get(n, 16, 2, &got));
	CHECK(!names_get(n, 17, 1, &got));
	CHECK(names_get(n, 16, 1, &got));
	CHECK_EQ(got.start, 1);
	CHECK_STR(names_text(n, got.function), "shared");

	/* The time goes on where it was: what is put now is new. */
	put_text(n, 17, 1, "odd");
	CHECK_EQ(names_sweep(n, 200, NULL, NULL), 0);
	CHECK_EQ(names_cnt(n), 3);
	CHECK_EQ(names_sweep(n, 201, NULL, NULL), 0);
	CHECK_EQ(names_cnt(n), 0);
}

TEST(a_sweep_without_memory_changes_nothing)
{
	_cleanup_(names_freep) struct names *n = NULL;
	struct name got;
	int failed = 0;

	CHECK_EQ(names_new(1, &n), 0);
	for (uint32_t i = 0; i < 100; i++)
		put_text(n, i, i, i % 3 ? "a" : "b");
	for (long at = 0;; at++) {
		int r;

		fail_at(at);
		r = names_sweep(n, 0, NULL, NULL);
		if (fail_over()) {
			CHECK_EQ(r, 0);
			break;
		}
		CHECK_EQ(r, -ENOMEM);
		CHECK_EQ(names_cnt(n), 100);
		failed++;
	}
	CHECK(failed > 5);
	for (uint32_t i = 0; i < 100; i++) {
		CHECK(names_get(n, i, i, &got));
		CHECK_STR(names_text(n, got.function), i % 3 ? "a" : "b");
	}
}

CHECK_MAIN
