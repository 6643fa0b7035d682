/* SPDX-License-Identifier: Apache-2.0 */

/*
 * remap: places of frames by an opener that the test plays, honest and not. What is wrong costs
 * places, and each frame without one is counted.
 */

#include <linux/magic.h>
#include <sys/stat.h>

#include "check.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/remap.h"

#define PAGE 4096ull
#define START 0x7f0000001000ull /* of the only mapping, four pages from offset 0x2000 */
#define END 0x7f0000005000ull
#define PGOFF 0x2000

struct question {
	struct wire_maps head;
	uint64_t addresses[WIRE_MAPS_MAX];
};

struct bench {
	struct objects *objects;
	struct counters counters;
	struct remap *r;
	struct window *w;
	uint64_t now_ns;
	int ask_result;
	struct question asked[16]; /* not answered yet */
	unsigned int asked_cnt;
	unsigned int files; /* announced */
	struct cprof_announce file;
	struct {
		struct wire_mapped head;
		struct wire_range ranges[WIRE_MAPS_MAX];
	} answer;
};

static int on_ask(const struct wire_maps *m, void *ctx)
{
	struct bench *b = ctx;

	if (b->ask_result < 0)
		return b->ask_result;
	CHECK(b->asked_cnt < ELEMENTSOF(b->asked));
	CHECK_EQ(wire_check(m, m->head.size), WIRE_MAPS);
	CHECK(m->cnt > 0);
	memcpy(&b->asked[b->asked_cnt++], m, m->head.size);
	return 0;
}

static void on_file(const struct cprof_announce *a, void *ctx)
{
	struct bench *b = ctx;

	b->files++;
	b->file = *a;
}

static struct bench *begin(void)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct remap_opts opts = { .ask = on_ask, .on_file = on_file, .first_id = 1, .ctx = b };

	CHECK(b);
	CHECK_EQ(objects_new(1, &b->objects), 0);
	opts.objects = b->objects;
	opts.counters = &b->counters;
	CHECK_EQ(remap_new(&opts, 1, &b->r), 0);
	b->w = window_new(1, 1, 1);
	CHECK(b->w);
	b->now_ns = 100 * NSEC_PER_SEC;
	return b;
}

static void end(struct bench *b)
{
	CHECK_EQ(remap_pending(b->r), 0);
	b->r = remap_free(b->r);
	b->w = window_free(b->w);
	b->objects = objects_free(b->objects);
	free(b);
}

static uint32_t add_process(struct bench *b, uint32_t pid, uint32_t exec)
{
	struct window_process p = { .start_ns = 5, .pid = pid, .exec = exec, .uid = 1000 };

	CHECK_EQ(vec_push(&b->w->processes, p), 0);
	return (uint32_t)b->w->processes.cnt - 1;
}

/* A stack with a kernel frame and these user frames of @process; seen twice. */
static uint32_t add_stack(struct bench *b, uint32_t process, const uint64_t *user, uint32_t cnt)
{
	struct window_frame *frames = arena_alloc(&b->w->arena, (cnt + 1) * sizeof(*frames));
	const struct window_process *p = &b->w->processes.v[process];
	struct window_stack stack = {
		.frames = frames,
		.owner = { .start_ns = p->start_ns, .pid = p->pid, .exec = p->exec },
		.cnt = cnt + 1,
		.user_end = CPROF_END_FP_ZERO,
		.complete = true,
	};
	struct window_sample sample = { .process = process,
					.stack = (uint32_t)b->w->stacks.cnt,
					.cnt = 2 };

	CHECK(frames);
	frames[0] = (struct window_frame){ .offset = 0xffffffff81000000,
					   .object = CPROF_OBJECT_KERNEL };
	for (uint32_t i = 0; i < cnt; i++)
		frames[i + 1] = (struct window_frame){ .offset = user[i] };
	CHECK_EQ(vec_push(&b->w->stacks, stack), 0);
	CHECK_EQ(vec_push(&b->w->samples, sample), 0);
	b->w->processes.v[process].complete += 2;
	return sample.stack;
}

