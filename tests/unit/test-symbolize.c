/* SPDX-License-Identifier: Apache-2.0 */

/*
 * test-symbolize — the sampler's side of naming against an opener and a symbolizer that the test
 * plays itself, honest and not: whatever they do, nothing waits for ever and nothing false is kept.
 */

#include "symbolize-bench.h"

TEST(a_file_is_opened_once_and_its_places_named_once)
{
	struct bench b;
	struct name name;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 100);
	CHECK_EQ(b.known, 1);
	CHECK_EQ(announce(&b, 100, EXT4_SUPER_MAGIC, S_IFREG), object);
	CHECK_EQ(next(&b, b.opener), 0);
	add_stack(&b, object, 3);
	add_stack(&b, object, 2);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(((struct wire_names *)b.buf)->cnt, 3);
	CHECK_EQ(symbolize_answers(b.s), 1); /* of the file */
	CHECK_EQ(answer(&b, 3), 0);
	CHECK_EQ(symbolize_answers(b.s), 2);
	CHECK_EQ(symbolize_pending(b.v), 0);
	CHECK(names_get(b.names, object, 0x100f, &name)); /* a return address: the byte before */
	CHECK_STR(names_text(b.names, name.function), "f100f");
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	end(&b);
}

TEST(what_is_not_a_local_regular_file_is_never_opened)
{
	static const struct {
		uint64_t magic;
		uint32_t mode;
	} refused[] = {
		{ FUSE_SUPER_MAGIC, S_IFREG }, { NFS_SUPER_MAGIC, S_IFREG },
		{ 0xdeadbeef, S_IFREG },       { EXT4_SUPER_MAGIC, S_IFIFO },
		{ EXT4_SUPER_MAGIC, S_IFCHR },
	};
	struct bench b;

	begin(&b);
	for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
		uint32_t object = announce(&b, 200 + i, refused[i].magic, refused[i].mode);

		CHECK_EQ(objects_get(b.objects, object)->state, OBJECT_REFUSED);
		CHECK_EQ(next(&b, b.opener), 0);
	}
	CHECK_EQ(b.counters.v[COUNTER_objects_refused], ELEMENTSOF(refused));
	CHECK_EQ(b.known, ELEMENTSOF(refused)); /* BPF need not announce them again */
	end(&b);
}

TEST(a_file_that_was_gone_is_asked_for_again_when_announced_again)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = announce(&b, 300, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	say_opened(&b, object, WIRE_OPENED_CHANGED);
	CHECK_EQ(b.counters.v[COUNTER_objects_changed], 1);
	CHECK_EQ(b.known, 0);
	wait_for(&b, object);
	CHECK_EQ(symbolize_pending(b.v), 0);
	/* Not at once, and after each failure later. */
	(void)announce_by(&b, 300, 0, SECOND);
	CHECK_EQ(next(&b, b.opener), 0);
	for (uint64_t i = 1; i < 30; i++) {
		(void)announce_by(&b, 300, 0, SECOND + (20 * SECOND / 1000 << MIN(i - 1, 8)));
		CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
		say_opened(&b, object, WIRE_OPENED_GONE);
	}
	end(&b);
}

TEST(a_dead_symbolizer_costs_nothing_that_its_successor_cannot_tell)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 400);
	add_stack(&b, object, 2);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	b.symbolizer = fd_close(b.symbolizer);
	CHECK_EQ(symbolize_dispatch_symbolizer(b.s, SECOND), -EPIPE);
	symbolize_set_symbolizer(b.s, -EBADF, SECOND);
	CHECK_EQ(b.forgotten, 1);
	give_symbolizer(&b);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN); /* for the new one */
	say_opened(&b, object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_READY), 0);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(answer(&b, 2), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	end(&b);
}

