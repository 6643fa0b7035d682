/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * capture — one tick to one record: filter, identity, kernel stack, user stack with object and offset
 * of each frame, and out into the ring, with what a later walk needs behind it (kept.h).
 *
 * The record is built in per-CPU scratch memory and copied out at its exact size: reserving would take
 * the largest size for each sample. A tick cannot interrupt a tick on the same CPU, so one scratch
 * suffices.
 */

#include "maps.h"
#include "announce.h"
#include "check.h"
#include "kept.h"
#include "rest.h"
#include "userstack.h"

static __always_inline void capture_kernel(void *ctx, struct scratch *s, bool user_mode)
{
	long sz;

	if (user_mode)
		return;
	sz = bpf_get_stack(ctx, s->bytes + sizeof(struct cprof_sample), CPROF_KERNEL_FRAMES_MAX * 8,
			   0);
	if (sz <= 0 || sz > CPROF_KERNEL_FRAMES_MAX * 8) {
		s->kernel_end = CPROF_END_KERNEL_FAULT;
		return;
	}
	s->kernel_cnt = (__u32)sz / 8;
	s->kernel_end = s->kernel_cnt == CPROF_KERNEL_FRAMES_MAX ? CPROF_END_LIMIT : CPROF_END_ROOT;
	s->pos = sizeof(struct cprof_sample) + s->kernel_cnt * 8;
}

static __always_inline void fill_head(struct scratch *s, struct task_struct *task,
				      struct cpu_state *st, __u32 pid, __u64 weight)
{
	struct cprof_sample *out = (void *)s->bytes;

	out->head.version = CPROF_ABI_VERSION;
	out->head.type = CPROF_RECORD_SAMPLE;
	out->head.session = 0;
	out->time_ns = bpf_ktime_get_boot_ns();
	out->weight_ns = weight;
	out->seq = st->seq;
	out->missed = st->missed;
	identity_fill(out, task, our_ns(), pid);
	out->cred |= s->cred;
	out->exe = s->exe;
	out->cpu = bpf_get_smp_processor_id();
	out->keys_cnt = s->keys_cnt;
	out->kernel_cnt = s->kernel_cnt;
	out->user_cnt = s->user_cnt;
	out->interp_cnt = 0;
	out->kernel_end = s->kernel_end;
	out->user_end = s->user_end;
	out->interp_end = CPROF_END_NONE;
	out->flags = s->flags;
	out->pad2 = 0;
}

/* Did it go out? */
static __always_inline bool emit(struct scratch *s, struct cpu_state *st, __u64 weight)
{
	__u32 size = s->pos;

	((struct cprof_sample *)s->bytes)->head.size = size;
	if (size > sizeof(s->bytes) || size < sizeof(struct cprof_sample) ||
	    bpf_ringbuf_output(&cprof_samples, s->bytes, size, ring_flags())) {
		count(COUNTER_drop_ring_full, 1);
		count(COUNTER_weight_dropped_ns, weight);
		return false;
	}
	st->missed = 0; /* told with this record; a dropped one leaves it to the next */
	return true;
}

static __always_inline void note_missed(struct cpu_state *st, __u64 missed)
{
	if (!missed)
		return;
	st->missed += missed;
	count(COUNTER_missed, missed);
}

static __always_inline void capture(void *ctx, struct task_struct *task, struct cpu_state *st,
				    __u64 now, __u64 weight)
{
	bool user_mode = regs_word(ctx, REGS_CS) & 3;
	__u32 pid = identity_pid(task, our_ns());
	struct scratch *s;

	if (!filter_passes(task, pid)) {
		count(COUNTER_filtered, 1);
		return;
	}
	count(COUNTER_runs, 1);
	count(COUNTER_weight_ns, weight);
	if (pid == 0)
		count(COUNTER_outside_namespace, 1);
	st->seq++;
	s = scratch_get();
	if (!s) {
		count(COUNTER_drop_scratch, 1);
		count(COUNTER_weight_dropped_ns, weight);
		return;
	}
	scratch_reset(s, task, pid, now);
	s->seq = st->seq;
	capture_kernel(ctx, s, user_mode);
	locate_exe(s, task);
	capture_user(ctx, task, s, user_mode);
	rest_choose(s, task);
	put_keys(s);
	fill_head(s, task, st, pid, weight);
	if (emit(s, st, weight) && s->keep)
		kept_emit(s);
}