#define ADD_STACK(b, process, ...)                                   \
	add_stack((b), (process), (const uint64_t[]){ __VA_ARGS__ }, \
		  sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static const struct window_frame *user_frame(const struct bench *b, uint32_t stack, uint32_t i)
{
	CHECK(i + 1 < b->w->stacks.v[stack].cnt);
	return &b->w->stacks.v[stack].frames[i + 1];
}

static struct wire_range range_of(uint64_t address)
{
	struct wire_range m = { .start = START,
				.end = END,
				.pgoff = PGOFF,
				.key = { .ino = 7, .size = 100, .dev = 1 },
				.kind = WIRE_RANGE_FILE,
				.owner = 3,
				.fs_magic = EXT4_SUPER_MAGIC,
				.mode = S_IFREG | 0755 };

	if (address >= START && address < END)
		return m;
	m = (struct wire_range){ 0 };
	if (address >> 44 == 6)
		m = (struct wire_range){ .start = 6ull << 44,
					 .end = 7ull << 44,
					 .kind = WIRE_RANGE_ANON };
	if (address >> 44 == 5)
		m = (struct wire_range){ .start = 5ull << 44,
					 .end = 6ull << 44,
					 .kind = WIRE_RANGE_VDSO };
	return m;
}

/* Prepares the answer to the first question. */
static void prepare(struct bench *b, uint32_t status)
{
	const struct question *q = &b->asked[0];

	CHECK(b->asked_cnt > 0);
	memset(&b->answer, 0, sizeof(b->answer));
	b->answer.head = (struct wire_mapped){
		.head = { .type = WIRE_MAPPED, .id = q->head.head.id },
		.status = status,
		.cnt = status == WIRE_OPENED_OK ? q->head.cnt : 0,
	};
	for (uint32_t i = 0; i < b->answer.head.cnt; i++)
		b->answer.ranges[i] = range_of(q->addresses[i]);
	b->answer.head.head.size = (uint32_t)(sizeof(b->answer.head) +
					      b->answer.head.cnt * sizeof(b->answer.ranges[0]));
	b->asked_cnt--;
	memmove(b->asked, b->asked + 1, b->asked_cnt * sizeof(b->asked[0]));
}

static int say(struct bench *b)
{
	CHECK_EQ(wire_check(&b->answer, b->answer.head.head.size), WIRE_MAPPED);
	return remap_on_mapped(b->r, b->w, &b->answer.head, b->now_ns);
}

static bool is_jit(struct bench *b, uint32_t object, uint32_t pid)
{
	const struct object *o = objects_get(b->objects, object);

	return o && o->kind == OBJECT_JIT && o->jit.pid == pid && o->jit.exec == 1;
}

static int answer(struct bench *b, uint32_t status)
{
	prepare(b, status);
	return say(b);
}

TEST(places_of_all_kinds)
{
	struct bench *b = begin();
	uint32_t p = add_process(b, 42, 1);
	uint32_t s = ADD_STACK(b, p, START + 0x10, START + PAGE + 0x20, (5ull << 44) + 0x30,
			       (6ull << 44) + 0x40);

	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(b->asked_cnt, 1);
	CHECK_EQ(b->asked[0].head.pid, 42);
	CHECK_EQ(b->asked[0].head.start_ns, 5);
	CHECK_EQ(b->asked[0].head.cnt, 4); /* pages */
	CHECK_EQ(remap_pending(b->r), 1);
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 1);
	CHECK_EQ(user_frame(b, s, 0)->offset, PGOFF + 0x10);
	CHECK_EQ(objects_get(b->objects, user_frame(b, s, 0)->object)->kind, OBJECT_FILE);
	CHECK_EQ(user_frame(b, s, 1)->offset, PGOFF + PAGE + 0x20);
	CHECK_EQ(user_frame(b, s, 2)->offset, 0x30);
	CHECK_EQ(user_frame(b, s, 2)->object, CPROF_OBJECT_VDSO);
	CHECK_EQ(user_frame(b, s, 3)->offset, (6ull << 44) + 0x40);
	CHECK(is_jit(b, user_frame(b, s, 3)->object, 42));
	CHECK_EQ(b->w->stacks.v[s].frames[0].object, CPROF_OBJECT_KERNEL);
	CHECK_EQ(b->counters.v[COUNTER_frames_remapped], 4);
	CHECK_EQ(b->counters.v[COUNTER_frames_unlocated], 0);
	CHECK_EQ(b->file.pid, 42);
	CHECK_EQ(b->file.vm_start, START);
	CHECK_EQ(b->file.vm_end, END);
	CHECK_EQ(b->file.vm_pgoff, PGOFF);
	CHECK_EQ(b->file.fs_magic, EXT4_SUPER_MAGIC);
	CHECK_EQ(b->file.mode, S_IFREG | 0755);
	CHECK_EQ(b->file.owner, 3);
	CHECK_EQ(b->file.uid, 1000);
	CHECK_EQ(b->file.key.ino, 7);
	/* Known for a second, at any place of the mapping; then asked again. */
	s = ADD_STACK(b, p, START + 2 * PAGE);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns + NSEC_PER_SEC / 2), 1);
	CHECK_EQ(user_frame(b, s, 0)->offset, PGOFF + 2 * PAGE);
	CHECK_EQ(b->asked_cnt, 0);
	b->now_ns += 2 * NSEC_PER_SEC;
	(void)ADD_STACK(b, p, START + 2 * PAGE);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(b->asked_cnt, 1);
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 1);
	CHECK_EQ(objects_cnt(b->objects), CPROF_OBJECT_FIRST + 2);
	end(b);
}