TEST(a_file_that_kills_symbolizers_is_given_to_three)
{
	struct bench b;
	uint32_t object, given = 0;

	begin(&b);
	object = announce(&b, 500, EXT4_SUPER_MAGIC, S_IFREG);
	while (given < 10 && next(&b, b.opener) == WIRE_OPEN) {
		given++;
		say_opened(&b, object, WIRE_OPENED_OK);
		symbolize_set_symbolizer(b.s, -EBADF, SECOND); /* it died of it */
		give_symbolizer(&b);
	}
	CHECK_EQ(given, 3);
	(void)announce(&b, 500, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK_EQ(objects_get(b.objects, object)->state, OBJECT_BAD);
	end(&b);
}

TEST(answers_in_pieces_are_asked_for_to_the_end)
{
	struct bench b;
	uint32_t object, asked = 0;

	begin(&b);
	object = make_ready(&b, 600);
	add_stack(&b, object, 2500);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	while (symbolize_pending(b.v) > 0 && asked < 100) {
		if (next(&b, b.symbolizer) == WIRE_NAMES) {
			uint32_t cnt = ((struct wire_names *)b.buf)->cnt;

			asked++;
			CHECK_EQ(answer(&b, cnt > 700 ? 700 : cnt), 0);
		}
	}
	CHECK_EQ(symbolize_pending(b.v), 0);
	for (uint32_t i = 0; i < 2500; i++) {
		struct name name;

		CHECK(names_get(b.names, object, 0x1000 + i * 16 - 1, &name));
	}
	end(&b);
}

TEST(lies_are_found_out)
{
	struct wire_named m = {
		.head = { .size = sizeof(m), .type = WIRE_NAMED, .id = 77 },
		.status = WIRE_OBJECT_READY,
	};
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 700);
	/* an answer that nobody asked for */
	CHECK_EQ(seqpacket_send(b.symbolizer, &m, sizeof(m), -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_symbolizer(b.s, SECOND), -EBADMSG);
	give_symbolizer(&b);
	/* a file that it was never given */
	CHECK_EQ(say_object(&b, 99999, WIRE_OBJECT_READY), -EBADMSG);
	give_symbolizer(&b);
	/* bytes that are no message */
	CHECK_EQ(seqpacket_send(b.symbolizer, "nonsense", 8, -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_symbolizer(b.s, SECOND), -EBADMSG);
	CHECK_EQ(b.counters.v[COUNTER_symbolizer_lied], 3);
	CHECK_EQ(symbolize_answers(b.s), 1);
	CHECK_EQ(objects_get(b.objects, object)->state != OBJECT_READY, 1);
	end(&b);
}

/* Two places of a file with names by the symbolizer that is there. */
static uint32_t make_named(struct bench *b, uint64_t ino)
{
	uint32_t object = make_ready(b, ino);

	add_stack(b, object, 2);
	CHECK_EQ(symbolize_window(b->v, SECOND), 0);
	CHECK_EQ(next(b, b->symbolizer), WIRE_NAMES);
	CHECK_EQ(answer(b, 2), 0);
	CHECK(names_settled(b->names, object, 0x1000 - 1));
	return object;
}

TEST(names_of_one_that_died_serve_until_the_next_one_has_answered)
{
	struct bench b;
	struct name name;
	uint32_t object;

	begin(&b);
	object = make_named(&b, 710);
	symbolize_set_symbolizer(b.s, -EBADF, SECOND);
	CHECK(names_get(b.names, object, 0x1000 - 1, &name));
	CHECK(!names_settled(b.names, object, 0x1000 - 1));
	give_symbolizer(&b);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	say_opened(&b, object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_READY), 0);
	symbolize_look_again(b.v);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(answer(&b, 2), 0);
	CHECK(names_settled(b.names, object, 0x1000 - 1));
	end(&b);
}

/* It named one file, and said of another that it is bad, and of a third that it has no names. */
TEST(nothing_of_one_that_was_caught_is_believed)
{
	static const int words[] = { WIRE_OBJECT_BAD, WIRE_OBJECT_UNNAMED, WIRE_OBJECT_LIMIT };
	uint32_t object, others[ELEMENTSOF(words)], opened = 0;
	struct bench b;
	struct name name;

	begin(&b);
	object = make_named(&b, 720);
	for (uint32_t i = 0; i < ELEMENTSOF(words); i++) {
		others[i] = announce(&b, 721 + i, EXT4_SUPER_MAGIC, S_IFREG);
		CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
		say_opened(&b, others[i], WIRE_OPENED_OK);
		CHECK_EQ(say_object(&b, others[i], words[i]), 0);
	}
	CHECK_EQ(seqpacket_send(b.symbolizer, "nonsense", 8, -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_symbolizer(b.s, SECOND), -EBADMSG);
	symbolize_disbelieve(b.s, SECOND);
	CHECK(!names_get(b.names, object, 0x1000 - 1, &name));
	CHECK_EQ(names_cnt(b.names), 0);
	for (uint32_t i = 0; i < ELEMENTSOF(words); i++)
		CHECK_EQ(objects_get(b.objects, others[i])->state, OBJECT_SEEN);
	symbolize_set_symbolizer(b.s, -EBADF, SECOND);
	give_symbolizer(&b);
	while (next(&b, b.opener) == WIRE_OPEN) {
		uint32_t id = (uint32_t)((struct wire_head *)b.buf)->id;

		opened++;
		say_opened(&b, id, WIRE_OPENED_OK);
		CHECK_EQ(say_object(&b, id, WIRE_OBJECT_READY), 0);
	}
	CHECK_EQ(opened, 1 + ELEMENTSOF(words));
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(answer(&b, 2), 0);
	CHECK(names_settled(b.names, object, 0x1000 - 1));
	end(&b);
}

TEST(a_file_of_which_a_part_was_too_much_has_the_other_names)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = announce(&b, 100, EXT4_SUPER_MAGIC, S_IFREG | 0755);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	say_opened(&b, object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_CUT), 0);
	CHECK_EQ(objects_get(b.objects, object)->state, OBJECT_READY);
	CHECK_EQ(b.counters.v[COUNTER_objects_cut], 1);
	CHECK_EQ(b.counters.v[COUNTER_objects_named], 1);
	end(&b);
}

