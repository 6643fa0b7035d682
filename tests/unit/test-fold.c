/* SPDX-License-Identifier: Apache-2.0 */

/*
 * fold: equality of raw and of located stacks, identity of processes, sums, completeness, and a
 * window that stays whole when memory runs out at any point.
 */

#include "check.h"
#include "fail.h"
#include "sample.h"

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/fold.h"

/* A sample with two kernel and two user frames and a key, to be varied; points into itself. */
struct fixture {
	struct cprof_sample head;
	__u64 kernel[2];
	struct cprof_frame user[2];
	struct cprof_key keys[1];
	struct record rec;
	struct window_frame located[4];
};

static void fixture_init(struct fixture *f)
{
	*f = (struct fixture){
		.head = { .pid = 100,
			  .start_ns = 5,
			  .exec = 1,
			  .uid = 1000,
			  .weight_ns = 10,
			  .kernel_cnt = 2,
			  .user_cnt = 2,
			  .keys_cnt = 1,
			  .kernel_end = CPROF_END_ROOT,
			  .user_end = CPROF_END_FP_ZERO,
			  .process_comm = "worker",
			  .comm = "thread" },
		.kernel = { 0xffffffff81000000, 0xffffffff81000100 },
		.user = { { .offset = 0x1000, .object = CPROF_OBJECT_KEY },
			  { .offset = 0x2000, .object = 17 } },
		.keys = { { .ino = 7 } },
		.located = { { .offset = 0xffffffff81000000, .object = CPROF_OBJECT_KERNEL },
			     { .offset = 0xffffffff81000100, .object = CPROF_OBJECT_KERNEL },
			     { .offset = 0x1000, .object = 16 },
			     { .offset = 0x2000, .object = 17 } },
	};
	f->rec.type = CPROF_RECORD_SAMPLE;
	f->rec.sample.head = &f->head;
	f->rec.sample.kernel = f->kernel;
	f->rec.sample.user = f->user;
	f->rec.sample.keys = f->keys;
}

static uint32_t add_stack(struct window *w, struct fixture *f)
{
	uint32_t cnt = f->head.kernel_cnt + (uint32_t)f->head.user_cnt, id, again;

	CHECK_EQ(fold_add_stack(w, &f->rec, f->located, cnt, &id), 0);
	CHECK(fold_find_stack(w, &f->rec, &again));
	CHECK_EQ(again, id);
	return id;
}

TEST(found_after_added)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t id = 99;

	fixture_init(&f);
	CHECK(!fold_find_stack(w, &f.rec, &id));
	CHECK_EQ(id, 99);
	CHECK_EQ(add_stack(w, &f), 0);
	CHECK_EQ(w->stacks.v[0].cnt, 4);
	CHECK(memcmp(w->stacks.v[0].frames, f.located, sizeof(f.located)) == 0);
	CHECK(w->stacks.v[0].frames != f.located);
	CHECK_EQ(w->stacks.v[0].kernel_end, CPROF_END_ROOT);
	CHECK_EQ(w->stacks.v[0].user_end, CPROF_END_FP_ZERO);
	/* Who was sampled where and when is not part of the stack. */
	f.head.pid = 200;
	f.head.time_ns = 999;
	f.head.cpu = 3;
	f.head.seq = 17;
	f.head.weight_ns = 77;
	CHECK(fold_find_stack(w, &f.rec, &id));
	CHECK_EQ(id, 0);
}

/* Each variation of the bytes is another raw stack. */
TEST(every_raw_byte_counts)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t id;

	fixture_init(&f);
	add_stack(w, &f);
	f.kernel[1]++;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	fixture_init(&f);
	f.user[1].offset++;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	fixture_init(&f);
	f.user[0].flags = CPROF_FRAME_EXACT;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	fixture_init(&f);
	f.keys[0].generation++;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	fixture_init(&f);
	f.head.kernel_end = CPROF_END_LIMIT;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	fixture_init(&f);
	f.head.user_end = CPROF_END_FP_BAD;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	fixture_init(&f);
	f.head.user_cnt = 1;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	fixture_init(&f);
	f.head.keys_cnt = 0;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	fixture_init(&f);
	CHECK(fold_find_stack(w, &f.rec, &id));
}

