/* SPDX-License-Identifier: Apache-2.0 */

/* test-symbolize-rows — blocks of rows from a symbolizer that the test plays itself, honest and not. */

#include "symbolize-bench.h"

/* What the symbolizer is asked to make rows of next; 0: nothing. */
static uint32_t asked(struct bench *b)
{
	return next_any(b, b->symbolizer) == WIRE_MAKE_ROWS
		       ? (uint32_t)((struct wire_head *)b->buf)->id
		       : 0;
}

TEST(a_block_follows_each_file)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 100);
	CHECK_EQ(b.rows_cnt, 0);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_OK, 3), 0);
	CHECK_EQ(b.rows_cnt, 1);
	CHECK_EQ(b.rows_object, object);
	CHECK_EQ(b.rows_pages, 3);
	/* Another one that nobody asked for is not looked at. */
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_OK, open("/dev/null", O_RDONLY | O_CLOEXEC), 5), 0);
	CHECK_EQ(b.rows_cnt, 1);
	/* The file is read again, by another symbolizer. */
	give_symbolizer(&b);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	say_opened(&b, object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_UNNAMED), 0);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_NONE, 0), 0);
	CHECK_EQ(b.rows_cnt, 2);
	CHECK_EQ(b.rows_pages, 0);
	CHECK_EQ(b.counters.v[COUNTER_rows_limited], 0);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_OK, -EBADF, 5), -EBADMSG);
	end(&b);
}

TEST(what_was_too_much_is_counted)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 100);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_LIMIT, 1), 0);
	CHECK_EQ(b.rows_cnt, 1);
	CHECK_EQ(b.counters.v[COUNTER_rows_limited], 1);
	end(&b);
}

TEST(the_vdso_has_rows_and_the_kernel_has_none)
{
	struct bench b;

	begin(&b);
	CHECK_EQ(say_object(&b, CPROF_OBJECT_VDSO, WIRE_OBJECT_READY), 0);
	CHECK_EQ(say_block(&b, CPROF_OBJECT_VDSO, WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(b.rows_object, CPROF_OBJECT_VDSO);
	CHECK_EQ(say_object(&b, CPROF_OBJECT_KERNEL, WIRE_OBJECT_READY), 0);
	CHECK_EQ(say_block(&b, CPROF_OBJECT_KERNEL, WIRE_ROWS_OK, 1), -EBADMSG);
	CHECK_EQ(b.rows_cnt, 1);
	/* They were nobody's file that waited: root's files are opened as before. */
	CHECK_EQ(say_block(&b, make_ready(&b, 100), WIRE_ROWS_OK, 1), 0);
	end(&b);
}

TEST(rows_of_a_forgotten_file_are_no_lie)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 100);
	CHECK(symbolize_forget(b.s, object));
	objects_forget(b.objects, object);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(b.rows_cnt, 0);
	CHECK_EQ(b.counters.v[COUNTER_symbolizer_lied], 0);
	end(&b);
}

/* The descriptor for each way to lie; *ret_sz is what is said of it. */
enum lie {
	LIE_NO_FD,
	LIE_NOT_SEALED,
	LIE_MAY_SHRINK,
	LIE_SIZE,
	LIE_EMPTY,
	LIE_FILE,
	LIE_GARBAGE,
	LIE_NONE_WITH_PAGES,
	LIE_STRANGER,
	LIE_MAX
};

static int lying_fd(enum lie lie, size_t *ret_sz)
{
	int fd = make_block(1,
			    lie == LIE_NOT_SEALED   ? F_SEAL_SHRINK | F_SEAL_GROW
			    : lie == LIE_MAY_SHRINK ? F_SEAL_WRITE | F_SEAL_GROW
			    : lie == LIE_GARBAGE    ? F_SEAL_GROW
						    : ROWS_SEALS,
			    ret_sz);

	if (lie == LIE_SIZE)
		++*ret_sz;
	if (lie == LIE_GARBAGE) {
		CHECK_EQ(pwrite(fd, "x", 1, 5), 1); /* the version */
		CHECK_EQ(fcntl(fd, F_ADD_SEALS, ROWS_SEALS), 0);
	}
	if (lie == LIE_NO_FD || lie == LIE_FILE || lie == LIE_EMPTY)
		fd = fd_close(fd);
	if (lie == LIE_FILE)
		fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (lie == LIE_EMPTY) {
		fd = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		CHECK_EQ(fcntl(fd, F_ADD_SEALS, ROWS_SEALS), 0);
		*ret_sz = 0;
	}
	return fd;
}

