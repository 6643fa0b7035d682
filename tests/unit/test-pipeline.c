/* SPDX-License-Identifier: Apache-2.0 */

/* pipeline: which window a sample belongs to, and who may see it. */

#include "check.h"
#include "sample.h"
#include "stream.h"

#define USER 1000u
#define DUMPABLE 1u

/* A stream without a collection, as a replay's, with two intervals: [100, 200) ended, [200, ...) open. */
struct bench {
	struct sampler s;
	struct stream st;
	struct interval last, open;
	struct interval *list[2];
	unsigned int kept;
};

/* There are no rows here. */
void unwinding_use(struct sampler *s, const struct cprof_sample *sample,
		   const struct window_frame *frames, uint32_t cnt)
{
}

static enum cprof_record_type late_type; /* of the record that came last for a stack */

void latecoming_take(const struct stream *st, const struct record *rec)
{
	late_type = rec->type;
}

static void count_kept(const struct cprof_sample *head, uint32_t process, uint32_t stack, void *ctx)
{
	struct bench *b = ctx;

	b->kept++;
}

static void begin_interval(struct bench *b, struct interval *iv, uint64_t from_ns)
{
	iv->sampler = &b->s;
	iv->stream = &b->st;
	iv->counters = &b->st.counters;
	iv->window = window_new(from_ns, 1, 1);
	CHECK(iv->window);
}

static void begin(struct bench *b)
{
	*b = (struct bench){ 0 };
	CHECK_EQ(objects_new(1, &b->s.objects), 0);
	begin_interval(b, &b->last, 100);
	b->last.window->to_boot_ns = 200;
	begin_interval(b, &b->open, 200);
	b->list[0] = &b->last;
	b->list[1] = &b->open;
	b->s.intervals.v = b->list;
	b->s.intervals.cnt = ELEMENTSOF(b->list);
	b->st.sampler = &b->s;
	b->st.open = &b->open;
	b->st.opts.on_kept = count_kept;
	b->st.opts.ctx = b;
}

static void end(struct bench *b)
{
	b->last.window = window_free(b->last.window);
	b->open.window = window_free(b->open.window);
	vec_done(&b->st.seqs);
	b->s.objects = objects_free(b->s.objects);
}

static struct cprof_sample sample_of(uint32_t uid, uint64_t time_ns)
{
	return (struct cprof_sample){
		.time_ns = time_ns,
		.weight_ns = 1,
		.seq = 1,
		.pid = 7,
		.tid = 7,
		.uid = uid,
		.euid = uid,
		.cred = DUMPABLE,
		.exe = CPROF_OBJECT_NONE,
		.user_end = CPROF_END_LIMIT,
	};
}

static void give(struct bench *b, const struct cprof_sample *head)
{
	const struct sample_body body = { 0 };
	struct sample rec;

	sample_build(&rec, head, &body);
	CHECK_EQ(pipeline_on_sample(rec.bytes, rec.sz, &b->st), 0);
}

/* Whether the sample came into a window. */
static bool is_seen(struct bench *b, const struct cprof_sample *head)
{
	unsigned int kept = b->kept;
	uint64_t forbidden = b->st.counters.v[COUNTER_discard_forbidden];

	give(b, head);
	CHECK_EQ(b->kept - kept + b->st.counters.v[COUNTER_discard_forbidden] - forbidden, 1);
	return b->kept > kept;
}

TEST(a_late_sample_is_of_the_window_in_which_it_was_taken)
{
	static const uint64_t times[] = { 100, 199, 200, 201, 50 };
	struct cprof_sample head;
	struct bench b;

	begin(&b);
	for (size_t i = 0; i < ELEMENTSOF(times); i++) {
		head = sample_of(0, times[i]);
		give(&b, &head);
	}
	CHECK_EQ(b.last.samples, 2);
	CHECK_EQ(b.open.samples, 3); /* with one of before there was any */
	b.last.settled = true;	     /* it changes no more */
	head = sample_of(0, 150);
	give(&b, &head);
	CHECK_EQ(b.last.samples, 2);
	CHECK_EQ(b.open.samples, 4);
	CHECK_EQ(b.st.counters.v[COUNTER_delivered], 6);
	CHECK_EQ(b.kept, 6);
	end(&b);
}

