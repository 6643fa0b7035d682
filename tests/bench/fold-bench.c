/* SPDX-License-Identifier: Apache-2.0 */

/*
 * fold-bench — how many samples a second one core takes from bytes to a folded window.
 *
 * 200,000 samples of 40 frames with 1,000 different stacks, from a buffer of records as a ring would
 * hand them out, through decode, locate and fold as the sampler does it. The stacks are visited in a
 * random order: the cache sees what it would see of a busy machine. The best of several rounds is
 * reported, for the machine is shared with others.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/rng.h"
#include "cprof/decode.h"
#include "cprof/fold.h"
#include "cprof/locate.h"
#include "sample.h"

#define SAMPLES 200000
#define STACKS 1000
#define KERNEL_FRAMES 8
#define USER_FRAMES 32
#define PROCESSES 50
#define ROUNDS 7

#define RECORD_BYTES                                                   \
	(sizeof(struct cprof_sample) + KERNEL_FRAMES * sizeof(__u64) + \
	 USER_FRAMES * sizeof(struct cprof_frame) + sizeof(struct cprof_key))

static void make_record(unsigned char *dst, struct rng *rng)
{
	struct cprof_sample head = {
		.weight_ns = 10101010,
		.pid = 1000 + (__u32)(rng_next(rng) % PROCESSES),
		.exec = 1,
		.uid = 1000,
		.exe = CPROF_OBJECT_KEY,
		.keys_cnt = 1,
		.kernel_cnt = KERNEL_FRAMES,
		.user_cnt = USER_FRAMES,
		.kernel_end = CPROF_END_ROOT,
		.user_end = CPROF_END_ROOT,
		.comm = "worker-thread",
		.process_comm = "worker",
	};
	const struct cprof_key key = { .sb = 1, .ino = head.pid % 5 };
	struct rng stack = { .state = rng_next(rng) % STACKS };
	struct cprof_frame user[USER_FRAMES];
	__u64 kernel[KERNEL_FRAMES];
	static struct sample s;

	for (int i = 0; i < KERNEL_FRAMES; i++)
		kernel[i] = 0xffffffff81000000 + rng_next(&stack) % 0x1000000;
	for (int i = 0; i < USER_FRAMES; i++)
		user[i] = (struct cprof_frame){
			.offset = rng_next(&stack) % 0x200000,
			.object = i < 8 ? CPROF_OBJECT_KEY : CPROF_OBJECT_FIRST,
			.flags = i == 0 ? CPROF_FRAME_EXACT : 0,
		};
	sample_build(&s, &head,
		     &(struct sample_body){ .kernel = kernel, .user = user, .keys = &key });
	memcpy(dst, s.bytes, s.sz);
}

static int take_sample(struct window *w, struct objects *objects, const void *bytes)
{
	struct window_frame frames[KERNEL_FRAMES + USER_FRAMES];
	uint32_t stack, process, exe;
	struct record rec;
	int r;

	r = decode_record(bytes, RECORD_BYTES, &rec);
	if (r < 0)
		return r;
	if (!fold_find_stack(w, &rec, &stack)) {
		r = locate_stack(objects, &rec, frames);
		if (r < 0)
			return r;
		r = fold_add_stack(w, &rec, frames, (uint32_t)r, &stack);
		if (r < 0)
			return r;
	}
	r = locate_exe(objects, &rec, &exe);
	if (r < 0)
		return r;
	r = fold_process(w, &rec, exe, &process);
	if (r < 0)
		return r;
	return fold_add(w, &rec, process, stack);
}

static int run_round(const unsigned char *records, double *ret_rate)
{
	_cleanup_(objects_freep) struct objects *objects = NULL;
	_cleanup_(window_freep) struct window *w = NULL;
	uint64_t from;
	int r;

	w = window_new(0, 0, 1);
	if (!w)
		return -ENOMEM;
	r = objects_new(1, &objects);
	if (r < 0)
		return r;
	from = clock_mono_ns();
	for (size_t i = 0; i < SAMPLES; i++) {
		r = take_sample(w, objects, records + i * RECORD_BYTES);
		if (r < 0)
			return r;
	}
	*ret_rate = SAMPLES * 1e9 / (double)(clock_mono_ns() - from);
	if (w->processes.cnt != PROCESSES)
		return -EINVAL;
	return 0;
}

int main(void)
{
	_cleanup_free_ unsigned char *records = NULL;
	struct rng rng = { .state = 42 };
	double best = 0, rate;
	int r;

	records = calloc(SAMPLES, RECORD_BYTES);
	if (!records)
		return 1;
	for (size_t i = 0; i < SAMPLES; i++)
		make_record(records + i * RECORD_BYTES, &rng);
	for (int i = 0; i < ROUNDS; i++) {
		r = run_round(records, &rate);
		if (r < 0) {
			fprintf(stderr, "fold-bench: %s\n", strerror(-r));
			return 1;
		}
		best = MAX(best, rate);
	}
	printf("%.0f samples/s (decode, locate, fold; %d samples of %d frames, %d stacks)\n", best,
	       SAMPLES, KERNEL_FRAMES + USER_FRAMES, STACKS);
	return 0;
}