/* As the walk would have ended it: what is no code is no caller, and the stack is not whole. */
TEST(a_stack_ends_where_no_code_is)
{
	struct bench *b = begin();
	uint32_t p = add_process(b, 42, 1), whole, cut, leaf;

	whole = ADD_STACK(b, p, START);
	cut = ADD_STACK(b, p, START, 0x20000, START + 1);
	leaf = ADD_STACK(b, p, 0x20000, START);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 3);
	CHECK_EQ(b->w->stacks.v[whole].cnt, 2);
	CHECK_EQ(b->w->stacks.v[cut].cnt, 2);
	CHECK_EQ(b->w->stacks.v[cut].user_end, CPROF_END_FP_BAD);
	CHECK(!b->w->stacks.v[cut].complete);
	CHECK_EQ(b->w->stacks.v[leaf].cnt, 3);
	CHECK_EQ(user_frame(b, leaf, 0)->object, CPROF_OBJECT_NONE);
	CHECK_EQ(user_frame(b, leaf, 1)->object, CPROF_OBJECT_FIRST);
	CHECK_EQ(b->counters.v[COUNTER_frames_unlocated], 1);
	CHECK_EQ(b->counters.v[COUNTER_frames_remapped], 3);
	CHECK_EQ(b->w->processes.v[p].complete, 6);
	remap_finish(b->r, b->w);
	CHECK_EQ(b->w->processes.v[p].complete, 4);
	end(b);
}

/* A mapped file that nobody could look at: its frame is counted, and the callers behind it stay. */
TEST(what_could_not_be_looked_at_ends_no_stack)
{
	struct bench *b = begin();
	uint32_t p = add_process(b, 42, 1), s = ADD_STACK(b, p, START, 0x20000, START + 1);

	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	prepare(b, WIRE_OPENED_OK);
	b->answer.ranges[0].kind = WIRE_RANGE_UNKNOWN; /* ascending: 0x20000 */
	CHECK_EQ(say(b), 1);
	CHECK_EQ(b->w->stacks.v[s].cnt, 4);
	CHECK_EQ(b->w->stacks.v[s].user_end, CPROF_END_FP_ZERO);
	CHECK(b->w->stacks.v[s].complete);
	CHECK_EQ(user_frame(b, s, 1)->object, CPROF_OBJECT_NONE);
	CHECK_EQ(user_frame(b, s, 1)->offset, 0x20000);
	CHECK_EQ(user_frame(b, s, 2)->object, CPROF_OBJECT_FIRST);
	CHECK_EQ(b->counters.v[COUNTER_frames_unlocated], 1);
	CHECK_EQ(b->counters.v[COUNTER_frames_remapped], 2);
	end(b);
}

