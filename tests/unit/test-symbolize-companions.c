/* SPDX-License-Identifier: Apache-2.0 */

/* test-symbolize-companions — further files of debugging information, from a symbolizer that the test plays itself. */

#include <errno.h>

#include "symbolize-bench.h"

#define LATER (2 * SECOND)

/* Names what was asked for, @part of it; whether there are @wants. */
static void say_named(struct bench *b, bool part, bool wants)
{
	static uint8_t out[WIRE_MESSAGE_MAX] __attribute__((aligned(8)));
	const struct wire_names *ask = (const void *)b->buf;
	struct wire_named *m = (void *)out;
	struct wire_named_writer writer;

	*m = (struct wire_named){
		.head = { .size = sizeof(*m), .type = WIRE_NAMED, .id = ask->head.id },
		.object = ask->object,
		.status = WIRE_OBJECT_READY,
	};
	wire_named_writer_init(&writer, m, sizeof(out));
	for (uint32_t i = 0; i < ask->cnt; i++) {
		struct wire_line_view line = { .name = part ? "part" : "whole",
					       .name_len = part ? 4 : 5 };

		CHECK_EQ(wire_named_add(&writer, 0, &line, 1), 0);
		if (part)
			wire_named_part(&writer);
	}
	m->wants = wants;
	CHECK_EQ(seqpacket_send(b->symbolizer, m, m->head.size, -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_symbolizer(b->s, LATER), 0);
}

static int say_word(struct bench *b, uint64_t object, uint32_t number, uint32_t status)
{
	struct {
		struct wire_companion m;
		char texts[12];
	} word = { .m = { .head = { .size = sizeof(word.m), .type = WIRE_COMPANION, .id = object },
			  .status = status,
			  .want = { .number = number } },
		   .texts = "o/x.dwo/src" };

	if (status == WIRE_COMPANION_WANTED) {
		word.m.want.kind = WIRE_COMPANION_UNIT;
		word.m.want.name_len = 7;
		word.m.want.dir_len = 4;
		word.m.head.size += 11;
	}
	CHECK_EQ(seqpacket_send(b->symbolizer, &word, word.m.head.size, -EBADF), 0);
	return symbolize_dispatch_symbolizer(b->s, LATER);
}

static void say_opened_companion(struct bench *b, uint32_t object, uint32_t number, uint32_t status,
				 uint32_t place)
{
	const struct wire_companion_opened m = {
		.head = { .size = sizeof(m), .type = WIRE_COMPANION_OPENED, .id = object },
		.status = status,
		.place = place,
		.number = number,
	};

	CHECK_EQ(seqpacket_send(b->opener, &m, sizeof(m), -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_opener(b->s, LATER), 0);
}

/* The next question to the opener is for that one, from that place on. */
static void expect_open(struct bench *b, uint32_t object, uint32_t number, uint32_t from)
{
	const struct wire_open_companion *m = (const void *)b->buf;

	CHECK_EQ(next(b, b->opener), WIRE_OPEN_COMPANION);
	CHECK_EQ(m->head.id, object);
	CHECK_EQ(m->want.number, number);
	CHECK_EQ(m->from, from);
	CHECK_EQ(m->want.name_len, 7);
	CHECK(memcmp(m + 1, "o/x.dwo/src", 11) == 0);
}

static void expect_next(struct bench *b, uint32_t object)
{
	CHECK_EQ(next(b, b->symbolizer), WIRE_NEXT_COMPANION);
	CHECK_EQ(((struct wire_head *)b->buf)->id, object);
}

/* A file of which two places were named in part, and the symbolizer is asked what it wants. */
static uint32_t make_part(struct bench *b)
{
	uint32_t object;

	begin(b);
	object = make_ready(b, 100);
	add_stack(b, object, 2);
	CHECK_EQ(symbolize_window(b->v, SECOND), 0);
	CHECK_EQ(next(b, b->symbolizer), WIRE_NAMES);
	say_named(b, true, true);
	expect_next(b, object);
	CHECK(symbolize_pending(b->v) > 0);
	return object;
}

static bool is_called(struct bench *b, uint32_t object, uint64_t offset, const char *name)
{
	struct name got;

	return names_get(b->names, object, names_offset(offset, 0), &got) &&
	       strcmp(names_text(b->names, got.function), name) == 0;
}

TEST(what_was_named_in_part_is_asked_for_again)
{
	struct bench b;
	uint32_t object = make_part(&b);

	CHECK(is_called(&b, object, 0x1000, "part"));
	CHECK_EQ(say_word(&b, object, 5, WIRE_COMPANION_WANTED), 0);
	expect_open(&b, object, 5, 0);
	say_opened_companion(&b, object, 5, WIRE_OPENED_OK, 2);
	CHECK_EQ(say_word(&b, object, 5, WIRE_COMPANION_BEGUN), 0);
	CHECK_EQ(say_word(&b, object, 5, WIRE_COMPANION_OTHER), 0);
	expect_open(&b, object, 5, 3);
	/* The symbolizer may be faster than the opener's word. */
	CHECK_EQ(say_word(&b, object, 5, WIRE_COMPANION_OTHER), 0);
	CHECK_EQ(next(&b, b.opener), 0);
	say_opened_companion(&b, object, 5, WIRE_OPENED_OK, 3);
	expect_open(&b, object, 5, 4);
	CHECK_EQ(say_word(&b, object, 5, WIRE_COMPANION_TAKEN), 0);
	say_opened_companion(&b, object, 5, WIRE_OPENED_OK, 4);
	expect_next(&b, object);
	CHECK_EQ(say_word(&b, object, 0, WIRE_COMPANION_NONE), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(((struct wire_names *)b.buf)->cnt, 2);
	say_named(&b, false, false);
	CHECK(is_called(&b, object, 0x1000, "whole"));
	CHECK(is_called(&b, object, 0x1010, "whole"));
	CHECK_EQ(symbolize_pending(b.v), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	CHECK_EQ(b.counters.v[COUNTER_companions_read], 1);
	CHECK_EQ(b.counters.v[COUNTER_companions_missed], 0);
	end(&b);
}

TEST(what_is_not_there_is_missed_once)
{
	struct bench b;
	uint32_t object = make_part(&b);

	CHECK_EQ(say_word(&b, object, 5, WIRE_COMPANION_WANTED), 0);
	expect_open(&b, object, 5, 0);
	say_opened_companion(&b, object, 4, WIRE_OPENED_NONE, 0); /* another one */
	CHECK_EQ(next(&b, b.symbolizer), 0);
	say_opened_companion(&b, object, 5, WIRE_OPENED_NONE, 0);
	expect_next(&b, object);
	CHECK_EQ(b.counters.v[COUNTER_companions_missed], 1);
	CHECK_EQ(say_word(&b, object, 0, WIRE_COMPANION_NONE), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	CHECK(is_called(&b, object, 0x1000, "part"));
	end(&b);
}

/* A program says that it goes on in ever more files. */
TEST(one_object_has_so_many_a_minute)
{
	struct bench b;
	uint32_t object = make_part(&b), asked = 0;

	for (uint32_t i = 0; i < 2000; i++) {
		CHECK_EQ(say_word(&b, object, i, WIRE_COMPANION_WANTED), 0);
		if (next(&b, b.opener) != WIRE_OPEN_COMPANION)
			break;
		asked++;
		say_opened_companion(&b, object, i, WIRE_OPENED_NONE, 0);
		expect_next(&b, object);
	}
	CHECK_EQ(asked, 512);
	CHECK_EQ(b.counters.v[COUNTER_companions_limited], 1);
	CHECK_EQ(symbolize_pending(b.v), 0);
	end(&b);
}

/* Many that are there are taken so many at a time, and what they tell of is asked for meanwhile. */
TEST(they_come_in_batches)
{
	struct bench b;
	uint32_t object = make_part(&b), taken = 0;

	while (taken < 100) {
		CHECK_EQ(say_word(&b, object, taken, WIRE_COMPANION_WANTED), 0);
		expect_open(&b, object, taken, 0);
		say_opened_companion(&b, object, taken, WIRE_OPENED_OK, 0);
		CHECK_EQ(say_word(&b, object, taken, WIRE_COMPANION_TAKEN), 0);
		taken++;
		if (next(&b, b.symbolizer) == WIRE_NAMES)
			break;
	}
	CHECK_EQ(taken, 24);
	say_named(&b, true, true);
	expect_next(&b, object);
	end(&b);
}

TEST(roles_that_go_away)
{
	struct bench b;
	uint32_t object = make_part(&b);

	CHECK_EQ(say_word(&b, object, 5, WIRE_COMPANION_WANTED), 0);
	expect_open(&b, object, 5, 0);
	CHECK(symbolize_opener_is_stuck(b.s, 100 * SECOND, SECOND));
	give_opener(&b);
	CHECK_EQ(next(&b, b.opener), 0);
	CHECK_EQ(b.counters.v[COUNTER_companions_missed], 1);
	CHECK(!symbolize_opener_is_stuck(b.s, 100 * SECOND, SECOND));
	CHECK_EQ(say_word(&b, object, 5, WIRE_COMPANION_TAKEN), 0); /* nobody's */
	CHECK_EQ(next(&b, b.symbolizer), 0);
	end(&b);

	object = make_part(&b);
	CHECK(symbolize_is_stuck(b.s, 100 * SECOND, SECOND));
	CHECK_EQ(say_word(&b, object, 5, WIRE_COMPANION_WANTED), 0);
	expect_open(&b, object, 5, 0);
	CHECK_EQ(say_word(&b, object, 5, WIRE_COMPANION_BEGUN), 0);
	give_symbolizer(&b);
	/* It died of that object three times: then it is not opened any more. */
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	say_opened_companion(&b, object, 5, WIRE_OPENED_OK, 0);
	CHECK_EQ(say_word(&b, 4000, 5, WIRE_COMPANION_NONE), -EBADMSG);
	end(&b);
}

CHECK_MAIN
