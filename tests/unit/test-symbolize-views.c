/* SPDX-License-Identifier: Apache-2.0 */

/* Windows side by side: what one learns all know, and none waits for another's. */

#include "symbolize-bench.h"

/* A second window beside the bench's, of which the helpers make it the current one. */
struct beside {
	struct window *w;
	struct symbolize_view *v;
};

static void open_beside(struct bench *b, struct beside *beside)
{
	beside->w = window_new(1, 1, 1);
	CHECK(beside->w);
	CHECK_EQ(symbolize_view_new(b->s, beside->w, &beside->v), 0);
}

static void swap(struct bench *b, struct beside *beside)
{
	struct beside was = { .w = b->w, .v = b->v };

	b->w = beside->w;
	b->v = beside->v;
	*beside = was;
}

static void close_beside(struct beside *beside)
{
	beside->v = symbolize_view_free(beside->v);
	beside->w = window_free(beside->w);
}

TEST(what_one_learns_all_know)
{
	struct beside beside;
	struct bench b;
	uint32_t object;

	begin(&b);
	open_beside(&b, &beside);
	object = make_ready(&b, 100);
	add_stack(&b, object, 3);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(answer(&b, 3), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	swap(&b, &beside);
	add_stack(&b, object, 3);
	CHECK_EQ(symbolize_late(b.v), 0);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	close_beside(&beside);
	end(&b);
}

/* Both want it before there is an answer: it is asked for once where the answer comes in between. */
TEST(a_name_that_came_meanwhile_is_not_asked_for)
{
	struct beside beside;
	struct bench b;
	uint32_t object;

	begin(&b);
	open_beside(&b, &beside);
	object = make_ready(&b, 100);
	add_stack(&b, object, 8 * WIRE_NAMES_MAX); /* all that may be on its way */
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	swap(&b, &beside);
	add_stack(&b, object, 1);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(symbolize_pending(b.v), 1);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(((struct wire_names *)b.buf)->cnt, WIRE_NAMES_MAX);
	CHECK_EQ(answer(&b, 1), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	close_beside(&beside);
	end(&b);
}

TEST(files_that_others_bring_hold_nobody_up)
{
	struct beside beside;
	struct bench b;
	uint32_t own;

	begin(&b);
	open_beside(&b, &beside);
	own = announce_by(&b, 100, 1000, SECOND);
	wait_for(&b, own);
	swap(&b, &beside);
	for (uint32_t i = 0; i < 100; i++)
		wait_for(&b, announce_by(&b, 200 + i, 65534, SECOND));
	CHECK_EQ(symbolize_pending(b.v), 100);
	swap(&b, &beside);
	CHECK_EQ(symbolize_pending(b.v), 1);
	say_opened(&b, own, WIRE_OPENED_OK);
	CHECK_EQ(symbolize_pending(b.v), 1);
	CHECK_EQ(say_object(&b, own, WIRE_OBJECT_UNNAMED), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	CHECK_EQ(symbolize_pending(beside.v), 100);
	/* Nor does a late one of theirs have all stacks looked at again. */
	CHECK_EQ(symbolize_window(beside.v, 20 * SECOND), 0);
	say_opened(&b, own + 1, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&b, own + 1, WIRE_OBJECT_READY), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	close_beside(&beside);
	end(&b);
}

TEST(the_executable_is_waited_for_though_no_stack_has_it)
{
	struct window_process p = { .pid = 7 };
	struct bench b;

	begin(&b);
	p.exe = announce(&b, 100, EXT4_SUPER_MAGIC, S_IFREG);
	CHECK_EQ(vec_push(&b.w->processes, p), 0);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(symbolize_pending(b.v), 1);
	say_opened(&b, p.exe, WIRE_OPENED_GONE);
	CHECK_EQ(symbolize_pending(b.v), 0);
	end(&b);
}

/* Of all that may be asked at once one has more than enough: the other has its turn. */
TEST(views_take_turns_to_ask)
{
	struct beside beside;
	struct bench b;
	uint32_t large, small, found = 0;

	begin(&b);
	open_beside(&b, &beside);
	large = make_ready(&b, 100);
	small = make_ready(&b, 101);
	add_stack(&b, large, 100 * WIRE_NAMES_MAX);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	swap(&b, &beside);
	add_stack(&b, small, 1);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	for (int i = 0; i < 9; i++) {
		CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
		found += ((struct wire_names *)b.buf)->object == small;
		CHECK_EQ(answer(&b, 1), 0);
	}
	CHECK_EQ(found, 1);
	CHECK_EQ(symbolize_pending(b.v), 0);
	CHECK(symbolize_pending(beside.v) > 0);
	close_beside(&beside);
	end(&b);
}

TEST(answers_to_a_view_that_is_gone_are_no_lies)
{
	struct beside beside;
	struct name name;
	struct bench b;
	uint32_t object;

	begin(&b);
	open_beside(&b, &beside);
	object = make_ready(&b, 100);
	swap(&b, &beside);
	add_stack(&b, object, 2);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	swap(&b, &beside);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	close_beside(&beside);
	CHECK_EQ(answer(&b, 1), 0); /* of two: there is nobody to ask the second for */
	CHECK(names_get(b.names, object, 0xfff, &name));
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), 0);
	CHECK_EQ(b.counters.v[COUNTER_symbolizer_lied], 0);
	end(&b);
}

/* The second asks for a table that the first found gone: not in vain, but when it is back. */
TEST(a_table_that_another_found_gone)
{
	struct wire_named gone = {
		.head = { .size = sizeof(gone), .type = WIRE_NAMED },
		.status = WIRE_OBJECT_BAD,
	};
	struct beside beside;
	struct bench b;

	begin(&b);
	open_beside(&b, &beside);
	gone.object = make_ready(&b, 100);
	add_stack(&b, gone.object, 8 * WIRE_NAMES_MAX);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	swap(&b, &beside);
	add_stack(&b, gone.object, 1);
	CHECK_EQ(symbolize_window(b.v, SECOND), 0);
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
		gone.head.id = ((struct wire_names *)b.buf)->head.id;
		CHECK_EQ(seqpacket_send(b.symbolizer, &gone, sizeof(gone), -EBADF), 0);
		CHECK_EQ(symbolize_dispatch_symbolizer(b.s, SECOND), 0);
	}
	CHECK_EQ(next(&b, b.symbolizer), 0);
	CHECK_EQ(b.forgotten, 8);
	CHECK(symbolize_pending(b.v) > 0);
	CHECK_EQ(symbolize_window(b.v, 10 * SECOND), 0);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	say_opened(&b, gone.object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&b, gone.object, WIRE_OBJECT_READY), 0);
	CHECK_EQ(symbolize_window(b.v, 20 * SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	close_beside(&beside);
	end(&b);
}

/* What the symbolizer says in the second after that. */
static int released_at(struct bench *b, uint64_t now_ns)
{
	int type;

	CHECK_EQ(symbolize_window(b->v, now_ns), 0);
	do
		type = next(b, b->symbolizer);
	while (type == WIRE_NAMES);
	return type;
}

/* The symbolizer read it, and has it open for that. */
static uint32_t make_held(struct bench *b, uint32_t lined)
{
	struct wire_object m = { .head = { .size = sizeof(m), .type = WIRE_OBJECT },
				 .lined = lined,
				 .elf = OBJECT_ELF_DYN };
	uint32_t object = announce(b, 1, EXT4_SUPER_MAGIC, S_IFREG | 0755);

	m.head.id = object;
	CHECK_EQ(next(b, b->opener), WIRE_OPEN);
	say_opened(b, object, WIRE_OPENED_OK);
	CHECK_EQ(seqpacket_send(b->symbolizer, &m, sizeof(m), -EBADF), 0);
	CHECK_EQ(symbolize_dispatch_symbolizer(b->s, SECOND), 0);
	return object;
}

/* A file that is open for its names alone is let go of as one for lines, and never asked for again. */
TEST(a_file_that_is_open_for_its_names)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_held(&b, WIRE_LINED_NAMES);
	CHECK(!objects_get(b.objects, object)->lined);
	symbolize_use(b.s, object, 7, 1);
	CHECK_EQ(released_at(&b, 2 * SECOND), 0);
	CHECK_EQ(released_at(&b, 61 * SECOND), 0);
	symbolize_use(b.s, object, 8, 1);
	CHECK_EQ(released_at(&b, 62 * SECOND), 0);
	symbolize_gone(b.s, 7, 1);
	symbolize_gone(b.s, 0, 2);
	CHECK_EQ(released_at(&b, 122 * SECOND), 0);
	CHECK_EQ(released_at(&b, 124 * SECOND), WIRE_RELEASE);
	CHECK_EQ(((struct wire_head *)b.buf)->id, object);
	symbolize_use(b.s, object, 7, 1);
	add_stack(&b, object, 1);
	CHECK_EQ(symbolize_window(b.v, 125 * SECOND), 0);
	CHECK_EQ(next(&b, b.symbolizer), WIRE_NAMES);
	CHECK_EQ(next(&b, b.opener), 0);
	CHECK_EQ(released_at(&b, 200 * SECOND), 0);
	end(&b);
}