/* It is nobody's run: the books do not know it. */
TEST(what_was_kept_of_a_stack_is_no_sample)
{
	static struct kept kept;
	static struct rest rest;
	struct bench b;

	begin(&b);
	kept_build(&kept, &(struct cprof_kept){ .seq = 1 }, &(struct kept_body){ 0 });
	CHECK_EQ(pipeline_on_sample(kept.bytes, kept.sz, &b.st), 0);
	CHECK_EQ(late_type, CPROF_RECORD_KEPT);
	rest_build(&rest, &(struct cprof_rest){ .seq = 1 }, &(struct rest_body){ 0 });
	CHECK_EQ(pipeline_on_sample(rest.bytes, rest.sz, &b.st), 0);
	CHECK_EQ(late_type, CPROF_RECORD_REST);
	CHECK_EQ(b.st.counters.v[COUNTER_delivered], 0);
	CHECK_EQ(b.st.counters.v[COUNTER_discard_malformed], 0);
	end(&b);
}

static void exit_at(struct bench *b, uint64_t time_ns)
{
	const struct cprof_exit e = {
		.head = { .size = sizeof(e),
			  .version = CPROF_ABI_VERSION,
			  .type = CPROF_RECORD_EXIT },
		.time_ns = time_ns,
		.cpu_ns = 5,
		.pid = 7,
	};

	CHECK_EQ(pipeline_on_sample(&e, sizeof(e), &b->st), 0);
}

TEST(an_exit_is_of_the_window_in_which_it_was)
{
	const struct cprof_sample before = sample_of(0, 150), after = sample_of(0, 250);
	struct bench b;

	begin(&b);
	give(&b, &before);
	give(&b, &after);
	exit_at(&b, 260);
	CHECK(!b.last.window->processes.v[0].ended);
	CHECK(b.open.window->processes.v[0].ended);
	end(&b);

	begin(&b);
	give(&b, &before);
	exit_at(&b, 199);
	CHECK(b.last.window->processes.v[0].ended);
	end(&b);

	/* Of the last window there is: what ended behind it lived on. */
	begin(&b);
	give(&b, &after);
	b.open.window->to_boot_ns = 300;
	exit_at(&b, 301);
	CHECK(!b.open.window->processes.v[0].ended);
	end(&b);
	CHECK_EQ(b.st.counters.v[COUNTER_delivered], 1); /* exits are no samples */
}

TEST(who_sees_all_sees_all)
{
	struct cprof_sample head = sample_of(0, 250);
	struct bench b;

	begin(&b);
	CHECK(is_seen(&b, &head));
	head.euid = USER;
	head.cred = CPROF_CRED_CHANGED;
	CHECK(is_seen(&b, &head));
	end(&b);
}

TEST(others_see_what_is_their_own)
{
	const struct cprof_sample own = sample_of(USER, 250);
	struct cprof_sample head = own;
	struct bench b;

	begin(&b);
	b.st.opts.own_only = true;
	b.st.opts.uid = USER;
	CHECK(is_seen(&b, &head));
	head.uid = USER + 1;
	CHECK(!is_seen(&b, &head));
	head = own;
	head.euid = 0;
	CHECK(!is_seen(&b, &head));
	for (uint32_t dumpable = 0; dumpable <= CPROF_CRED_DUMPABLE; dumpable++) {
		head = own;
		head.cred = dumpable;
		CHECK_EQ(is_seen(&b, &head), dumpable == DUMPABLE);
	}
	head = own;
	head.cred |= CPROF_CRED_CHANGED;
	CHECK(!is_seen(&b, &head));
	head = own;
	head.cred |= CPROF_CRED_GUARDED;
	CHECK(!is_seen(&b, &head));
	head = own;
	head.cred |= CPROF_CRED_COMPAT;
	CHECK(is_seen(&b, &head));
	head = sample_of(0, 250);
	head.cred |= CPROF_CRED_KTHREAD;
	b.st.opts.uid = 0;
	CHECK(!is_seen(&b, &head));
	end(&b);
}

/* What one small window has no room for is not taken from others; all of them have one room. */
TEST(small_windows_share_a_room)
{
	struct cprof_sample head = sample_of(0, 250);
	struct bench b;

	begin(&b);
	CHECK(arena_alloc(&b.open.window->arena, INTERVAL_BYTES_MAX / 3));
	give(&b, &head);
	CHECK_EQ(b.open.samples, 1);
	b.open.is_small = true;
	give(&b, &head);
	CHECK_EQ(b.open.samples, 1);
	CHECK_EQ(b.st.counters.v[COUNTER_discard_memory], 1);
	/* Another, empty one has room as long as all of them have. */
	b.last.is_small = true;
	head.time_ns = 150;
	give(&b, &head);
	CHECK_EQ(b.last.samples, 1);
	CHECK(arena_alloc(&b.open.window->arena, INTERVAL_BYTES_MAX / 3 * 2));
	give(&b, &head);
	CHECK_EQ(b.last.samples, 1);
	CHECK_EQ(b.st.counters.v[COUNTER_discard_memory], 2);
	end(&b);
}

CHECK_MAIN
