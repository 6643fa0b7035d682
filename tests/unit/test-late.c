/* SPDX-License-Identifier: Apache-2.0 */

/*
 * late: a stack waits for rows of one file after the other, gets its frames when they are there, and
 * what there is when nothing more comes. Rows lie in a real pool.
 */

#include "check.h"
#include "late-fixture.h"
#include "pool-fixture.h"

#include "cprof/base/cleanup.h"
#include "cprof/decode.h"
#include "cprof/fold.h"
#include "cprof/late.h"
#include "cprof/rows.h"

#define KERNEL_FRAMES 2

static const uint32_t late_objects[] = { PROGRAM, LIBRARY, START, CPROF_OBJECT_ANON };

/* Its slot is any other number. */
static struct cprof_known known(uint32_t object)
{
	return (struct cprof_known){ .id = object, .slot = object + 100 };
}

struct late_pool {
	struct image image;
	struct pool *pool;
};

static void late_pool_init(struct late_pool *p)
{
	image_init(&p->image);
	CHECK_EQ(pool_new(&p->image.memory, 4 * CPROF_SLAB_BYTES, 1, &p->pool), 0);
}

static void late_pool_done(struct late_pool *p)
{
	p->pool = pool_free(p->pool);
	image_done(&p->image);
}

/* Rows of one of the three: from 0x1000 to 0x2000. */
static void late_pool_put(struct late_pool *p, uint32_t object)
{
	const struct cprof_rule rule = {
		.cfa = CPROF_CFA_REG,
		.cfa_reg = CPROF_REG_RSP,
		.cfa_off = object == PROGRAM ? 16 : 32,
		.ra = object == START ? CPROF_WHERE_UNDEFINED : CPROF_WHERE_CFA,
		.ra_off = -8,
	};
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	struct rows_view view;
	void *bytes;
	size_t sz;

	CHECK_EQ(rows_builder_new(&b), 0);
	CHECK_EQ(rows_add(b, 0x1000, 0x2000, &rule), 0);
	CHECK_EQ(rows_finish(b, &bytes, &sz), 0);
	CHECK_EQ(rows_check(bytes, sz, &view), 0);
	CHECK_EQ(pool_put(p->pool, known(object), 0, &view, 1), 0);
	free(bytes);
}

struct bench {
	struct late_pool pool;
	struct counters counters;
	struct late *l;
	struct window *w;
	uint32_t awaited; /* rows of this object are on their way */
	uint32_t wants; /* places of which rows were wanted; of which objects, and the last one: */
	uint64_t wanted;
	uint64_t wanted_offset;
	uint64_t seq;
};

static enum rows_answer find(uint32_t object, uint64_t offset, struct cprof_rule *ret, void *ctx)
{
	struct bench *b = ctx;

	return (enum rows_answer)pool_find(b->pool.pool, known(object), offset, ret);
}

static void want(uint32_t object, uint64_t offset, void *ctx)
{
	struct bench *b = ctx;

	b->wants++;
	b->wanted |= 1ull << object;
	b->wanted_offset = offset;
}

static bool awaits(uint32_t object, void *ctx)
{
	const struct bench *b = ctx;

	return object == b->awaited;
}

static struct bench *begin_with(size_t bytes_max, uint32_t frames_max)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct late_opts opts = {
		.find = find,
		.want = want,
		.awaits = awaits,
		.frames_max = frames_max,
		.bytes_max = bytes_max,
		.ctx = b,
	};

	CHECK(b);
	opts.counters = &b->counters;
	late_pool_init(&b->pool);
	CHECK_EQ(late_new(&opts, 1, &b->l), 0);
	b->w = window_new(1, 1, 1);
	CHECK(b->w);
	return b;
}

static struct bench *begin(void)
{
	return begin_with(1 << 20, 100);
}

static void end(struct bench *b)
{
	b->l = late_free(b->l);
	b->w = window_free(b->w);
	late_pool_done(&b->pool);
	free(b);
}