TEST(lies_are_found_out)
{
	for (enum lie lie = 0; lie < LIE_MAX; lie++) {
		struct bench b;
		uint32_t object;
		size_t sz;
		int fd = lying_fd(lie, &sz);

		begin(&b);
		object = make_ready(&b, 100);
		CHECK_EQ(say_rows(&b, object + (lie == LIE_STRANGER),
				  lie == LIE_NONE_WITH_PAGES ? WIRE_ROWS_NONE : WIRE_ROWS_OK, fd,
				  sz),
			 -EBADMSG);
		CHECK_EQ(b.rows_cnt, 0);
		CHECK_EQ(b.counters.v[COUNTER_symbolizer_lied], 1);
		end(&b);
	}
}

/* Nobody waits behind rows, and those that stacks meet come first. */
TEST(rows_are_asked_for_one_at_a_time_by_use)
{
	struct bench b;
	uint32_t object[4];

	begin(&b);
	for (uint32_t i = 0; i < ELEMENTSOF(object); i++)
		object[i] = make_ready(&b, 100 + i);
	CHECK_EQ(asked(&b), object[0]);
	CHECK_EQ(asked(&b), 0);
	symbolize_use(b.s, object[3], 1, 1);
	symbolize_use(b.s, object[3], 1, 1);
	symbolize_use(b.s, object[2], 1, 1);
	CHECK_EQ(say_block(&b, object[0], WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(asked(&b), object[3]);
	CHECK_EQ(say_block(&b, object[3], WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(asked(&b), object[2]);
	CHECK_EQ(say_block(&b, object[2], WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(asked(&b), object[1]);
	CHECK_EQ(say_block(&b, object[1], WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(b.rows_cnt, 4);
	CHECK_EQ(asked(&b), 0);
	end(&b);
}

/* So a user who has many files that take long has few of them open. */
TEST(few_of_a_user_s_files_wait_for_their_rows)
{
	struct bench b;
	uint32_t object[9];

	begin(&b);
	for (uint32_t i = 0; i < ELEMENTSOF(object); i++) {
		object[i] = announce_by(&b, 100 + i, 65534, SECOND);
		CHECK_EQ(next(&b, b.opener), i < 8 ? WIRE_OPEN : 0);
		if (i < 8) {
			say_opened(&b, object[i], WIRE_OPENED_OK);
			CHECK_EQ(say_object(&b, object[i], WIRE_OBJECT_UNNAMED), 0);
		}
	}
	CHECK_EQ(say_block(&b, object[0], WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	CHECK_EQ(((struct wire_head *)b.buf)->id, object[8]);
	say_opened(&b, object[8], WIRE_OPENED_OK);
	CHECK_EQ(say_object(&b, object[8], WIRE_OBJECT_UNNAMED), 0);
	/* One that is forgotten meanwhile leaves its place. */
	(void)announce_by(&b, 200, 65534, SECOND);
	CHECK_EQ(next(&b, b.opener), 0);
	CHECK(symbolize_forget(b.s, object[1]));
	symbolize_tick(b.s, SECOND);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	end(&b);
}

TEST(names_come_before_rows_but_not_for_long)
{
	struct bench b;
	uint32_t object, other;

	begin(&b);
	other = announce(&b, 200, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	object = make_ready(&b, 100);
	CHECK_EQ(asked(&b), 0);
	say_opened(&b, other, WIRE_OPENED_OK);
	CHECK_EQ(asked(&b), 0);
	CHECK_EQ(say_object(&b, other, WIRE_OBJECT_BAD), 0);
	CHECK_EQ(asked(&b), object);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(asked(&b), other);
	CHECK_EQ(say_block(&b, other, WIRE_ROWS_BAD, 0), 0);
	(void)announce(&b, 201, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	object = make_ready(&b, 101);
	symbolize_tick(b.s, SECOND + WIRE_FILE_OPEN_NS / 4 - 1);
	CHECK_EQ(asked(&b), 0);
	symbolize_tick(b.s, SECOND + WIRE_FILE_OPEN_NS / 4);
	CHECK_EQ(asked(&b), object);
	end(&b);
}

TEST(who_waits_for_long_comes_first)
{
	struct bench b;
	uint32_t first, old, used;

	begin(&b);
	first = make_ready(&b, 100);
	old = make_ready(&b, 101);
	used = make_ready(&b, 102);
	symbolize_use(b.s, used, 1, 1);
	CHECK_EQ(asked(&b), first);
	CHECK_EQ(say_block(&b, first, WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(asked(&b), used);
	(void)make_ready(&b, 103);
	symbolize_use(b.s, 1 + used, 1, 1);
	/* It says when it is done, later. */
	CHECK(!symbolize_is_stuck(b.s, 2 * SECOND, 2 * SECOND));
	CHECK(symbolize_is_stuck(b.s, 4 * SECOND, 2 * SECOND));
	/* But when it has said that it is at work, it has five times as long. */
	CHECK_EQ(say_rows(&b, used, WIRE_ROWS_BEGUN, -EBADF, 0), 0);
	CHECK(!symbolize_is_stuck(b.s, 11 * SECOND, 2 * SECOND));
	CHECK(symbolize_is_stuck(b.s, 12 * SECOND, 2 * SECOND));
	b.late_ns = 3 * SECOND;
	CHECK_EQ(say_block(&b, used, WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(asked(&b), old);
	end(&b);
}

TEST(where_the_cpu_is_short_rows_come_slowly)
{
	struct bench b;
	uint32_t object[3];

	begin(&b);
	for (uint32_t i = 0; i < ELEMENTSOF(object); i++)
		object[i] = make_ready(&b, 100 + i);
	symbolize_defer(b.s, true);
	CHECK_EQ(asked(&b), object[0]);
	CHECK_EQ(say_block(&b, object[0], WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(asked(&b), object[1]);
	CHECK_EQ(say_block(&b, object[1], WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(asked(&b), 0);
	/* Nor is a file opened to wait. */
	(void)announce(&b, 200, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK_EQ(next(&b, b.opener), 0);
	symbolize_tick(b.s, 2 * SECOND - 1);
	CHECK_EQ(asked(&b), 0);
	symbolize_tick(b.s, 2 * SECOND);
	CHECK_EQ(asked(&b), object[2]);
	symbolize_tick(b.s, 2 * SECOND);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	end(&b);
}

/* Of those at the symbolizer it is the one that it said it begins with. */
TEST(a_file_whose_rows_kill_is_given_to_three)
{
	struct bench b;
	uint32_t bad, good;

	begin(&b);
	bad = make_ready(&b, 500);
	good = make_ready(&b, 501);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(asked(&b), bad);
		CHECK_EQ(say_rows(&b, bad, WIRE_ROWS_BEGUN, -EBADF, 0), 0);
		symbolize_set_symbolizer(b.s, -EBADF, SECOND); /* it died of it */
		give_symbolizer(&b);
		if (i < 2)
			CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
		CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
		CHECK_EQ(next(&b, b.opener), 0);
		if (i < 2) {
			say_opened(&b, bad, WIRE_OPENED_OK);
			CHECK_EQ(say_object(&b, bad, WIRE_OBJECT_READY), 0);
		}
		say_opened(&b, good, WIRE_OPENED_OK);
		CHECK_EQ(say_object(&b, good, WIRE_OBJECT_UNNAMED), 0);
	}
	CHECK_EQ(asked(&b), good);
	CHECK_EQ(say_block(&b, good, WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(b.rows_object, good);
	end(&b);
}

TEST(a_file_that_was_closed_is_opened_again)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 100);
	CHECK_EQ(asked(&b), object);
	(void)announce(&b, 101, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_GONE, -EBADF, 0), 0);
	/* Its names stay while there is something else to do. */
	CHECK_EQ(b.forgotten, 0);
	CHECK_EQ(objects_get(b.objects, object)->state, OBJECT_READY);
	say_opened(&b, 1 + object, WIRE_OPENED_GONE);
	CHECK_EQ(b.forgotten, 1);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	CHECK_EQ(((struct wire_head *)b.buf)->id, object);
	end(&b);
}

/* The next question to the opener is for the debug file of @object, from that place on. */
static void expect_debug(struct bench *b, uint32_t object, uint32_t from)
{
	const struct wire_open_debug *m = (const void *)b->buf;

	CHECK_EQ(next(b, b->opener), WIRE_OPEN_DEBUG);
	CHECK_EQ(m->head.id, object);
	CHECK_EQ(m->from, from);
	CHECK_EQ(m->link_len, 7);
	CHECK(memcmp(m + 1, "x.debug", 7) == 0);
}

static void say_debug(struct bench *b, uint32_t object, uint32_t status, uint32_t place)
{
	struct wire_debug_opened m = {
		.head = { .size = sizeof(m), .type = WIRE_DEBUG_OPENED, .id = object },
		.status = status,
		.place = place,
	};

	CHECK_EQ(seqpacket_send(b->opener, &m, sizeof(m), -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_opener(b->s, SECOND), 0);
}

/* A file whose own rows are a part of what there may be. */
static uint32_t make_part(struct bench *b, uint64_t ino)
{
	uint32_t object = make_ready(b, ino);
	size_t sz;
	int fd = make_block(1, ROWS_SEALS, &sz);

	CHECK_EQ(asked(b), object);
	b->link = "x.debug";
	CHECK_EQ(say_rows(b, object, WIRE_ROWS_OK, fd, sz), 0);
	b->link = NULL;
	return object;
}

TEST(a_debug_file_is_looked_for_until_it_is_the_right_one)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_part(&b, 100);
	CHECK_EQ(b.rows_pages, 1);
	expect_debug(&b, object, 0);
	say_debug(&b, object, WIRE_OPENED_OK, 2);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_BEGUN, -EBADF, 0), 0);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_OTHER, -EBADF, 0), 0);
	expect_debug(&b, object, 3);
	/* The symbolizer may be faster than the opener's word. */
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_OTHER, -EBADF, 0), 0);
	CHECK_EQ(next(&b, b.opener), 0);
	say_debug(&b, object, WIRE_OPENED_OK, 4);
	expect_debug(&b, object, 5);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_OK, 7), 0);
	CHECK_EQ(b.rows_cnt, 2);
	CHECK_EQ(b.rows_pages, 7);
	say_debug(&b, object, WIRE_OPENED_OK, 5);
	CHECK_EQ(next(&b, b.opener), 0);
	CHECK_EQ(b.counters.v[COUNTER_debug_files], 1);
	end(&b);
}

TEST(a_debug_file_is_looked_for_when_the_path_was_told)
{
	struct {
		struct wire_opened m;
		char path[8];
	} opened = {
		.m = { .head = { .size = sizeof(opened.m) + 6, .type = WIRE_OPENED },
		       .status = WIRE_OPENED_OK,
		       .path_len = 6 },
		.path = "/opt/x",
	};
	const struct wire_open_debug *m;
	struct bench b;
	uint32_t object;

	begin(&b);
	object = announce(&b, 100, EXT4_SUPER_MAGIC, S_IFREG | 0755);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	/* The symbolizer is faster than the opener's word. */
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_READY), 0);
	CHECK_EQ(asked(&b), object);
	b.link = "x.debug";
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(next(&b, b.opener), 0);
	opened.m.head.id = object;
	CHECK_EQ(seqpacket_send(b.opener, &opened, opened.m.head.size, -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_opener(b.s, SECOND), 0);
	expect_debug(&b, object, 0);
	m = (const void *)b.buf;
	CHECK_EQ(m->path_len, 6);
	CHECK_EQ(b.counters.v[COUNTER_debug_limited], 0);
	end(&b);
}

TEST(a_file_without_a_debug_file_is_closed)
{
	struct bench b;
	uint32_t first, second;

	begin(&b);
	first = make_part(&b, 100);
	expect_debug(&b, first, 0);
	second = make_part(&b, 101); /* one at a time */
	CHECK_EQ(next(&b, b.opener), 0);
	say_debug(&b, first, WIRE_OPENED_NONE, 0);
	CHECK_EQ(next_any(&b, b.symbolizer), WIRE_CLOSE);
	CHECK_EQ(((struct wire_head *)b.buf)->id, first);
	expect_debug(&b, second, 0);
	/* An opener that dies of it is not given it again. */
	give_opener(&b);
	CHECK_EQ(next(&b, b.opener), 0);
	CHECK_EQ(b.counters.v[COUNTER_debug_files], 0);
	end(&b);
}

/* A file of @uid's is opened at that time, and lacks something. */
static uint32_t make_part_of(struct bench *b, uint64_t ino, uint32_t uid, uint64_t now_ns)
{
	uint32_t object = announce_by(b, ino, uid, now_ns);
	size_t sz;
	int fd = make_block(1, ROWS_SEALS, &sz);

	CHECK_EQ(next(b, b->opener), WIRE_OPEN);
	say_opened(b, object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(b, object, WIRE_OBJECT_UNNAMED), 0);
	CHECK_EQ(asked(b), object);
	b->link = "x.debug";
	b->late_ns = now_ns;
	CHECK_EQ(say_rows(b, object, WIRE_ROWS_OK, fd, sz), 0);
	b->link = NULL;
	return object;
}

TEST(looking_for_what_is_not_there_costs_little)
{
	struct bench b;

	begin(&b);
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t object = make_part_of(&b, 100 + i, 65534, SECOND);

		expect_debug(&b, object, 0);
		say_debug(&b, object, WIRE_OPENED_NONE, 0);
		CHECK_EQ(next_any(&b, b.symbolizer), WIRE_CLOSE);
	}
	CHECK_EQ(b.counters.v[COUNTER_debug_limited], 0);
	end(&b);
}

TEST(debug_files_cost_a_user_much_and_are_counted_when_they_are_not_looked_for)
{
	struct bench b;
	uint32_t looked = 0;

	begin(&b);
	for (; looked < 100; looked++) {
		uint64_t now_ns = SECOND + looked * SECOND / 10;
		uint32_t object = make_part_of(&b, 100 + looked, 65534, now_ns);

		if (b.counters.v[COUNTER_debug_limited] > 0)
			break;
		expect_debug(&b, object, 0);
		say_debug(&b, object, WIRE_OPENED_OK, 0);
		CHECK_EQ(say_rows(&b, object, WIRE_ROWS_BEGUN, -EBADF, 0), 0);
		b.late_ns = now_ns + SECOND / 10;
		CHECK_EQ(say_block(&b, object, WIRE_ROWS_OK, 1), 0);
	}
	/* Of 5 s and what comes in meanwhile each takes a quarter of a second in a tenth, and a file's. */
	CHECK_EQ(looked, 31);
	CHECK_EQ(next_any(&b, b.symbolizer), WIRE_CLOSE);
	end(&b);
}

/* The next question for names is for @cnt places of the object, and is answered. */
static void expect_names(struct bench *b, uint32_t object, uint32_t cnt)
{
	const struct wire_names *m = (const void *)b->buf;

	CHECK_EQ(next(b, b->symbolizer), WIRE_NAMES);
	CHECK_EQ(m->object, object);
	CHECK_EQ(m->cnt, cnt);
	CHECK_EQ(answer(b, cnt), 0);
}

TEST(a_debug_file_with_more_names_has_them_asked_for_again)
{
	struct bench b;
	struct name name;
	uint32_t object, other;

	begin(&b);
	b.part = WIRE_PART_NAMES;
	object = make_part(&b, 100);
	expect_debug(&b, object, 0);
	other = make_ready(&b, 101);
	add_stack(&b, object, 2);
	add_stack(&b, other, 1);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	expect_names(&b, object, 2);
	expect_names(&b, other, 1);

	/* Before it says that it is at it, it has no reason to tell of a file once more. */
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_READY), 0);
	say_debug(&b, object, WIRE_OPENED_OK, 2);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_BEGUN, -EBADF, 0), 0);
	CHECK_EQ(say_object(&b, other, WIRE_OBJECT_READY), 0);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_UNNAMED), 0);
	CHECK_EQ(b.counters.v[COUNTER_debug_names], 0);
	CHECK(names_settled(b.names, object, 0xfff));
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_READY), 0);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_READY), 0);
	CHECK_EQ(b.counters.v[COUNTER_debug_names], 1);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_KEPT, -EBADF, 0), 0);
	CHECK_EQ(b.rows_cnt, 1);
	CHECK_EQ(b.counters.v[COUNTER_debug_files], 0);

	/* What was told is there until it is told anew; the end of the window waits for that. */
	CHECK(names_get(b.names, object, 0xfff, &name) && name.function != 0);
	CHECK(!names_settled(b.names, object, 0xfff));
	CHECK(symbolize_pending(b.v) > 0);
	CHECK_EQ(symbolize_window(b.v, 3 * SECOND), 0);
	expect_names(&b, object, 2);
	CHECK(names_settled(b.names, object, 0xfff));
	CHECK_EQ(symbolize_window(b.v, 6 * SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	end(&b);
}

TEST(names_that_are_too_much_are_counted)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	b.part = WIRE_PART_NAMES;
	object = make_part_of(&b, 100, 0, SECOND);
	expect_debug(&b, object, 0);
	say_debug(&b, object, WIRE_OPENED_OK, 2);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_BEGUN, -EBADF, 0), 0);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_LIMIT), 0);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_LIMIT), 0);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_KEPT, -EBADF, 0), 0);
	CHECK_EQ(objects_get(b.objects, object)->state, OBJECT_UNNAMED);
	CHECK_EQ(b.counters.v[COUNTER_objects_cut], 1);
	CHECK_EQ(b.counters.v[COUNTER_objects_limit], 0);
	CHECK_EQ(b.counters.v[COUNTER_debug_names], 0);
	CHECK_EQ(next(&b, b.opener), 0); /* it was the right one */
	end(&b);
}

