/* SPDX-License-Identifier: Apache-2.0 */

/* test-symbolize-pages — which pages of large files a symbolizer, that the test plays itself, is asked for, and when. */

#include "symbolize-bench.h"

#define LARGE (50ull << 20)

static const struct wire_make_pages *asked(const struct bench *b)
{
	return (const void *)b->buf;
}

static const uint32_t *asked_pages(const struct bench *b)
{
	return (const uint32_t *)(asked(b) + 1);
}

static bool is_asked(struct bench *b, uint32_t object, uint32_t cnt)
{
	return next_any(b, b->symbolizer) == WIRE_MAKE_PAGES && asked(b)->head.id == object &&
	       asked(b)->cnt == cnt;
}

static void say_pages(struct bench *b, uint32_t object, uint64_t at_ns)
{
	b->lined = WIRE_LINED_PAGES;
	b->late_ns = at_ns;
	CHECK_EQ(say_block(b, object, WIRE_ROWS_OK, 3), 0);
}

static uint32_t announce_large(struct bench *b, uint64_t ino, uint32_t uid)
{
	return announce_sized(b, ino, LARGE, uid, SECOND);
}

/* It was opened, and the first question is there, for no page yet. */
static uint32_t announce_asked(struct bench *b, uint64_t ino, uint32_t uid)
{
	uint32_t object = announce_large(b, ino, uid);

	announced_ready(b, object);
	CHECK(is_asked(b, object, 0));
	return object;
}

/* That was answered. */
static uint32_t announce_paged(struct bench *b, uint64_t ino, uint32_t uid)
{
	uint32_t object = announce_asked(b, ino, uid);

	say_pages(b, object, SECOND);
	return object;
}

/* The opener is asked for it once more, and it comes. */
static void open_again(struct bench *b, uint32_t object)
{
	CHECK_EQ(next(b, b->opener), WIRE_OPEN);
	say_opened(b, object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(b, object, WIRE_OBJECT_READY), 0);
}

TEST(pages_that_were_met_go_with_the_first_question)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = announce_large(&b, 100, 0);
	symbolize_want_page(b.s, object, 7);
	symbolize_want_page(b.s, object, 3);
	symbolize_want_page(b.s, object, 7);
	symbolize_want_page(b.s, object, 5);
	announced_ready(&b, object);
	CHECK(is_asked(&b, object, 3));
	CHECK_EQ(asked_pages(&b)[0], 3);
	CHECK_EQ(asked_pages(&b)[1], 5);
	CHECK_EQ(asked_pages(&b)[2], 7);
	CHECK_EQ(b.counters.v[COUNTER_pages_asked], 3);
	say_pages(&b, object, SECOND);
	CHECK_EQ(b.rows_cnt, 1);
	CHECK(!symbolize_awaits_rows(b.s, object));
	end(&b);
}

TEST(further_pages_are_asked_for_together_after_a_pause)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = announce_asked(&b, 100, 0);
	/* On the way of the first one. */
	symbolize_want_page(b.s, object, 9);
	say_pages(&b, object, SECOND);
	CHECK(symbolize_awaits_rows(b.s, object));
	symbolize_want_page(b.s, object, 8);
	symbolize_tick(b.s, SECOND + 1000000);
	CHECK_EQ(next_any(&b, b.symbolizer), 0);
	symbolize_tick(b.s, SECOND + 60000000);
	CHECK(is_asked(&b, object, 2));
	CHECK_EQ(asked_pages(&b)[0], 8);
	CHECK(symbolize_awaits_rows(b.s, object));
	say_pages(&b, object, SECOND + 61000000);
	CHECK_EQ(b.rows_cnt, 2);
	CHECK(!symbolize_awaits_rows(b.s, object));
	symbolize_tick(b.s, 2 * SECOND);
	CHECK_EQ(next_any(&b, b.symbolizer), 0);
	end(&b);
}