/* A sample of @uid as the kernel's walk left it: two kernel frames, and the leaf. */
static uint32_t add_sample_of(struct bench *b, uint32_t uid)
{
	const struct cprof_sample head = {
		.seq = ++b->seq,
		.pid = 7,
		.uid = uid,
		.cpu = 1,
		.kernel_cnt = KERNEL_FRAMES,
		.user_cnt = 1,
		.kernel_end = CPROF_END_ROOT,
		.user_end = CPROF_END_NO_ROWS,
		.flags = CPROF_SAMPLE_LATE,
	};
	const __u64 kernel[KERNEL_FRAMES] = { 0xffffffff81000000, 0xffffffff81000100 };
	const struct cprof_frame user[] = { { 0x1100, PROGRAM, CPROF_FRAME_EXACT } };
	const struct window_frame frames[] = {
		{ kernel[0], CPROF_OBJECT_KERNEL, CPROF_FRAME_EXACT },
		{ kernel[1], CPROF_OBJECT_KERNEL, 0 },
		{ 0x1100, PROGRAM, CPROF_FRAME_EXACT },
	};
	struct sample s;
	struct record rec;
	uint32_t stack, process;

	sample_build(&s, &head, &(struct sample_body){ .kernel = kernel, .user = user });
	CHECK_EQ(decode_record(s.bytes, s.sz, &rec), 0);
	CHECK_EQ(fold_add_stack(b->w, &rec, frames, 3, &stack), 0);
	CHECK_EQ(fold_process(b->w, &rec, PROGRAM, &process), 0);
	CHECK_EQ(fold_add(b->w, &rec, process, stack), 0);
	late_remember(b->l, rec.sample.head, stack);
	return stack;
}

static uint32_t add_sample(struct bench *b)
{
	return add_sample_of(b, 1000);
}

static void keep_as(struct bench *b, struct cprof_kept head)
{
	static struct kept k;
	struct record rec;

	head.cpu = 1;
	if (!head.seq)
		head.seq = b->seq;
	late_kept_build(&k, &head);
	CHECK_EQ(decode_record(k.bytes, k.sz, &rec), 0);
	late_keep(b->l, &rec, late_objects);
}

static void keep(struct bench *b)
{
	keep_as(b, (struct cprof_kept){ 0 });
}

static void check_frame(const struct bench *b, uint32_t stack, uint32_t i, uint32_t object,
			uint64_t offset)
{
	const struct window_frame *f = &b->w->stacks.v[stack].frames[KERNEL_FRAMES + i];

	CHECK(b->w->stacks.v[stack].cnt > KERNEL_FRAMES + i);
	CHECK_EQ(f->object, object);
	CHECK_EQ(f->offset, offset);
	CHECK_EQ(f->flags, i == 0 ? CPROF_FRAME_EXACT : 0);
}

static void check_whole(const struct bench *b, uint32_t stack)
{
	const struct window_stack *s = &b->w->stacks.v[stack];

	CHECK_EQ(s->cnt, KERNEL_FRAMES + 3);
	CHECK_EQ(s->frames[1].offset, 0xffffffff81000100);
	check_frame(b, stack, 0, PROGRAM, 0x1100);
	check_frame(b, stack, 1, LIBRARY, 0x1200);
	check_frame(b, stack, 2, START, 0x1300);
	CHECK_EQ(s->user_end, CPROF_END_ROOT);
	CHECK(s->complete);
}

static void check_as_it_was(const struct bench *b, uint32_t stack)
{
	CHECK_EQ(b->w->stacks.v[stack].cnt, KERNEL_FRAMES + 1);
	CHECK_EQ(b->w->stacks.v[stack].user_end, CPROF_END_NO_ROWS);
	CHECK(!b->w->stacks.v[stack].complete);
}

static void put_all(struct bench *b)
{
	late_pool_put(&b->pool, PROGRAM);
	late_pool_put(&b->pool, LIBRARY);
	late_pool_put(&b->pool, START);
}

TEST(a_stack_waits_for_one_file_after_the_other)
{
	struct bench *b = begin();
	uint32_t stack = add_sample(b);

	keep(b);
	CHECK_EQ(late_pending(b->l), 1); /* it was not looked at yet */
	CHECK_EQ(late_window(b->l, b->w), 0);
	CHECK_EQ(late_pending(b->l), 0);
	b->awaited = PROGRAM;
	CHECK_EQ(late_pending(b->l), 1);
	late_pool_put(&b->pool, PROGRAM);
	late_pool_put(&b->pool, START);
	CHECK_EQ(late_window(b->l, b->w), 0);
	CHECK_EQ(late_pending(b->l), 0);
	b->awaited = LIBRARY;
	CHECK_EQ(late_pending(b->l), 1);
	check_as_it_was(b, stack);
	late_pool_put(&b->pool, LIBRARY);
	CHECK_EQ(late_window(b->l, b->w), 1);
	CHECK_EQ(late_pending(b->l), 0);
	check_whole(b, stack);
	CHECK_EQ(b->counters.v[COUNTER_stacks_mended], 1);
	CHECK_EQ(late_window(b->l, b->w), 0);
	CHECK_EQ(late_finish(b->l, b->w), 0);
	end(b);
}