/* The bytes of two kernel addresses are those of one user frame. */
TEST(counts_tell_equal_bytes_apart)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t id;

	fixture_init(&f);
	f.head.keys_cnt = f.head.user_cnt = 0;
	f.kernel[0] = 0x1000;
	f.kernel[1] = 17;
	add_stack(w, &f);
	f.head.kernel_cnt = 0;
	f.head.user_cnt = 1;
	f.user[0] = (struct cprof_frame){ .offset = 0x1000, .object = 17 };
	CHECK(!fold_find_stack(w, &f.rec, &id));
}

/* The file of the first frame came as a key, then as an id: one stack, two raw ones. */
TEST(equal_located_stacks_share_an_id)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t id;

	fixture_init(&f);
	CHECK_EQ(add_stack(w, &f), 0);
	f.head.keys_cnt = 0;
	f.user[0].object = 16;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	CHECK_EQ(add_stack(w, &f), 0);
	CHECK_EQ(w->stacks.cnt, 1);
	CHECK_EQ(w->raws.cnt, 2);
	/* Not when the end is another one. */
	f.head.user_end = CPROF_END_ROOT;
	CHECK_EQ(add_stack(w, &f), 1);
	f.head.kernel_end = CPROF_END_LIMIT;
	CHECK_EQ(add_stack(w, &f), 2);
}

/* Addresses of one process mean nothing in another one, though the bytes be equal. */
TEST(own_stacks_belong_to_their_process)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t id;

	fixture_init(&f);
	f.head.flags = CPROF_SAMPLE_OWN;
	CHECK_EQ(add_stack(w, &f), 0);
	f.head.tid = 7;
	CHECK(fold_find_stack(w, &f.rec, &id));
	f.head.pid++;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	CHECK_EQ(add_stack(w, &f), 1);
	f.head.start_ns++;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	CHECK_EQ(add_stack(w, &f), 2);
	f.head.exec++;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	CHECK_EQ(add_stack(w, &f), 3);
	CHECK_EQ(w->stacks.v[3].owner.pid, 101);
	CHECK_EQ(w->stacks.v[3].owner.start_ns, 6);
	CHECK_EQ(w->stacks.v[3].owner.exec, 2);
	/* Nor are they those of a stack that anybody may have, which has no owner. */
	f.head.flags = 0;
	CHECK(!fold_find_stack(w, &f.rec, &id));
	CHECK_EQ(add_stack(w, &f), 4);
	CHECK_EQ(w->stacks.v[4].owner.pid, 0);
	/* Equal when located, by other bytes: still one of its own process. */
	f.head.flags = CPROF_SAMPLE_OWN;
	f.head.keys_cnt = 0;
	f.user[0].object = 16;
	CHECK_EQ(add_stack(w, &f), 3);
}

/* Placed once, by what is mapped then: what is mapped there later gets a stack of its own. */
TEST(stacks_to_be_located_later_belong_to_their_second)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t first, second;

	fixture_init(&f);
	f.head.flags = CPROF_SAMPLE_OWN | CPROF_SAMPLE_RAW;
	f.head.time_ns = 7000000000;
	f.located[2].object = f.located[3].object = CPROF_OBJECT_NONE;
	first = add_stack(w, &f);
	f.head.time_ns = 7999999999;
	CHECK(fold_find_stack(w, &f.rec, &second));
	CHECK_EQ(second, first);
	/* Also when nothing was placed in the first one. */
	f.head.time_ns = 8000000000;
	CHECK(!fold_find_stack(w, &f.rec, &second));
	second = add_stack(w, &f);
	CHECK(second != first);
	/* The kernel's frames are where they were. */
	f.head.user_cnt = f.head.keys_cnt = 0;
	first = add_stack(w, &f);
	f.head.time_ns += 5000000000;
	CHECK(fold_find_stack(w, &f.rec, &second));
	CHECK_EQ(second, first);
	/* And so is what the walk located. */
	fixture_init(&f);
	f.head.flags = CPROF_SAMPLE_OWN;
	first = add_stack(w, &f);
	f.head.time_ns += 5000000000;
	CHECK(fold_find_stack(w, &f.rec, &second));
	CHECK_EQ(second, first);
}

