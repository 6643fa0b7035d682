/* SPDX-License-Identifier: Apache-2.0 */

/*
 * latecoming — stacks that get better after their samples: the stage late of each interval, the rules it
 * looks up, and what follows from new frames: names.
 */

#include "cprof/base/rng.h"
#include "cprof/locate.h"
#include "stream.h"

/* Of one window: what is kept of 2,000 stacks. */
#define KEPT_BYTES_MAX (((size_t)16 << 20) >> CPROF_BOUNDS_SHIFT)
#define SMALL_PART 4

static enum rows_answer find(uint32_t object, uint64_t offset, struct cprof_rule *ret, void *ctx)
{
	const struct interval *iv = ctx;

	return unwinding_find(iv->sampler, object, offset, ret);
}

static void want(uint32_t object, uint64_t offset, void *ctx)
{
	const struct interval *iv = ctx;

	unwinding_want(iv->sampler, object, offset);
}

static bool awaits(uint32_t object, void *ctx)
{
	const struct interval *iv = ctx;

	return symbolize_awaits_rows(iv->sampler->symbolize, object);
}

int latecoming_begin(struct interval *iv)
{
	const struct late_opts opts = {
		.counters = iv->counters,
		.find = find,
		.want = want,
		.awaits = awaits,
		.frames_max = iv->stream && iv->stream->opts.frames_max
				      ? iv->stream->opts.frames_max
				      : CPROF_USER_FRAMES_MAX,
		.bytes_max = KEPT_BYTES_MAX / (iv->is_small ? SMALL_PART : 1),
		.ctx = iv,
	};

	return late_new(&opts, rng_seed(), &iv->late);
}

/* Frames of a record that came behind its sample. */
struct late_frames {
	const struct cprof_frame *user;
	const struct cprof_key *keys;
	uint16_t user_cnt;
	uint16_t keys_cnt;
};

/* What the references of a record mean, as if they were the sample's. */
static int resolve(const struct interval *iv, const struct cprof_sample *sample,
		   const struct late_frames *from, struct window_frame *ret)
{
	struct cprof_sample head = *sample;
	const struct record rec = {
		.type = CPROF_RECORD_SAMPLE,
		.sample = { .head = &head, .user = from->user, .keys = from->keys },
	};

	head.kernel_cnt = head.interp_cnt = 0;
	head.user_cnt = from->user_cnt;
	head.keys_cnt = from->keys_cnt;
	return locate_stack(iv->sampler->objects, &rec, ret);
}

static void take_kept(struct interval *iv, const struct cprof_sample *sample,
		      const struct record *rec)
{
	struct cprof_frame refs[CPROF_KEPT_MAPS_MAX] = { 0 };
	struct window_frame frames[CPROF_KEPT_MAPS_MAX];
	uint32_t objects[CPROF_KEPT_MAPS_MAX];
	const struct late_frames from = {
		.user = refs,
		.keys = rec->kept.keys,
		.user_cnt = rec->kept.head->maps_cnt,
		.keys_cnt = rec->kept.head->keys_cnt,
	};

	for (uint32_t i = 0; i < from.user_cnt; i++)
		refs[i].object = rec->kept.maps[i].object;
	if (resolve(iv, sample, &from, frames) < 0) {
		iv->counters->v[COUNTER_kept_dropped]++;
		return;
	}
	for (uint32_t i = 0; i < from.user_cnt; i++)
		objects[i] = frames[i].object;
	late_keep(iv->late, rec, objects);
}

static void take_rest(struct interval *iv, const struct cprof_sample *sample,
		      const struct record *rec)
{
	struct window_frame frames[CPROF_USER_FRAMES_MAX];
	const struct late_frames from = {
		.user = rec->rest.user,
		.keys = rec->rest.keys,
		.user_cnt = rec->rest.head->user_cnt,
		.keys_cnt = rec->rest.head->keys_cnt,
	};

	if (resolve(iv, sample, &from, frames) < 0)
		iv->counters->v[COUNTER_kept_dropped]++;
	else if (late_take_rest(iv->late, iv->window, rec, frames))
		symbolize_look_again(iv->view);
}

void latecoming_take(const struct stream *st, const struct record *rec)
{
	const bool kept = rec->type == CPROF_RECORD_KEPT;
	const uint16_t cpu = kept ? rec->kept.head->cpu : rec->rest.head->cpu;
	const uint64_t seq = kept ? rec->kept.head->seq : rec->rest.head->seq;

	for (size_t i = 0; i < st->sampler->intervals.cnt; i++) {
		struct interval *iv = st->sampler->intervals.v[i];
		const struct cprof_sample *sample;

		if (iv->stream != st || iv->settled)
			continue;
		sample = late_sample(iv->late, cpu, seq);
		if (!sample)
			continue;
		if (kept)
			take_kept(iv, sample, rec);
		else
			take_rest(iv, sample, rec);
		return;
	}
}

void latecoming_tick(struct interval *iv)
{
	if (late_window(iv->late, iv->window) > 0)
		symbolize_look_again(iv->view);
}

void latecoming_finish(struct interval *iv)
{
	(void)late_finish(iv->late, iv->window);
	window_recount(iv->window);
}