TEST(small_files_and_those_that_came_whole_are_not_asked_so)
{
	struct bench b;
	uint32_t small, whole;

	begin(&b);
	small = announce(&b, 100, EXT4_SUPER_MAGIC, S_IFREG | 0755);
	symbolize_want_page(b.s, small, 1);
	announced_ready(&b, small);
	CHECK_EQ(next_any(&b, b.symbolizer), WIRE_MAKE_ROWS);
	CHECK_EQ(say_block(&b, small, WIRE_ROWS_OK, 3), 0);
	whole = announce_asked(&b, 101, 0);
	symbolize_want_page(b.s, whole, 1);
	CHECK_EQ(say_block(&b, whole, WIRE_ROWS_OK, 3), 0);
	symbolize_want_page(b.s, whole, 2);
	symbolize_tick(b.s, 3 * SECOND);
	CHECK_EQ(next_any(&b, b.symbolizer), 0);
	CHECK_EQ(b.counters.v[COUNTER_pages_asked], 0);
	end(&b);
}

/* So it is open until it was not met for long; then it is read again. */
TEST(a_file_is_held_for_its_pages)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = announce_asked(&b, 100, 0);
	symbolize_use(b.s, object, 5, 50);
	say_pages(&b, object, SECOND);
	CHECK_EQ(symbolize_window(b.v, 2 * SECOND), 0);
	CHECK_EQ(symbolize_window(b.v, 61 * SECOND), 0);
	CHECK_EQ(next_any(&b, b.symbolizer), 0);
	CHECK_EQ(symbolize_window(b.v, 65 * SECOND), 0);
	CHECK_EQ(next_any(&b, b.symbolizer), WIRE_RELEASE);
	CHECK_EQ(next_any(&b, b.opener), 0);
	symbolize_want_page(b.s, object, 8);
	symbolize_tick(b.s, 66 * SECOND);
	CHECK_EQ(b.forgotten, 1);
	open_again(&b, object);
	CHECK(is_asked(&b, object, 1));
	CHECK_EQ(asked_pages(&b)[0], 8);
	end(&b);
}

TEST(what_was_closed_meanwhile_is_read_again)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = announce_paged(&b, 100, 0);
	symbolize_want_page(b.s, object, 8);
	symbolize_tick(b.s, 2 * SECOND);
	CHECK(is_asked(&b, object, 1));
	b.lined = 0;
	symbolize_want_page(b.s, object, 9);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_GONE, -EBADF, 0), 0);
	symbolize_tick(b.s, 3 * SECOND);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	end(&b);
}

TEST(another_symbolizer_is_asked_for_what_was_wanted)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = announce_paged(&b, 100, 0);
	symbolize_want_page(b.s, object, 8);
	give_symbolizer(&b);
	open_again(&b, object);
	CHECK(is_asked(&b, object, 1));
	end(&b);
}

/* No more than a question holds are kept; a user pays for each question, and root's go on. */
TEST(who_asks_for_much_waits)
{
	struct bench b;
	uint32_t object, of_root;
	unsigned int cnt = 0;

	begin(&b);
	object = announce_paged(&b, 100, 1000);
	for (uint32_t i = 0; i < WIRE_PAGES_MAX + 3; i++)
		symbolize_want_page(b.s, object, i);
	CHECK_EQ(b.counters.v[COUNTER_pages_put_off], 3);
	symbolize_tick(b.s, 2 * SECOND);
	CHECK(is_asked(&b, object, WIRE_PAGES_MAX));
	for (uint64_t at = 2 * SECOND; at < 3 * SECOND; at += 1000000) {
		say_pages(&b, object, at);
		symbolize_want_page(b.s, object, (uint32_t)(at / 1000000));
		symbolize_tick(b.s, at);
		cnt += next_any(&b, b.symbolizer) == WIRE_MAKE_PAGES;
	}
	CHECK(cnt >= 15 && cnt <= 20);
	of_root = announce_large(&b, 101, 0);
	announced_ready(&b, of_root);
	while (next_any(&b, b.symbolizer) != 0)
		;
	end(&b);
}

TEST(pages_of_a_forgotten_file_go_with_it)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = announce_paged(&b, 100, 0);
	symbolize_want_page(b.s, object, 8);
	CHECK(symbolize_forget(b.s, object));
	objects_forget(b.objects, object);
	symbolize_want_page(b.s, object, 8);
	CHECK_EQ(next_any(&b, b.symbolizer), WIRE_FORGET);
	symbolize_tick(b.s, 5 * SECOND);
	CHECK_EQ(next_any(&b, b.symbolizer), 0);
	end(&b);
}

CHECK_MAIN