/* What BPF told of the executable is the same object; of a file that differs in a time, another. */
TEST(a_file_that_bpf_knows_is_that_object)
{
	static const struct cprof_key known = {
		.sb = 99, .ino = 7, .size = 100, .dev = 1, .generation = 3
	};
	static const struct cprof_key other = {
		.sb = 99, .ino = 7, .size = 100, .dev = 1, .mtime_s = 1
	};
	struct bench *b = begin();
	uint32_t p = add_process(b, 42, 1), object, s;

	CHECK_EQ(objects_intern(b->objects, &other, &object), 0);
	CHECK_EQ(objects_intern(b->objects, &known, &object), 0);
	b->w->processes.v[p].exe = object;
	s = ADD_STACK(b, p, START);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK(memcmp(&b->asked[0].head.exe, &known, sizeof(known)) == 0);
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 1);
	CHECK_EQ(user_frame(b, s, 0)->object, object);
	CHECK(memcmp(&b->file.key, &known, sizeof(known)) == 0);
	end(b);
}

TEST(processes_that_are_gone)
{
	struct bench *b = begin();
	uint32_t p = add_process(b, 42, 1), foreign = add_process(b, 0, 1), s;

	(void)ADD_STACK(b, p, START, START + PAGE);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(answer(b, WIRE_OPENED_GONE), 1);
	CHECK_EQ(b->counters.v[COUNTER_frames_unlocated], 2);
	/* Nor is it asked for again, nor one that has no number in our namespace. */
	(void)ADD_STACK(b, p, START);
	(void)ADD_STACK(b, foreign, START);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 2);
	CHECK_EQ(b->asked_cnt, 0);
	CHECK_EQ(b->counters.v[COUNTER_frames_unlocated], 4);
	/* The same pid, another program. */
	s = ADD_STACK(b, add_process(b, 42, 2), START);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 1);
	CHECK_EQ(user_frame(b, s, 0)->object, CPROF_OBJECT_FIRST);
	/* Gone later: what was known of it is better than nothing, however old. */
	s = ADD_STACK(b, 2, START + 0x100, START + 6 * PAGE);
	b->now_ns += 10 * NSEC_PER_SEC;
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(answer(b, WIRE_OPENED_GONE), 1);
	CHECK_EQ(user_frame(b, s, 0)->object, CPROF_OBJECT_FIRST);
	CHECK_EQ(user_frame(b, s, 1)->object, CPROF_OBJECT_NONE);
	CHECK_EQ(b->counters.v[COUNTER_frames_unlocated], 5);
	end(b);
}

TEST(lies)
{
	for (int lie = 0; lie < 6; lie++) {
		struct bench *b = begin();

		(void)ADD_STACK(b, add_process(b, 42, 1), START, 6ull << 44);
		CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
		prepare(b, WIRE_OPENED_OK);
		switch (lie) {
		case 0: /* not asked */
			b->answer.head.head.id++;
			break;
		case 1: /* too few */
			b->answer.head.cnt--;
			b->answer.head.head.size -= (uint32_t)sizeof(struct wire_range);
			break;
		case 2: /* elsewhere */
			b->answer.ranges[0].start += PAGE;
			break;
		case 3:
			b->answer.ranges[1].start = b->answer.ranges[1].end - PAGE;
			break;
		case 4: /* no page */
			b->answer.ranges[1].end++;
			break;
		case 5: /* said twice */
			CHECK_EQ(say(b), 1);
			break;
		}
		CHECK_EQ(say(b), -EBADMSG);
		remap_opener_lost(b->r, UINT64_MAX);
		remap_finish(b->r, b->w);
		CHECK_EQ(b->counters.v[COUNTER_frames_unlocated] +
				 b->counters.v[COUNTER_frames_remapped],
			 2);
		end(b);
	}
}