TEST(who_does_not_answer_is_stuck)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 800);
	add_stack(&b, object, 1);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK(!symbolize_is_stuck(b.s, 2 * SECOND, 2 * SECOND));
	CHECK(symbolize_is_stuck(b.s, 4 * SECOND, 2 * SECOND));
	(void)announce(&b, 801, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK(!symbolize_opener_is_stuck(b.s, 2 * SECOND, 2 * SECOND));
	CHECK(symbolize_opener_is_stuck(b.s, 4 * SECOND, 2 * SECOND));
	end(&b);
}

TEST(who_was_asked_owes)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	CHECK(!symbolize_owes(b.s));
	object = announce(&b, 807, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	CHECK(symbolize_owes(b.s)); /* the opener */
	say_opened(&b, object, WIRE_OPENED_GONE);
	CHECK(!symbolize_owes(b.s));
	object = announce(&b, 808, EXT4_SUPER_MAGIC, S_IFREG);
	say_opened(&b, object, WIRE_OPENED_OK);
	CHECK(symbolize_owes(b.s)); /* the symbolizer */
	end(&b);
}

TEST(who_waits_for_a_cpu_is_not_stuck)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 805);
	add_stack(&b, object, 1);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	(void)announce(&b, 806, EXT4_SUPER_MAGIC, S_IFREG);
	symbolize_waited(b.s, 2 * SECOND, 0);
	CHECK(!symbolize_is_stuck(b.s, 4 * SECOND, 2 * SECOND));
	CHECK(symbolize_is_stuck(b.s, 6 * SECOND, 2 * SECOND));
	CHECK(symbolize_opener_is_stuck(b.s, 4 * SECOND, 2 * SECOND));
	symbolize_waited(b.s, 0, 2 * SECOND);
	CHECK(!symbolize_opener_is_stuck(b.s, 4 * SECOND, 2 * SECOND));
	CHECK(symbolize_opener_is_stuck(b.s, 6 * SECOND, 2 * SECOND));
	end(&b);
}

/* One that takes 5 s for its first word, as on a machine with too much to do. */
TEST(who_is_slow_is_not_replaced_for_ever)
{
	struct bench b;
	uint32_t object, replaced = 0;

	begin(&b);
	object = announce(&b, 850, EXT4_SUPER_MAGIC, S_IFREG);
	say_opened(&b, object, WIRE_OPENED_OK);
	while (replaced < 10 && symbolize_is_stuck(b.s, 6 * SECOND, 2 * SECOND)) {
		replaced++;
		give_symbolizer(&b);
		(void)announce(&b, 850 + replaced, EXT4_SUPER_MAGIC, S_IFREG);
		while (next(&b, b.opener) == WIRE_OPEN)
			say_opened(&b, (uint32_t)((struct wire_head *)b.buf)->id, WIRE_OPENED_OK);
	}
	CHECK_EQ(replaced, 2); /* after 2 s and 4 s; the third has 8 s */
	CHECK_EQ(symbolize_patience(b.s, 2 * SECOND), 8 * SECOND);
	for (uint32_t i = 1; i < 10; i++) {
		(void)symbolize_is_stuck(b.s, 100 * SECOND, 2 * SECOND);
		give_symbolizer(&b);
		(void)announce(&b, 870 + i, EXT4_SUPER_MAGIC, S_IFREG);
		while (next(&b, b.opener) == WIRE_OPEN)
			say_opened(&b, (uint32_t)((struct wire_head *)b.buf)->id, WIRE_OPENED_OK);
	}
	CHECK_EQ(symbolize_patience(b.s, 2 * SECOND), 30 * SECOND);
	CHECK(!symbolize_is_stuck(b.s, 30 * SECOND, 2 * SECOND));
	CHECK(symbolize_is_stuck(b.s, 32 * SECOND, 2 * SECOND));
	end(&b);
}