TEST(a_file_whose_process_is_gone_is_not_held_for_its_names)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_held(&b, WIRE_LINED_ALL);
	CHECK(objects_get(b.objects, object)->lined);
	symbolize_use(b.s, object, 7, 1);
	CHECK_EQ(released_at(&b, 2 * SECOND), 0);
	symbolize_gone(b.s, 0, 1);
	CHECK(symbolize_lets_go(b.s));
	CHECK_EQ(released_at(&b, 40 * SECOND), 0);
	CHECK_EQ(released_at(&b, 43 * SECOND), 0);
	CHECK_EQ(released_at(&b, 44 * SECOND), WIRE_RELEASE);
	end(&b);
}

static uint32_t asked_about(struct bench *b)
{
	const struct wire_names *m = (const struct wire_names *)b->buf;

	return next(b, b->symbolizer) == WIRE_NAMES ? m->object : 0;
}

/* A process ended, and with it goes the file; the other one stays, and so do the questions about it. */
TEST(what_may_be_too_late_soon_is_asked_for_alone)
{
	struct bench b;
	uint32_t going, staying;

	begin(&b);
	going = make_held(&b, WIRE_LINED_NAMES);
	staying = make_ready(&b, 100);
	symbolize_use(b.s, going, 7, 1);
	add_stack(&b, going, 1);
	add_stack(&b, staying, 3);
	CHECK_EQ(symbolize_window_urgent(b.v, SECOND), 0);
	CHECK_EQ(asked_about(&b), 0);
	CHECK_EQ(symbolize_pending(b.v), 4);
	symbolize_gone(b.s, 7, 1);
	CHECK_EQ(symbolize_window_urgent(b.v, 2 * SECOND), 0);
	CHECK_EQ(asked_about(&b), going);
	CHECK_EQ(answer(&b, 1), 0);
	CHECK_EQ(symbolize_window_urgent(b.v, 3 * SECOND), 0);
	CHECK_EQ(asked_about(&b), 0);
	CHECK_EQ(symbolize_window(b.v, 4 * SECOND), 0);
	CHECK_EQ(asked_about(&b), staying);
	CHECK_EQ(answer(&b, 3), 0);
	CHECK_EQ(symbolize_pending(b.v), 0);
	CHECK_EQ(symbolize_late(b.v), 0);
	end(&b);
}

TEST(there_is_an_end_to_views)
{
	struct symbolize_view *views[SYMBOLIZE_VIEWS_MAX - 1], *more;
	struct bench b;

	begin(&b);
	for (size_t i = 0; i < ELEMENTSOF(views); i++)
		CHECK_EQ(symbolize_view_new(b.s, b.w, &views[i]), 0);
	CHECK_EQ(symbolize_view_new(b.s, b.w, &more), -E2BIG);
	views[0] = symbolize_view_free(views[0]);
	CHECK_EQ(symbolize_view_new(b.s, b.w, &views[0]), 0);
	for (size_t i = 0; i < ELEMENTSOF(views); i++)
		views[i] = symbolize_view_free(views[i]);
	end(&b);
}

CHECK_MAIN