/* Profiles are written while it still works on the last questions. */
TEST(answers_that_come_too_late_are_no_lies)
{
	struct bench *b = begin();

	(void)ADD_STACK(b, add_process(b, 42, 1), START);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	remap_finish(b->r, b->w);
	CHECK(!remap_opener_is_stuck(b->r, b->now_ns + 99 * NSEC_PER_SEC, NSEC_PER_SEC));
	CHECK_EQ(b->counters.v[COUNTER_frames_unlocated], 1);
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 0);
	CHECK_EQ(b->counters.v[COUNTER_frames_remapped], 0);
	CHECK_EQ(b->files, 0);
	b->answer.head.head.id++; /* never asked */
	CHECK_EQ(say(b), -EBADMSG);
	end(b);
}

/* One that dies of a process is not followed by more than a few. */
TEST(openers_come_and_go)
{
	struct bench *b = begin();

	(void)ADD_STACK(b, add_process(b, 42, 1), START);
	b->ask_result = -EBADF;
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK(!remap_opener_is_stuck(b->r, b->now_ns + 99 * NSEC_PER_SEC, NSEC_PER_SEC));
	b->ask_result = 0;
	for (int tries = 0; tries < 3; tries++) {
		CHECK_EQ(remap_pending(b->r), 1);
		CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
		CHECK_EQ(b->asked_cnt, 1);
		CHECK(!remap_opener_is_stuck(b->r, b->now_ns + NSEC_PER_SEC, NSEC_PER_SEC));
		b->now_ns += 2 * NSEC_PER_SEC;
		remap_opener_heard(b->r, b->now_ns);
		CHECK(!remap_opener_is_stuck(b->r, b->now_ns, NSEC_PER_SEC));
		CHECK(remap_opener_is_stuck(b->r, b->now_ns + 2 * NSEC_PER_SEC, NSEC_PER_SEC));
		remap_opener_waited(b->r, 2 * NSEC_PER_SEC);
		CHECK(!remap_opener_is_stuck(b->r, b->now_ns + 2 * NSEC_PER_SEC, NSEC_PER_SEC));
		remap_opener_lost(b->r, UINT64_MAX);
		b->asked_cnt = 0;
	}
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 1);
	CHECK_EQ(b->asked_cnt, 0);
	CHECK_EQ(b->counters.v[COUNTER_frames_unlocated], 1);
	end(b);
}

/* It was busy with a file that it was asked for before. */
TEST(who_is_asked_for_later_is_not_blamed)
{
	struct bench *b = begin();

	(void)ADD_STACK(b, add_process(b, 42, 1), START);
	CHECK_EQ(remap_opener_owes_ns(b->r), UINT64_MAX);
	for (int tries = 0; tries < 9; tries++) {
		CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
		CHECK_EQ(b->asked_cnt, 1);
		CHECK_EQ(remap_opener_owes_ns(b->r), b->now_ns);
		remap_opener_lost(b->r, b->now_ns - 1);
		b->asked_cnt = 0;
	}
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 1);
	end(b);
}

TEST(failures_are_tried_again_later)
{
	struct bench *b = begin();

	(void)ADD_STACK(b, add_process(b, 42, 1), START);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(answer(b, WIRE_OPENED_FAILED), 0);
	CHECK_EQ(b->asked_cnt, 0);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(b->asked_cnt, 0);
	b->now_ns += NSEC_PER_SEC;
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 1);
	CHECK_EQ(b->counters.v[COUNTER_frames_remapped], 1);
	end(b);
}

/* A process for which the answer takes long is not asked for without a pause. */
TEST(a_slow_process_is_left_alone_for_a_while)
{
	struct bench *b = begin();
	uint32_t p = add_process(b, 42, 1);

	(void)ADD_STACK(b, p, START);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	b->now_ns += 100 * NSEC_PER_MSEC;
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 1);
	(void)ADD_STACK(b, p, 0x20000);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns + 300 * NSEC_PER_MSEC), 0);
	CHECK_EQ(b->asked_cnt, 0);
	b->now_ns += 500 * NSEC_PER_MSEC;
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(b->asked_cnt, 1);
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 1);
	end(b);
}