/* At once all that lies on the stack, and then what a walk stops at. */
TEST(rows_of_what_is_on_the_stack_are_wanted)
{
	struct bench *b = begin();

	add_sample(b);
	keep(b);
	CHECK_EQ(b->wants, 3);
	CHECK_EQ(b->wanted, 1ull << PROGRAM | 1ull << LIBRARY | 1ull << START);
	CHECK_EQ(b->wanted_offset, 0x12ff); /* the call is before it */
	CHECK_EQ(late_window(b->l, b->w), 0);
	CHECK_EQ(b->wants, 4);
	CHECK_EQ(b->wanted_offset, 0x1100);
	CHECK_EQ(late_window(b->l, b->w), 0);
	CHECK_EQ(b->wants, 4);
	late_pool_put(&b->pool, PROGRAM);
	CHECK_EQ(late_window(b->l, b->w), 0);
	CHECK_EQ(b->wants, 5);
	CHECK_EQ(b->wanted_offset, 0x11ff);
	put_all(b);
	CHECK_EQ(late_window(b->l, b->w), 1);
	CHECK_EQ(b->wants, 5);
	end(b);
}

TEST(the_sums_follow)
{
	struct bench *b = begin();

	put_all(b);
	add_sample(b);
	keep(b);
	add_sample(b);
	CHECK_EQ(b->w->processes.v[0].complete, 0);
	CHECK_EQ(late_window(b->l, b->w), 1);
	window_recount(b->w);
	CHECK_EQ(b->w->processes.v[0].samples, 2);
	CHECK_EQ(b->w->processes.v[0].complete, 1);
	end(b);
}

TEST(a_file_that_has_no_rows_is_not_waited_for)
{
	static const struct rows_head nothing = { 0 };
	const struct rows_view none = { .head = &nothing };
	struct bench *b = begin();
	uint32_t stack = add_sample(b);

	late_pool_put(&b->pool, PROGRAM);
	CHECK_EQ(pool_put(b->pool.pool, known(LIBRARY), 0, &none, 1), 0);
	keep(b);
	CHECK_EQ(late_window(b->l, b->w), 1);
	CHECK_EQ(b->w->stacks.v[stack].cnt, KERNEL_FRAMES + 2);
	check_frame(b, stack, 1, LIBRARY, 0x1200);
	/* Its frame pointer is null. */
	CHECK_EQ(b->w->stacks.v[stack].user_end, CPROF_END_FP_ZERO);
	end(b);
}

TEST(what_waits_in_the_end_gets_what_there_is)
{
	struct bench *b = begin();
	uint32_t first = add_sample(b), second;

	keep(b);
	second = add_sample(b);
	keep(b);
	late_pool_put(&b->pool, PROGRAM);
	CHECK_EQ(late_window(b->l, b->w), 0);
	CHECK_EQ(late_finish(b->l, b->w), 2);
	CHECK_EQ(late_pending(b->l), 0);
	for (uint32_t stack = first; stack <= second; stack++) {
		CHECK_EQ(b->w->stacks.v[stack].cnt, KERNEL_FRAMES + 2);
		CHECK_EQ(b->w->stacks.v[stack].user_end, CPROF_END_NO_ROWS);
	}
	end(b);
}

TEST(a_stack_that_was_kept_in_part)
{
	struct bench *b = begin();
	uint32_t stack = add_sample(b);

	put_all(b);
	keep_as(b, (struct cprof_kept){ .stack_sz = 40 }); /* up to the second return address */
	CHECK_EQ(late_window(b->l, b->w), 1);
	CHECK_EQ(b->w->stacks.v[stack].cnt, KERNEL_FRAMES + 2);
	CHECK_EQ(b->w->stacks.v[stack].user_end, CPROF_END_SNAPSHOT);
	/* Not even the first one: no more than it had. */
	stack = add_sample(b);
	keep_as(b, (struct cprof_kept){ .stack_sz = 8 });
	CHECK_EQ(late_window(b->l, b->w), 0);
	check_as_it_was(b, stack);
	CHECK_EQ(late_pending(b->l), 0);
	end(b);
}

TEST(a_return_address_where_no_code_is)
{
	struct bench *b = begin();
	const uint64_t stack[] = { 0, STACK_AT - 0x800 }; /* mapped, not executable */
	struct cprof_kept head = { .seq = 1,
				   .pc = PROGRAM_AT + 0x1100,
				   .cpu = 1,
				   .maps_cnt = ELEMENTSOF(late_maps),
				   .stack_addr = STACK_AT,
				   .stack_sz = sizeof(stack) };
	static struct kept k;
	struct record rec;
	uint32_t n;

	late_pool_put(&b->pool, PROGRAM);
	head.regs[CPROF_REG_RSP] = STACK_AT;
	for (int cut = 0; cut < 2; cut++) {
		n = add_sample(b);
		head.seq = b->seq;
		head.flags = cut ? CPROF_KEPT_MAPS_CUT : 0;
		kept_build(&k, &head, &(struct kept_body){ .maps = late_maps, .stack = stack });
		CHECK_EQ(decode_record(k.bytes, k.sz, &rec), 0);
		late_keep(b->l, &rec, late_objects);
		CHECK_EQ(late_window(b->l, b->w), !cut);
		CHECK_EQ(b->w->stacks.v[n].user_end, cut ? CPROF_END_NO_ROWS : CPROF_END_NO_CODE);
	}
	end(b);
}