TEST(stacks_that_may_get_better_are_nobody_else_s)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t id, again;

	fixture_init(&f);
	f.head.flags = CPROF_SAMPLE_LATE;
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_EQ(fold_add_stack(w, &f.rec, f.located, 4, &id), 0);
		CHECK_EQ(id, i);
		CHECK(!fold_find_stack(w, &f.rec, &again));
		CHECK_EQ(w->stacks.v[i].owner.pid, 100);
	}
	/* Nor is one of them found for another that is as it is. */
	f.head.flags = CPROF_SAMPLE_OWN;
	CHECK_EQ(add_stack(w, &f), 2);
	f.head.flags = 0;
	CHECK_EQ(add_stack(w, &f), 3);
}

TEST(empty_stacks)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;

	fixture_init(&f);
	f.head.kernel_cnt = f.head.user_cnt = f.head.keys_cnt = 0;
	CHECK_EQ(add_stack(w, &f), 0);
	/* Equal when located, other bytes. */
	f.head.keys_cnt = 1;
	CHECK_EQ(fold_add_stack(w, &f.rec, NULL, 0, &(uint32_t){ 0 }), 0);
	CHECK_EQ(w->stacks.cnt, 1);
	CHECK_EQ(w->stacks.v[0].cnt, 0);
}

TEST(completeness)
{
	static const struct {
		__u8 kernel_end, user_end;
		__u32 cred;
		bool complete;
	} cases[] = {
		{ CPROF_END_ROOT, CPROF_END_ROOT, 0, true },
		{ CPROF_END_ROOT, CPROF_END_FP_ZERO, 0, true },
		{ CPROF_END_NONE, CPROF_END_ROOT, 0, true },
		{ CPROF_END_KERNEL_FAULT, CPROF_END_ROOT, 0, true },
		{ CPROF_END_ROOT, CPROF_END_FP_BAD, 0, false },
		{ CPROF_END_ROOT, CPROF_END_FP_FAULT, 0, false },
		{ CPROF_END_ROOT, CPROF_END_LIMIT, 0, false },
		{ CPROF_END_ROOT, CPROF_END_COMPAT, CPROF_CRED_COMPAT, false },
		{ CPROF_END_ROOT, CPROF_END_NONE, 0,
		  true }, /* no user code: a worker, or an exit */
		{ CPROF_END_ROOT, CPROF_END_NONE, CPROF_CRED_KTHREAD, true },
		{ CPROF_END_LIMIT, CPROF_END_NONE, CPROF_CRED_KTHREAD, false },
		{ CPROF_END_NONE, CPROF_END_NONE, CPROF_CRED_KTHREAD, false },
		{ CPROF_END_ROOT, CPROF_END_MAX - 1, 0, false },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(window_freep) struct window *w = window_new(0, 0, i);
		struct fixture f;
		uint32_t process;

		fixture_init(&f);
		f.head.kernel_end = cases[i].kernel_end;
		f.head.user_end = cases[i].user_end;
		f.head.cred = cases[i].cred;
		CHECK_EQ(add_stack(w, &f), 0);
		if (w->stacks.v[0].complete != cases[i].complete)
			CHECK_FAIL("case %zu", i);
		CHECK_EQ(fold_process(w, &f.rec, 0, &process), 0);
		CHECK_EQ(fold_add(w, &f.rec, process, 0), 0);
		CHECK_EQ(w->processes.v[0].complete, cases[i].complete);
	}
}