/* Its silence is no sign of a slow machine: it had answered before. */
TEST(who_answered_and_hangs_is_replaced_at_once)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	(void)make_ready(&b, 860);
	object = announce(&b, 861, EXT4_SUPER_MAGIC, S_IFREG);
	say_opened(&b, object, WIRE_OPENED_OK);
	CHECK(symbolize_is_stuck(b.s, 4 * SECOND, 2 * SECOND));
	CHECK_EQ(symbolize_patience(b.s, 2 * SECOND), 2 * SECOND);
	end(&b);
}

TEST(who_answers_at_work_is_not_stuck_however_long_its_queue)
{
	struct bench b;
	uint32_t objects[5];

	begin(&b);
	for (uint32_t i = 0; i < ELEMENTSOF(objects); i++) {
		objects[i] = announce(&b, 900 + i, EXT4_SUPER_MAGIC, S_IFREG);
		say_opened(&b, objects[i], WIRE_OPENED_OK);
	}
	for (uint64_t i = 0; i < ELEMENTSOF(objects); i++) {
		struct wire_object m = {
			.head = { .size = sizeof(m), .type = WIRE_OBJECT, .id = objects[i] },
			.status = WIRE_OBJECT_UNNAMED,
		};
		uint64_t now = (2 + i) * SECOND; /* a second for each */

		CHECK(!symbolize_is_stuck(b.s, now, 2 * SECOND));
		CHECK_EQ(seqpacket_send(b.symbolizer, &m, sizeof(m), -EBADF), 0);
		CHECK_EQ(symbolize_dispatch_symbolizer(b.s, now), 0);
	}
	CHECK_EQ(symbolize_pending(b.v), 0);
	end(&b);
}

TEST(only_the_file_at_work_is_blamed_for_a_death)
{
	struct bench b;
	uint32_t first, second;

	begin(&b);
	first = announce(&b, 1000, EXT4_SUPER_MAGIC, S_IFREG);
	say_opened(&b, first, WIRE_OPENED_OK);
	second = announce(&b, 1001, EXT4_SUPER_MAGIC, S_IFREG);
	say_opened(&b, second, WIRE_OPENED_OK);
	for (int i = 0; i < 3; i++) {
		symbolize_set_symbolizer(b.s, -EBADF, SECOND);
		give_symbolizer(&b);
		while (next(&b, b.opener) == WIRE_OPEN)
			say_opened(&b, (uint32_t)((struct wire_head *)b.buf)->id, WIRE_OPENED_OK);
	}
	CHECK_EQ(objects_get(b.objects, first)->state, OBJECT_SEEN); /* never opened again */
	CHECK_EQ(objects_get(b.objects, second)->state, OBJECT_OPENED);
	end(&b);
}

/* An opener that dies while it owes others an answer, asked for at @others_ns. */
static void file_after_openers(uint64_t others_ns, int expected)
{
	struct bench b;

	begin(&b);
	CHECK_EQ(symbolize_opener_owes_ns(b.s), UINT64_MAX);
	(void)announce(&b, 1050, EXT4_SUPER_MAGIC, S_IFREG);
	for (int i = 0; i < 5; i++) {
		if (i < 3)
			CHECK_EQ(symbolize_opener_owes_ns(b.s), SECOND);
		symbolize_set_opener(b.s, -EBADF, others_ns, SECOND);
		give_opener(&b);
		CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	}
	CHECK_EQ(next(&b, b.opener), expected);
	end(&b);
}