/* A stack of 1,024 pages needs four questions; a hundred processes at once have eight on their way. */
TEST(much_at_once)
{
	static uint64_t pages[CPROF_USER_FRAMES_MAX];
	struct bench *b = begin();
	uint32_t s, settled = 0, questions = 0;

	for (uint32_t i = 0; i < ELEMENTSOF(pages); i++)
		pages[i] = (6ull << 44) + (ELEMENTSOF(pages) - i) * PAGE;
	for (uint32_t i = 0; i < 100; i++) {
		s = add_stack(b, add_process(b, 100 + i, 1), pages, ELEMENTSOF(pages));
		pages[0] = 0x20000; /* where nothing is, from the second on */
	}
	/* Each hole is known for itself: here all are in one mapping, and the first answer does. */
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(b->asked_cnt, 8);
	while (b->asked_cnt > 0) {
		settled += (uint32_t)answer(b, WIRE_OPENED_OK);
		questions++;
	}
	CHECK_EQ(settled, 100);
	CHECK_EQ(questions, 100);
	CHECK_EQ(objects_get(b->objects, user_frame(b, s, 5)->object)->kind, OBJECT_JIT);
	/* Holes, and each page is one. */
	for (uint32_t i = 0; i < ELEMENTSOF(pages); i++)
		pages[i] = 0x20000 + i * PAGE;
	s = add_stack(b, 0, pages, ELEMENTSOF(pages));
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	for (questions = 0; b->asked_cnt > 0; questions++)
		settled += (uint32_t)answer(b, WIRE_OPENED_OK);
	CHECK_EQ(questions, ELEMENTSOF(pages) / WIRE_MAPS_MAX);
	CHECK_EQ(settled, 101);
	CHECK_EQ(b->w->stacks.v[s].cnt, 2);
	end(b);
}

/* Mappings are replaced by what overlaps them. */
TEST(the_latest_word_counts)
{
	struct bench *b = begin();
	uint32_t p = add_process(b, 42, 1), s;

	(void)ADD_STACK(b, p, START, START + PAGE);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(answer(b, WIRE_OPENED_OK), 1);
	b->now_ns += 2 * NSEC_PER_SEC;
	s = ADD_STACK(b, p, START + PAGE + 5, START + 2 * PAGE);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	prepare(b, WIRE_OPENED_OK);
	b->answer.ranges[0] = (struct wire_range){ .start = START + PAGE,
						   .end = START + 2 * PAGE,
						   .kind = WIRE_RANGE_ANON };
	b->answer.ranges[1].start = START + 2 * PAGE;
	CHECK_EQ(say(b), 1);
	CHECK(is_jit(b, user_frame(b, s, 0)->object, 42));
	CHECK_EQ(user_frame(b, s, 0)->offset, START + PAGE + 5);
	CHECK_EQ(user_frame(b, s, 1)->object, CPROF_OBJECT_FIRST);
	end(b);
}

/* Stacks that nobody owns, or that are located, are nobody's business here. */
TEST(others_are_left_alone)
{
	struct bench *b = begin();
	uint32_t p = add_process(b, 42, 1), s;

	s = ADD_STACK(b, p, START);
	b->w->stacks.v[s].owner = (struct window_owner){ 0 };
	s = ADD_STACK(b, p, START);
	window_frames(b->w, s)[1].object = CPROF_OBJECT_ANON;
	(void)add_stack(b, p, NULL, 0);
	CHECK_EQ(remap_window(b->r, b->w, b->now_ns), 0);
	CHECK_EQ(b->asked_cnt, 0);
	remap_finish(b->r, b->w);
	CHECK_EQ(b->counters.v[COUNTER_frames_unlocated], 0);
	end(b);
}

CHECK_MAIN