/* Nor has it a reason where the file was not stripped. */
TEST(names_that_are_all_there_are_not_doubted)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_part(&b, 100);
	expect_debug(&b, object, 0);
	say_debug(&b, object, WIRE_OPENED_OK, 2);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_BEGUN, -EBADF, 0), 0);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_READY), 0);
	CHECK_EQ(b.counters.v[COUNTER_debug_names], 0);
	end(&b);
}

TEST(a_file_without_a_name_has_some_by_its_debug_file)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	b.part = WIRE_PART_ALL;
	object = make_part_of(&b, 100, 0, SECOND);
	add_stack(&b, object, 3);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	expect_debug(&b, object, 0);
	say_debug(&b, object, WIRE_OPENED_OK, 2);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_BEGUN, -EBADF, 0), 0);
	CHECK_EQ(objects_get(b.objects, object)->state, OBJECT_UNNAMED);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_READY), 0);
	CHECK_EQ(objects_get(b.objects, object)->state, OBJECT_READY);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_OK, 5), 0);
	CHECK_EQ(b.rows_pages, 5);
	CHECK_EQ(b.counters.v[COUNTER_debug_names], 1);
	CHECK_EQ(b.counters.v[COUNTER_debug_files], 1);
	CHECK_EQ(symbolize_window(b.v, 3 * SECOND), 0);
	expect_names(&b, object, 3);
	end(&b);
}

TEST(words_on_debug_files_answer_no_other_question)
{
	static const enum wire_rows_status words[] = { WIRE_ROWS_OTHER, WIRE_ROWS_KEPT };

	for (size_t i = 0; i < ELEMENTSOF(words); i++) {
		struct bench b;
		uint32_t object;

		begin(&b);
		object = make_ready(&b, 100);
		CHECK_EQ(asked(&b), object);
		CHECK_EQ(say_rows(&b, object, words[i], -EBADF, 0), -EBADMSG);
		end(&b);
	}
}

CHECK_MAIN