TEST(only_what_the_opener_was_asked_first_is_blamed)
{
	file_after_openers(SECOND - 1, WIRE_OPEN);
	file_after_openers(SECOND, WIRE_OPEN);
	file_after_openers(SECOND + 1, 0);
	file_after_openers(UINT64_MAX, 0);
}

TEST(what_failed_for_want_of_a_symbolizer_is_tried_again)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = announce(&b, 1100, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	say_opened(&b, object, WIRE_OPENED_FAILED);
	wait_for(&b, object);
	CHECK(symbolize_pending(b.v) > 0);
	CHECK_EQ(next(&b, b.opener), 0); /* not at once */
	CHECK_EQ(symbolize_window(b.v, 2 * SECOND), 0);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	end(&b);
}

TEST(names_that_did_not_come_are_counted)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 1200);
	add_stack(&b, object, 3);
	CHECK_EQ(symbolize_late(b.v), 3);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(answer(&b, 3), 0);
	CHECK_EQ(symbolize_late(b.v), 0);
	add_stack(&b, object, 4);
	symbolize_set_symbolizer(b.s, -EBADF, SECOND);
	CHECK_EQ(symbolize_late(b.v), 1);
	end(&b);
}

/* The kernel or the vDSO, which the symbolizer has of itself or not at all. */
static void ask_for_nameless(uint32_t object)
{
	struct wire_named m = {
		.head = { .size = sizeof(m), .type = WIRE_NAMED },
		.object = object,
		.status = WIRE_OBJECT_BAD,
	};
	struct bench b;

	begin(&b);
	add_stack(&b, object, 2);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	m.head.id = ((struct wire_names *)b.buf)->head.id;
	CHECK_EQ(seqpacket_send(b.symbolizer, &m, sizeof(m), -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_symbolizer(b.s, SECOND), 0);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	end(&b);
}

TEST(what_has_no_names_is_asked_once)
{
	ask_for_nameless(CPROF_OBJECT_KERNEL);
	ask_for_nameless(CPROF_OBJECT_VDSO);
}

TEST(the_vdso_gets_names)
{
	struct bench b;
	struct name name;

	begin(&b);
	add_stack(&b, CPROF_OBJECT_VDSO, 2);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(symbolize_late(b.v), 2);
	CHECK_EQ(say_object(&b, CPROF_OBJECT_VDSO, WIRE_OBJECT_READY), 0);
	CHECK_EQ(answer(&b, 2), 0);
	CHECK(names_get(b.names, CPROF_OBJECT_VDSO, 0xfff, &name));
	CHECK_STR(names_text(b.names, name.function), "ffff");
	CHECK_EQ(symbolize_late(b.v), 0);
	end(&b);
}

TEST(a_forgotten_object_is_dropped_everywhere_and_no_lie)
{
	struct cprof_announce a = { .key = { .ino = 1300 } };
	struct bench b;
	uint32_t object, at_work;

	begin(&b);
	object = make_ready(&b, 1300);
	add_stack(&b, object, 1);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	at_work = announce(&b, 1301, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK(!symbolize_forget(b.s, at_work));
	CHECK(symbolize_forget(b.s, object));
	objects_forget(b.objects, object);
	/* The answer was on its way: taken, for nobody. */
	CHECK_EQ(answer(&b, 1), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_FORGET);
	CHECK_EQ(((struct wire_head *)b.buf)->id, object);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_READY), 0);
	CHECK_EQ(symbolize_late(b.v), 0);
	/* It comes back as another one, in the same place of the tables. */
	CHECK(announce(&b, 1300, EXT4_SUPER_MAGIC, S_IFREG) > object);
	CHECK_EQ(objects_intern(b.objects, &a.key, &object), 0);
	CHECK_EQ(objects_get(b.objects, object)->state, OBJECT_ASKED);
	CHECK_EQ(b.counters.v[COUNTER_symbolizer_lied], 0);
	end(&b);
}

/* How many of the requests that wait at the opener are for objects from @first on. */
static uint32_t take_opens(struct bench *b, uint32_t first, uint32_t *ret_others)
{
	uint32_t cnt = 0;

	*ret_others = 0;
	while (next(b, b->opener) == WIRE_OPEN) {
		if (((struct wire_head *)b->buf)->id >= first)
			cnt++;
		else
			++*ret_others;
	}
	return cnt;
}