TEST(no_more_frames_than_are_wanted)
{
	struct bench *b = begin_with(1 << 20, 2);
	uint32_t stack = add_sample(b);

	put_all(b);
	keep(b);
	CHECK_EQ(late_window(b->l, b->w), 1);
	CHECK_EQ(b->w->stacks.v[stack].cnt, KERNEL_FRAMES + 2);
	CHECK_EQ(b->w->stacks.v[stack].user_end, CPROF_END_LIMIT);
	end(b);
}

static bool rest(struct bench *b, uint64_t seq, uint16_t cnt, uint8_t why)
{
	static const struct cprof_frame refs[4];
	static const struct window_frame frames[] = {
		{ 0x1100, PROGRAM, CPROF_FRAME_EXACT },
		{ 0x1200, LIBRARY, 0 },
		{ 0x1300, START, 0 },
	};
	const struct cprof_rest head = { .seq = seq, .cpu = 1, .user_cnt = cnt, .user_end = why };
	static struct rest r;
	struct record rec;

	rest_build(&r, &head, &(struct rest_body){ .user = refs });
	CHECK_EQ(decode_record(r.bytes, r.sz, &rec), 0);
	return late_take_rest(b->l, b->w, &rec, frames);
}

TEST(a_stack_that_another_walk_made_whole)
{
	struct bench *b = begin();
	uint32_t stack = add_sample(b);

	CHECK(!rest(b, 1, 1, CPROF_END_FP_FAULT)); /* no more than there is */
	CHECK(rest(b, 1, 2, CPROF_END_FP_FAULT));
	CHECK_EQ(b->w->stacks.v[stack].user_end, CPROF_END_FP_FAULT);
	CHECK(rest(b, 1, 3, CPROF_END_ROOT));
	check_whole(b, stack);
	/* It is whole: what comes after it is no better. */
	CHECK(!rest(b, 1, 2, CPROF_END_LIMIT));
	check_whole(b, stack);
	CHECK(!rest(b, 2, 3, CPROF_END_ROOT)); /* of no sample that is here */
	CHECK_EQ(b->counters.v[COUNTER_stacks_mended], 2);
	end(b);
}

TEST(samples_are_found_by_cpu_and_number)
{
	struct bench *b = begin();

	for (int i = 0; i < 1000; i++)
		add_sample(b);
	CHECK(!late_sample(b->l, 0, 1));
	CHECK(!late_sample(b->l, 1, 0));
	CHECK(!late_sample(b->l, 1, 1001));
	for (uint64_t seq = 1; seq <= 1000; seq++)
		CHECK_EQ(late_sample(b->l, 1, seq)->seq, seq);
	/* Nobody's, and the same one twice. */
	put_all(b);
	keep_as(b, (struct cprof_kept){ .seq = 5000 });
	keep_as(b, (struct cprof_kept){ .seq = 7 });
	keep_as(b, (struct cprof_kept){ .seq = 7 });
	CHECK_EQ(late_window(b->l, b->w), 1);
	check_whole(b, 6);
	end(b);
}

TEST(users_share_the_room)
{
	struct bench *b = begin_with(64 << 10, 100);
	size_t empty = late_bytes(b->l);
	uint64_t kept, mended;

	for (int i = 0; i < 1000; i++) {
		add_sample_of(b, 1000);
		keep(b);
	}
	kept = 1000 - b->counters.v[COUNTER_kept_dropped];
	CHECK(kept > 20 && kept < 100);
	add_sample_of(b, 2000);
	keep(b);
	CHECK_EQ(b->counters.v[COUNTER_kept_dropped], 1000 - kept);
	CHECK(late_bytes(b->l) > empty + kept * 300);
	/* Given back when they were walked; new frames are charged until the end. */
	put_all(b);
	mended = late_window(b->l, b->w);
	CHECK(mended > kept / 2);
	CHECK_EQ(mended + b->counters.v[COUNTER_kept_dropped], 1001);
	CHECK_EQ(b->counters.v[COUNTER_stacks_mended], mended);
	add_sample_of(b, 2000);
	keep(b);
	CHECK_EQ(late_window(b->l, b->w), 1);
	end(b);
}

CHECK_MAIN