TEST(process_identity)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t id;

	fixture_init(&f);
	f.head.cgroup = 44;
	f.head.cgroup_hierarchy = 2;
	f.head.inner_pid = 3;
	f.head.euid = 0;
	f.head.cred = 1;
	CHECK_EQ(fold_process(w, &f.rec, 20, &id), 0);
	CHECK_EQ(id, 0);
	CHECK_EQ(fold_process(w, &f.rec, 20, &id), 0);
	CHECK_EQ(id, 0);
	f.head.exec++;
	CHECK_EQ(fold_process(w, &f.rec, 21, &id), 0);
	CHECK_EQ(id, 1);
	f.head.start_ns++;
	CHECK_EQ(fold_process(w, &f.rec, 21, &id), 0);
	CHECK_EQ(id, 2);
	f.head.pid++;
	CHECK_EQ(fold_process(w, &f.rec, CPROF_OBJECT_NONE, &id), 0);
	CHECK_EQ(id, 3);
	CHECK_EQ(fold_process(w, &f.rec, 22, &id), 0);
	CHECK_EQ(fold_process(w, &f.rec, CPROF_OBJECT_NONE, &id), 0);
	CHECK_EQ(id, 3);
	CHECK_EQ(w->processes.v[3].exe, 22); /* known once, known for good */
	CHECK_EQ(w->processes.cnt, 4);
	CHECK_EQ(w->processes.v[0].pid, 100);
	CHECK_EQ(w->processes.v[0].start_ns, 5);
	CHECK_EQ(w->processes.v[0].exec, 1);
	CHECK_EQ(w->processes.v[0].exe, 20);
	CHECK_EQ(w->processes.v[1].exe, 21);
	CHECK_EQ(w->processes.v[0].uid, 1000);
	CHECK_EQ(w->processes.v[0].euid, 0);
	CHECK_EQ(w->processes.v[0].cred, 1);
	CHECK_EQ(w->processes.v[0].cgroup, 44);
	CHECK_EQ(w->processes.v[0].cgroup_hierarchy, 2);
	CHECK_EQ(w->processes.v[0].inner_pid, 3);
	CHECK_EQ(w->processes.v[0].samples, 0);
	CHECK(w->processes.v[0].cpu_true_ns == UINT64_MAX);
}

TEST(an_exec_does_not_name_its_predecessor)
{
	struct window *w = window_new(0, 0, 1);
	struct cprof_sample head = { .pid = 1, .exec = 5, .process_comm = "old" };
	struct record rec = { .type = CPROF_RECORD_SAMPLE, .sample.head = &head };
	uint32_t id;

	CHECK_EQ(fold_process(w, &rec, CPROF_OBJECT_NONE, &id), 0);
	head.user_end = CPROF_END_EXEC;
	memcpy(head.process_comm, "new", 4);
	CHECK_EQ(fold_process(w, &rec, CPROF_OBJECT_NONE, &id), 0);
	CHECK_STR(w->processes.v[id].comm, "old");
	/* When nothing else is known of it, that is better than no name. */
	head.exec = 6;
	CHECK_EQ(fold_process(w, &rec, CPROF_OBJECT_NONE, &id), 0);
	CHECK_STR(w->processes.v[id].comm, "new");
	window_free(w);
}

