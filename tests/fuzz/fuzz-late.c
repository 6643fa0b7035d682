/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is kept of a stranger's stack, walked by whatever rules: registers, stack and mappings are the
 * input's, and so is which rule each place has, out of all kinds that a walk may follow. Records come one
 * after the other as in a ring. Rows come late, or never; in the end all is walked.
 */

#include "fuzz.h"

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"
#include "cprof/decode.h"
#include "cprof/fold.h"
#include "cprof/late.h"
#include "cprof/rows.h"

struct bench {
	struct counters counters;
	struct window *window;
	struct late *late;
	unsigned int round;
};

/* By the place alone, so that it is the same each time. */
static enum rows_answer find(uint32_t object, uint64_t offset, struct cprof_rule *ret, void *ctx)
{
	static const int32_t offsets[] = { 0, 8, -8, 16, -16, 24, 32, 160, -4096, INT32_MAX };
	const struct bench *b = ctx;
	const uint64_t h = hash_bytes(&offset, sizeof(offset), object);

	if (object % 8 == 7 && b->round < 2)
		return ROWS_UNKNOWN;
	if (object % 8 == 6)
		return (enum rows_answer)(h % 6);
	*ret = (struct cprof_rule){
		.cfa = (uint8_t)(1 + h % (CPROF_CFA_MAX - 1)),
		.cfa_reg = h >> 8 & 15,
		.ra = h >> 12 & 1 ? CPROF_WHERE_CFA : (uint8_t)((h >> 13) % CPROF_WHERE_MAX),
		.ra_reg = h >> 16 & 15,
		.fp = (uint8_t)((h >> 20) % CPROF_WHERE_MAX),
		.fp_reg = h >> 24 & 15,
		.sp = h >> 28 & 1 ? CPROF_WHERE_SAME : (uint8_t)((h >> 29) % CPROF_WHERE_MAX),
		.sp_reg = h >> 32 & 15,
		.cfa_off = offsets[(h >> 36) % ELEMENTSOF(offsets)],
		.ra_off = offsets[(h >> 42) % ELEMENTSOF(offsets)],
		.fp_off = offsets[(h >> 48) % ELEMENTSOF(offsets)],
		.flags = h >> 60 & CPROF_RULE_FLAGS,
	};
	return rows_check_rule(ret) ? ROWS_FOUND : ROWS_GAP;
}

static bool awaits(uint32_t object, void *ctx)
{
	return object & 1;
}

static void take_sample(struct bench *b, const struct record *rec)
{
	const struct cprof_sample *s = rec->sample.head;
	const uint32_t cnt = s->kernel_cnt + (uint32_t)s->user_cnt;
	struct window_frame frames[CPROF_KERNEL_FRAMES_MAX + CPROF_USER_FRAMES_MAX] = { 0 };
	uint32_t stack, process;

	if (!(s->flags & CPROF_SAMPLE_LATE))
		return;
	for (int i = 0; i < s->kernel_cnt; i++)
		frames[i].object = CPROF_OBJECT_KERNEL;
	FUZZ_CHECK(fold_add_stack(b->window, rec, frames, cnt, &stack) == 0);
	FUZZ_CHECK(fold_process(b->window, rec, CPROF_OBJECT_NONE, &process) == 0);
	FUZZ_CHECK(fold_add(b->window, rec, process, stack) == 0);
	late_remember(b->late, s, stack);
	FUZZ_CHECK(late_sample(b->late, s->cpu, s->seq));
}

static void take_rest(struct bench *b, const struct record *rec)
{
	struct window_frame frames[CPROF_USER_FRAMES_MAX];

	for (int i = 0; i < rec->rest.head->user_cnt; i++)
		frames[i] =
			(struct window_frame){ rec->rest.user[i].offset, rec->rest.user[i].object,
					       rec->rest.user[i].flags };
	(void)late_take_rest(b->late, b->window, rec, frames);
}

static void take_record(const void *bytes, size_t sz, void *ctx)
{
	struct bench *b = ctx;
	uint32_t objects[CPROF_KEPT_MAPS_MAX];
	struct record rec;

	if (decode_record(bytes, sz, &rec) < 0)
		return;
	if (rec.type == CPROF_RECORD_SAMPLE)
		take_sample(b, &rec);
	if (rec.type == CPROF_RECORD_REST)
		take_rest(b, &rec);
	if (rec.type != CPROF_RECORD_KEPT)
		return;
	for (int i = 0; i < rec.kept.head->maps_cnt; i++)
		objects[i] = rec.kept.maps[i].object & 0xffff;
	late_keep(b->late, &rec, objects);
	(void)late_window(b->late, b->window);
	(void)late_pending(b->late);
}

static void check_window(const struct bench *b)
{
	const struct window *w = b->window;

	window_recount(b->window);
	for (size_t i = 0; i < w->processes.cnt; i++)
		FUZZ_CHECK(w->processes.v[i].complete <= w->processes.v[i].samples);
	for (size_t i = 0; i < w->stacks.cnt; i++) {
		const struct window_stack *s = &w->stacks.v[i];

		FUZZ_CHECK(s->cnt <= CPROF_KERNEL_FRAMES_MAX + CPROF_USER_FRAMES_MAX);
		FUZZ_CHECK(s->user_end < CPROF_END_MAX);
		fuzz_touch(s->frames, s->cnt * sizeof(*s->frames));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_(window_freep) struct window *window = window_new(0, 0, 1);
	_cleanup_(late_freep) struct late *late = NULL;
	struct bench b = { .window = window };
	const struct late_opts opts = {
		.counters = &b.counters,
		.find = find,
		.awaits = awaits,
		.frames_max = CPROF_USER_FRAMES_MAX,
		.bytes_max = 1 << 20,
		.ctx = &b,
	};

	FUZZ_CHECK(window && late_new(&opts, 1, &late) == 0);
	b.late = late;
	fuzz_records(data, sz, take_record, &b);
	for (b.round = 1; b.round < 3; b.round++)
		(void)late_window(late, window);
	(void)late_finish(late, window);
	FUZZ_CHECK(late_pending(late) == 0);
	check_window(&b);
	return 0;
}