TEST(one_user_has_few_files_at_work_and_nobody_waits_for_him)
{
	struct bench b;
	uint32_t first = 0, victim, others;

	begin(&b);
	for (uint32_t i = 0; i < 50; i++) {
		uint32_t object = announce_by(&b, 2000 + i, 65534, SECOND);

		first = i == 0 ? object : first;
		wait_for(&b, object);
	}
	CHECK_EQ(take_opens(&b, first, &others), 8);
	victim = announce_by(&b, 3000, 1000, SECOND);
	wait_for(&b, victim);
	CHECK_EQ(take_opens(&b, victim, &others), 1);
	CHECK_EQ(others, 0);
	/* The rest comes as what is there gets done, whichever way. */
	CHECK_EQ(symbolize_pending(b.v), 51);
	for (uint32_t i = 0; i < 50; i++) {
		say_opened(&b, first + i, i % 2 ? WIRE_OPENED_OK : WIRE_OPENED_GONE);
		if (i % 2)
			CHECK_EQ(say_object(&b, first + i, WIRE_OBJECT_BAD), 0);
		settle_rows(&b);
	}
	CHECK_EQ(take_opens(&b, first, &others), 42);
	CHECK_EQ(symbolize_pending(b.v), 1);
	end(&b);
}

TEST(a_user_s_bucket_runs_dry_and_fills_again)
{
	struct bench b;
	uint32_t object, opened = 0, others;

	begin(&b);
	for (uint32_t i = 0; i < 3000; i++) {
		object = announce_by(&b, 10000 + i, 65534, SECOND);
		if (take_opens(&b, object, &others) == 1) {
			say_opened(&b, object, WIRE_OPENED_OK);
			CHECK_EQ(say_object(&b, object, WIRE_OBJECT_BAD), 0);
			CHECK_EQ(say_block(&b, object, WIRE_ROWS_BAD, 0), 0);
			CHECK_EQ(next(&b, b.symbolizer), 0);
			opened++;
		}
	}
	CHECK_EQ(opened, 1000);
	CHECK_EQ(b.counters.v[COUNTER_opens_limited], 2000);
	/* Put off, not lost; and others have buckets of their own. */
	object = announce_by(&b, 10000 + 2000, 65534, SECOND + SECOND / 100);
	CHECK_EQ(take_opens(&b, object, &others), 1);
	object = announce_by(&b, 20000, 1000, SECOND);
	CHECK_EQ(take_opens(&b, object, &others), 1);
	object = announce_by(&b, 20001, 0, SECOND);
	CHECK_EQ(take_opens(&b, object, &others), 1);
	end(&b);
}

TEST(large_files_count_for_more)
{
	struct bench b;
	uint32_t first, others;

	begin(&b);
	first = announce_sized(&b, 40000, UINT64_MAX, 65534, SECOND);
	for (uint32_t i = 1; i < 20; i++)
		(void)announce_sized(&b, 40000 + i, 1ull << 40, 65534, SECOND);
	/* Five seconds' worth, of which two are at work at a time. */
	CHECK_EQ(b.counters.v[COUNTER_opens_limited], 15);
	for (uint32_t i = 0; i < 5; i += 2) {
		CHECK_EQ(take_opens(&b, first, &others), MIN(5 - i, 2));
		say_opened(&b, first + i, WIRE_OPENED_GONE);
		if (i + 1 < 5)
			say_opened(&b, first + i + 1, WIRE_OPENED_GONE);
	}
	CHECK_EQ(symbolize_pending(b.v), 0);
	/* Root's cost what others cost. */
	for (uint32_t i = 0; i < 100; i++)
		(void)announce_sized(&b, 50000 + i, 1ull << 40, 0, SECOND);
	CHECK_EQ(b.counters.v[COUNTER_opens_limited], 15);
	end(&b);
}

/* More users than there are places: the last ones share, nothing is counted wrong. */
TEST(very_many_users)
{
	struct bench b;
	uint32_t objects[300];

	begin(&b);
	for (uint32_t i = 0; i < 300; i++)
		objects[i] = announce_by(&b, 30000 + i, i, SECOND);
	for (uint32_t i = 0; i < 300; i++)
		wait_for(&b, objects[i]);
	CHECK(symbolize_pending(b.v) > 64);
	for (uint32_t i = 0; i < 300; i++)
		say_opened(&b, objects[i], WIRE_OPENED_GONE);
	CHECK_EQ(symbolize_pending(b.v), 0);
	end(&b);
}