TEST(process_comm)
{
	static const struct {
		char in[CPROF_COMM_SZ];
		const char *out; /* after it, in this order */
	} steps[] = {
		{ "", "" },
		{ "first", "first" },
		{ "", "first" },
		{ "renamed", "renamed" },
		{ "a\nb", "a\xef\xbf\xbd"
			  "b" },
		{ "x", "x" },
		/* No terminator, and the longest result there can be. */
		{ "sixteen bytes 16", "sixteen bytes 16" },
		{ "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01",
		  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t id;

	fixture_init(&f);
	for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
		memcpy(f.head.process_comm, steps[i].in, CPROF_COMM_SZ);
		CHECK_EQ(fold_process(w, &f.rec, 0, &id), 0);
		CHECK_STR(w->processes.v[id].comm, steps[i].out);
	}
	CHECK_EQ(w->processes.cnt, 1);
}

TEST(changed_credentials_stay_changed)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t id;

	fixture_init(&f);
	f.head.cred = 1;
	CHECK_EQ(fold_process(w, &f.rec, 0, &id), 0);
	CHECK_EQ(w->processes.v[id].cred, 1);
	f.head.cred = 1 | CPROF_CRED_CHANGED;
	CHECK_EQ(fold_process(w, &f.rec, 0, &id), 0);
	f.head.cred = 1;
	CHECK_EQ(fold_process(w, &f.rec, 0, &id), 0);
	CHECK_EQ(w->processes.v[id].cred, 1 | CPROF_CRED_CHANGED);
}

/* Who may see a process in a window may see each of its samples. */
TEST(strictest_sample_counts)
{
	static const struct {
		uint32_t uid, euid, cred;
		uint8_t user_end;
		bool seen; /* together with samples that the user may see */
	} others[] = {
		{ 7, 7, 1, CPROF_END_ROOT, true },
		{ 7, 7, 1 | CPROF_CRED_COMPAT, CPROF_END_COMPAT, true },
		{ 7, 7, 0, CPROF_END_NONE, true }, /* it ends, and has no memory any more */
		{ 7, 7, 0, CPROF_END_ROOT, false },
		{ 7, 7, 2, CPROF_END_ROOT, false },
		{ 8, 8, 1, CPROF_END_ROOT, false },
		{ 0, 0, 1, CPROF_END_NONE, false },
		{ 7, 7, 1 | CPROF_CRED_CHANGED, CPROF_END_ROOT, false },
		{ 7, 7, 1 | CPROF_CRED_GUARDED, CPROF_END_ROOT, false },
	};

	for (size_t i = 0; i < ELEMENTSOF(others); i++) {
		_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
		const struct window_process *p;
		struct record_owner owner;
		struct fixture f;
		uint32_t id;

		fixture_init(&f);
		for (unsigned int turn = 0; turn < 3; turn++) {
			f.head.uid = turn == 1 ? others[i].uid : 7;
			f.head.euid = turn == 1 ? others[i].euid : 7;
			f.head.cred = turn == 1 ? others[i].cred : 1;
			f.head.user_end = turn == 1 ? others[i].user_end : CPROF_END_ROOT;
			CHECK_EQ(fold_process(w, &f.rec, 0, &id), 0);
		}
		p = &w->processes.v[id];
		owner = (struct record_owner){ .uid = p->uid, .euid = p->euid, .cred = p->cred };
		CHECK_EQ(record_may_see(7, &owner), others[i].seen);
	}
}

/* Whoever starts a unit makes the process first and moves it then. */
TEST(latest_group_counts)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct fixture f;
	uint32_t id;

	fixture_init(&f);
	f.head.cgroup = 7;
	f.head.cgroup_hierarchy = CPROF_HIERARCHY_PIDS;
	CHECK_EQ(fold_process(w, &f.rec, 0, &id), 0);
	CHECK_EQ(w->processes.v[id].cgroup, 7);
	f.head.cgroup = 8;
	f.head.cgroup_hierarchy = CPROF_HIERARCHY_DEFAULT;
	CHECK_EQ(fold_process(w, &f.rec, 0, &id), 0);
	CHECK_EQ(w->processes.cnt, 1);
	CHECK_EQ(w->processes.v[id].cgroup, 8);
	CHECK_EQ(w->processes.v[id].cgroup_hierarchy, CPROF_HIERARCHY_DEFAULT);
}

TEST(sums)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	uint64_t cnt = 0, weight = 0;
	struct fixture f;
	uint32_t process, stack;

	fixture_init(&f);
	for (unsigned int i = 0; i < 6000; i++) {
		f.head.pid = 100 + i % 3;
		f.kernel[0] = i % 5;
		f.located[0].offset = i % 5;
		f.head.weight_ns = i;
		f.head.user_end = i % 5 == 4 ? CPROF_END_LIMIT : CPROF_END_ROOT;
		if (!fold_find_stack(w, &f.rec, &stack))
			stack = add_stack(w, &f);
		CHECK_EQ(fold_process(w, &f.rec, 0, &process), 0);
		CHECK_EQ(fold_add(w, &f.rec, process, stack), 0);
	}
	CHECK_EQ(w->processes.cnt, 3);
	CHECK_EQ(w->stacks.cnt, 5);
	CHECK_EQ(w->samples.cnt, 15);
	for (size_t i = 0; i < w->samples.cnt; i++) {
		CHECK_EQ(w->samples.v[i].cnt, 400);
		cnt += w->samples.v[i].cnt;
		weight += w->samples.v[i].weight_ns;
	}
	CHECK_EQ(cnt, 6000);
	CHECK_EQ(weight, 5999ULL * 6000 / 2);
	for (size_t i = 0; i < 3; i++) {
		CHECK_EQ(w->processes.v[i].samples, 2000);
		CHECK_EQ(w->processes.v[i].complete, 1600);
		weight -= w->processes.v[i].weight_ns;
	}
	CHECK_EQ(weight, 0);
}

/* What began and ended in the window, which begins at 100: by fork, by exec, by exit. */
TEST(brief_processes)
{
	static const struct {
		uint64_t start_ns;
		uint32_t pid, exec;
		bool exits, brief;
	} rows[] = {
		{ 50, 1, 1, true, false },   /* began before */
		{ 50, 2, 1, false, false },  /* the same start: another process */
		{ 100, 3, 1, true, true },   /* as long as the window at most */
		{ 101, 4, 1, false, false }, /* lives */
		{ 60, 5, 7, false, false },  /* was there, then exec: ended, but did not begin */
		{ 60, 5, 8, false, true },   /* exec to exec */
		{ 60, 5, 9, false, false },  /* lives on */
		{ 120, 6, 3, false, true },  /* fork to exec */
		{ 120, 6, 4, true, true },   /* exec to exit */
		{ 130, 7, 2, true, true },   /* fork to exec; the exit tells of both */
		{ 130, 7, 3, true, true },
	};
	_cleanup_(window_freep) struct window *w = window_new(100, 0, 9);
	struct fixture f;
	uint32_t id;

	fixture_init(&f);
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		f.head.pid = rows[i].pid;
		f.head.start_ns = rows[i].start_ns;
		f.head.exec = rows[i].exec;
		CHECK_EQ(fold_process(w, &f.rec, 0, &id), 0);
		CHECK_EQ(id, i);
	}
	for (size_t i = ELEMENTSOF(rows); i-- > 0;) {
		const struct cprof_exit e = { .pid = rows[i].pid,
					      .start_ns = rows[i].start_ns,
					      .exec = rows[i].exec,
					      .cpu_ns = 5 };

		/* Of two generations only the last one is told to exit. */
		if (rows[i].exits && !(i + 1 < ELEMENTSOF(rows) && rows[i + 1].pid == e.pid))
			fold_exit(w, &e);
	}
	CHECK_EQ(w->processes.v[9].ended, 1);
	CHECK_EQ(w->processes.v[9].cpu_true_ns, UINT64_MAX);
	CHECK_EQ(w->processes.v[10].cpu_true_ns, 5);
	fold_settle(w);
	for (size_t i = 0; i < ELEMENTSOF(rows); i++)
		CHECK_EQ(w->processes.v[i].brief, rows[i].brief);
}