TEST(a_lost_table_is_opened_again_but_not_in_a_circle)
{
	struct wire_named m = {
		.head = { .size = sizeof(m), .type = WIRE_NAMED },
		.status = WIRE_OBJECT_BAD,
	};
	struct bench b;

	begin(&b);
	m.object = make_ready(&b, 1400);
	add_stack(&b, m.object, 1);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	m.head.id = ((struct wire_names *)b.buf)->head.id;
	CHECK_EQ(seqpacket_send(b.symbolizer, &m, sizeof(m), -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_symbolizer(b.s, SECOND), 0);
	CHECK_EQ(b.forgotten, 1);
	(void)announce_by(&b, 1400, 0, SECOND);
	CHECK_EQ(next(&b, b.opener), 0);
	(void)announce_by(&b, 1400, 0, SECOND + SECOND / 10);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	say_opened(&b, m.object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&b, m.object, WIRE_OBJECT_READY), 0);
	CHECK_EQ(symbolize_window(b.v, 2 * SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	end(&b);
}

/* Nobody announces it again: its process may sleep, or be gone. */
TEST(a_table_that_was_pushed_out_comes_back_by_itself)
{
	struct wire_named m = {
		.head = { .size = sizeof(m), .type = WIRE_NAMED },
		.status = WIRE_OBJECT_BAD,
	};
	uint64_t now = SECOND;
	struct bench b;

	begin(&b);
	m.object = make_ready(&b, 1400);
	add_stack(&b, m.object, 1);
	for (int i = 0; i < 8; i++) {
		now += SECOND;
		CHECK_EQ(symbolize_window(b.v, now), 0);
		CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
		m.head.id = ((struct wire_names *)b.buf)->head.id;
		CHECK_EQ(seqpacket_send(b.symbolizer, &m, sizeof(m), -EBADF), 0);
		CHECK_EQ(symbolize_dispatch_symbolizer(b.s, now), 0);
		CHECK(symbolize_pending(b.v) > 0);
		now += i * 2 < 8 ? SECOND : 6 * SECOND;
		CHECK_EQ(symbolize_window(b.v, now), 0);
		CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
		say_opened(&b, m.object, WIRE_OPENED_OK);
		CHECK_EQ(say_object(&b, m.object, WIRE_OBJECT_READY), 0);
	}
	CHECK_EQ(b.counters.v[COUNTER_tables_evicted], 8);
	CHECK_EQ(symbolize_window(b.v, now + SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(answer(&b, 1), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	CHECK_EQ(b.counters.v[COUNTER_tables_evicted], 8);
	end(&b);
}

/* Files that come soon cost a look at the stacks that waited; those that come late, at all. */
TEST(late_files_get_names_too)
{
	static const uint64_t delays[] = { 1, 20 };

	for (size_t i = 0; i < ELEMENTSOF(delays); i++) {
		uint64_t then = (1 + delays[i]) * SECOND;
		struct bench b;
		uint32_t object;

		begin(&b);
		object = announce(&b, 1500, EXT4_SUPER_MAGIC, S_IFREG);
		add_stack(&b, make_ready(&b, 1501), 1);
		add_stack(&b, object, 1);
		CHECK_EQ(symbolize_window(b.v, SECOND), 0);
		while (next(&b, b.symbolizer) != WIRE_NAMES)
			;
		CHECK_EQ(answer(&b, 1), 0);
		/* Another file becomes ready meanwhile: what waits too long is given up. */
		(void)make_ready(&b, 1502);
		CHECK_EQ(symbolize_window(b.v, then), 0);
		say_opened(&b, object, WIRE_OPENED_OK);
		CHECK_EQ(say_object(&b, object, WIRE_OBJECT_READY), 0);
		CHECK_EQ(symbolize_window(b.v, then), 0);
		CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
		CHECK_EQ(((struct wire_names *)b.buf)->object, object);
		end(&b);
	}
}

TEST(names_of_one_owner_do_not_fill_the_table)
{
	struct symbolize_opts opts = { .on_object = on_object, .names_max = 100000 };
	struct bench b;
	struct name name;
	uint32_t object;
	uint64_t cnt;

	begin(&b);
	opts.objects = b.objects;
	opts.names = b.names;
	opts.counters = &b.counters;
	opts.on_forget = on_forget;
	opts.ctx = &b;
	b.v = symbolize_view_free(b.v);
	b.s = symbolize_free(b.s);
	CHECK_EQ(symbolize_new(&opts, &b.s), 0);
	CHECK_EQ(symbolize_view_new(b.s, b.w, &b.v), 0);
	give_opener(&b);
	give_symbolizer(&b);
	object = make_ready(&b, 1600);
	objects_get(b.objects, object)->owner = 65534;
	add_stack(&b, object, 1000);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(answer(&b, 1000), 0);
	cnt = names_cnt(b.names);
	CHECK(cnt > 100 && cnt < 500);
	CHECK_EQ(b.counters.v[COUNTER_names_limited], 1000 - cnt);
	/* The rest is not asked for again, counted again, or late. */
	symbolize_look_again(b.v);
	CHECK_EQ(symbolize_window(b.v, 2 * SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	CHECK_EQ(symbolize_late(b.v), 0);
	/* Root's find room. */
	object = make_ready(&b, 1601);
	add_stack(&b, object, 10);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	while (next(&b, b.symbolizer) != WIRE_NAMES)
		;
	CHECK_EQ(answer(&b, 10), 0);
	CHECK(names_get(b.names, object, 0xfff, &name));
	/* A sweep gives back what nobody wanted since. */
	add_stack(&b, object, 3);
	CHECK_EQ(symbolize_window(b.v, 5 * SECOND), 0);
	CHECK_EQ(symbolize_sweep(b.s, 5 * SECOND), 0);
	CHECK_EQ(names_cnt(b.names), 3);
	CHECK_EQ(b.counters.v[COUNTER_names_forgotten], cnt + 10 - 3);
	end(&b);
}

static int on_mapped(const struct wire_mapped *m, void *ctx)
{
	struct bench *b = ctx;

	b->known++;
	return m->head.id == 5 ? 0 : -EBADMSG;
}

/* Questions of another stage go over the same socket, and its word is the answer's judge. */
TEST(somebody_elses_questions)
{
	struct wire_mapped said = { .head = {
					    .size = sizeof(said), .type = WIRE_MAPPED, .id = 5 } };
	struct wire_maps ask = { .head = { .size = sizeof(ask), .type = WIRE_MAPS, .id = 5 } };
	struct symbolize_opts opts = { .on_object = on_object, .on_forget = on_forget };
	struct bench b;

	begin(&b);
	CHECK_EQ(seqpacket_send(b.opener, &said, sizeof(said), -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_opener(b.s, SECOND), -EBADMSG); /* nobody asked */
	b.v = symbolize_view_free(b.v);
	b.s = symbolize_free(b.s);
	opts.objects = b.objects;
	opts.names = b.names;
	opts.counters = &b.counters;
	opts.on_mapped = on_mapped;
	opts.ctx = &b;
	CHECK_EQ(symbolize_new(&opts, &b.s), 0);
	CHECK_EQ(symbolize_view_new(b.s, b.w, &b.v), 0);
	CHECK_EQ(symbolize_send_opener(b.s, &ask), -EBADF);
	give_opener(&b);
	CHECK_EQ(symbolize_send_opener(b.s, &ask), 0);
	CHECK_EQ(next(&b, b.opener), WIRE_MAPS);
	CHECK_EQ(seqpacket_send(b.opener, &said, sizeof(said), -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_opener(b.s, SECOND), 0);
	CHECK_EQ(b.known, 1);
	said.head.id++;
	CHECK_EQ(seqpacket_send(b.opener, &said, sizeof(said), -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_opener(b.s, SECOND), -EBADMSG);
	end(&b);
}

/* Frames that got another object behind our back are wanted once somebody says so. */
TEST(stacks_whose_frames_changed)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 100);
	add_stack(&b, CPROF_OBJECT_NONE, 2);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	window_frames(b.w, 0)[0].object = object;
	CHECK_EQ(symbolize_window(b.v, 2 * SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	symbolize_look_again(b.v);
	CHECK_EQ(symbolize_window(b.v, 3 * SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(answer(&b, 1), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	end(&b);
}

CHECK_MAIN