TEST(exits)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	struct cprof_exit e = { .pid = 100, .start_ns = 5, .exec = 1, .cpu_ns = 1234 };
	struct fixture f;
	uint32_t id;

	fixture_init(&f);
	fold_exit(w, &e);
	CHECK_EQ(fold_process(w, &f.rec, 0, &id), 0);
	e.exec = 2;
	fold_exit(w, &e);
	e.exec = 1;
	e.start_ns = 6;
	fold_exit(w, &e);
	e.start_ns = 5;
	e.pid = 101;
	fold_exit(w, &e);
	CHECK(w->processes.v[0].cpu_true_ns == UINT64_MAX);
	e.pid = 100;
	fold_exit(w, &e);
	CHECK_EQ(w->processes.v[0].cpu_true_ns, 1234);
	e.pid = 0; /* of a nested pid namespace: start and exec must do */
	e.cpu_ns = 5678;
	fold_exit(w, &e);
	CHECK_EQ(w->processes.v[0].cpu_true_ns, 5678);
	CHECK_EQ(w->processes.cnt, 1);
}

/* All that others see of a window. */
struct figures {
	size_t processes, stacks, samples, raws, process_map, raw_map, stack_map, sample_map;
};

static void check_unchanged(const struct window *w, const struct figures *before)
{
	CHECK_EQ(w->processes.cnt, before->processes);
	CHECK_EQ(w->stacks.cnt, before->stacks);
	CHECK_EQ(w->samples.cnt, before->samples);
	CHECK_EQ(w->raws.cnt, before->raws);
	CHECK_EQ(w->process_map.cnt, before->process_map);
	CHECK_EQ(w->raw_map.cnt, before->raw_map);
	CHECK_EQ(w->stack_map.cnt, before->stack_map);
	CHECK_EQ(w->sample_map.cnt, before->sample_map);
}

static struct figures figures_of(const struct window *w)
{
	return (struct figures){ w->processes.cnt, w->stacks.cnt,      w->samples.cnt,
				 w->raws.cnt,	   w->process_map.cnt, w->raw_map.cnt,
				 w->stack_map.cnt, w->sample_map.cnt };
}

enum step { STEP_STACK, STEP_PROCESS, STEP_ADD };

static int take_step(struct window *w, struct fixture *f, enum step step, uint32_t *process,
		     uint32_t *stack)
{
	switch (step) {
	case STEP_STACK:
		if (fold_find_stack(w, &f->rec, stack))
			return 0;
		return fold_add_stack(w, &f->rec, f->located, 4, stack);
	case STEP_PROCESS:
		return fold_process(w, &f->rec, 0, process);
	default:
		return fold_add(w, &f->rec, *process, *stack);
	}
}

/* Fails each allocation of each step once, while everything grows. */
TEST(no_memory)
{
	_cleanup_(window_freep) struct window *w = window_new(0, 0, 9);
	unsigned int failed[3] = { 0 };
	struct fixture f;

	fixture_init(&f);
	for (unsigned int i = 0; i < 3000; i++) {
		uint32_t process = UINT32_MAX, stack = UINT32_MAX;

		f.head.pid = i;
		f.kernel[0] = f.located[0].offset = i;
		for (int step = STEP_STACK; step <= STEP_ADD; step++) {
			struct figures before = figures_of(w);

			for (long n = 0;; n++) {
				int r;

				fail_at(n);
				r = take_step(w, &f, step, &process, &stack);
				if (fail_over()) {
					CHECK_EQ(r, 0);
					break;
				}
				CHECK_EQ(r, -ENOMEM);
				check_unchanged(w, &before);
				failed[step]++;
			}
		}
		CHECK_EQ(stack, i);
		CHECK_EQ(process, i);
	}
	CHECK(failed[STEP_STACK] > 20);
	CHECK(failed[STEP_PROCESS] > 10);
	CHECK(failed[STEP_ADD] > 10);
	CHECK_EQ(w->samples.cnt, 3000);
	for (uint32_t i = 0; i < 3000; i++) {
		CHECK_EQ(w->samples.v[i].cnt, 1);
		CHECK_EQ(w->stacks.v[i].frames[0].offset, i);
	}
}

CHECK_MAIN
