/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * rest — a user stack whose pages were not all in memory, walked again where they can be waited for.
 *
 * A tick must not wait: what is swapped out, or of a file and not read yet, ends its walk. Where the kernel
 * can call a program back before a task goes back to its own code (bpf_task_work, Linux 6.18), the task
 * then has the registers that it had at the tick, and may sleep: each page that a step cannot read is fetched,
 * and the step taken again. The whole stack goes out as a record of its own, for the sample that was sent.
 *
 * A task may sleep long before it goes back, so what waits is small (a slot), and the memory that a walk
 * takes is taken for the walk only. A bucket for each CPU bounds how many there are: asking to be called
 * back costs more than a whole sample.
 *
 * Older kernels get an object without all this (CPROF_PLAIN): they add up the stack even of what is never run.
 * Rows are read under the lock that keeps their maps: our programs do not count as ones that sleep.
 */

#include <linux/version.h>

#include "bucket.h"
#include "userstack.h"

#define REST_SLOTS 256u
#define REST_TRIES 4
#define REST_OLD_NS 60000000000ull /* a slot's task never came back */
#define REST_PAGES 64		   /* fetched for one stack */
/* On each CPU 100 a second, and 100 at once. */
#define REST_NS 10000000ull
#define REST_BURST 100

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
struct bpf_task_work {
	__u64 __opaque;
} __attribute__((aligned(8)));
#endif

/* A whole type, as the kernel's is: they are compared. */
struct bpf_map {
	__u32 id;
};

extern int bpf_task_work_schedule_resume_impl(struct task_struct *task, struct bpf_task_work *tw,
					      void *map__map,
					      int (*callback)(struct bpf_map *map, void *key,
							      void *value),
					      void *aux__prog) __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;

/* Who waits, and for which sample. */
struct rest_slot {
	struct bpf_task_work work;
	__u64 taken_ns; /* 0: free */
	__u64 seq;
	__u64 pc;
	__u64 sp;
	__u32 tid;
	__u32 pid; /* in our namespace */
	__u32 cpu;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, REST_SLOTS);
	__type(key, __u32);
	__type(value, struct rest_slot);
} cprof_rest SEC(".maps");

#ifdef CPROF_PLAIN
static __always_inline void rest_choose(struct scratch *s, struct task_struct *task)
{
}
#else

static long rest_turn(__u32 index, void *ctx)
{
	long r;

	bpf_rcu_read_lock();
	r = userstack_turn(index, ctx);
	bpf_rcu_read_unlock();
	return r;
}

/* As far as pages go; 1 at the end. The step that could not be taken has changed nothing. */
static long rest_round(__u32 index, void *ctx)
{
	struct scratch *s = *(struct scratch **)ctx;
	__u64 at;
	char byte;

	kenv_loop(CPROF_USER_FRAMES_MAX, rest_turn, &s);
	if (s->user_end != CPROF_END_NOT_RESIDENT)
		return 1;
	at = s->walk.fault;
	/* What is read may lie in two pages. */
	if (bpf_copy_from_user(&byte, 1, (const void *)at) ||
	    bpf_copy_from_user(&byte, 1, (const void *)(at + s->walk.fault_sz - 1)))
		return 1;
	s->user_end = CPROF_END_LIMIT;
	return 0;
}

static __always_inline bool rest_emit(struct scratch *s, const struct rest_slot *slot)
{
	struct cprof_rest *out = (void *)s->bytes;
	__u32 size;

	put_keys(s);
	size = s->pos;
	out->head.size = size;
	out->head.version = CPROF_ABI_VERSION;
	out->head.type = CPROF_RECORD_REST;
	out->head.session = 0;
	out->seq = slot->seq;
	out->cpu = slot->cpu;
	out->user_cnt = s->user_cnt;
	out->keys_cnt = s->keys_cnt;
	out->user_end = s->user_end;
	out->pad = 0;
	return size >= sizeof(*out) && size <= sizeof(s->bytes) &&
	       bpf_ringbuf_output(&cprof_samples, s->bytes, size, ring_flags()) == 0;
}

/* False: this is not where the tick was, or nobody has room for it. */
static __always_inline bool rest_walk(struct scratch *s, __u32 index, const struct rest_slot *slot)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 cs;

	scratch_reset(s, task, slot->pid, kenv_now());
	s->index = index;
	s->pos = sizeof(struct cprof_rest);
	if (!s->mm_root || regs_read(NULL, task, false, s, &cs) || cs != REGS_CS_USER64 ||
	    (__u32)task->pid != slot->tid || s->walk.pc != slot->pc ||
	    walk_sp(&s->walk) != slot->sp)
		return false;
	locate(s, walk_lookup_pc(&s->walk), &s->at);
	put_frame(s);
	s->user_end = CPROF_END_LIMIT;
	kenv_loop(REST_PAGES, rest_round, &s);
	return rest_emit(s, slot);
}

static __always_inline bool rest_run(const struct rest_slot *slot)
{
	bool done = false;

	for (__u32 i = 0; i < CPROF_REST_WALKS; i++) {
		struct scratch *s = scratch_at(rest_first + i);

		if (!s || __sync_val_compare_and_swap(&s->taken, 0, 1))
			continue;
		done = rest_walk(s, rest_first + i, slot);
		s->taken = 0;
		break;
	}
	return done;
}

/* In the task, on its way back to its own code. */
static int rest_called(struct bpf_map *map, void *key, void *value)
{
	struct rest_slot *slot = value;

	count(rest_run(slot) ? COUNTER_stacks_waited : COUNTER_waits_failed, 1);
	slot->taken_ns = 0;
	return 0;
}

static __always_inline bool rest_allowed(__u64 now)
{
	__u32 zero = 0;
	struct buckets *b = bpf_map_lookup_elem(&cprof_buckets, &zero);

	return b && bucket_spend(&b->rest, REST_NS, REST_BURST, now);
}

/* A slot is taken over when its task never came back; one that still does finds another's place in it. */
static __always_inline bool rest_take(struct rest_slot *slot, __u64 now)
{
	__u64 taken = slot->taken_ns;

	return (!taken || now - taken > REST_OLD_NS) &&
	       __sync_val_compare_and_swap(&slot->taken_ns, taken, now) == taken;
}

static __always_inline bool rest_ask(struct scratch *s, struct task_struct *task)
{
	for (__u32 i = 0; i < REST_TRIES; i++) {
		__u32 at = ((__u32)task->pid + i) & (REST_SLOTS - 1);
		struct rest_slot *slot = bpf_map_lookup_elem(&cprof_rest, &at);

		if (!slot || !rest_take(slot, s->now))
			continue;
		slot->seq = s->seq;
		slot->pc = s->first.pc;
		slot->sp = s->first.regs[CPROF_REG_RSP];
		slot->tid = task->pid;
		slot->pid = s->pid;
		slot->cpu = bpf_get_smp_processor_id();
		if (bpf_task_work_schedule_resume_impl(task, &slot->work, &cprof_rest, rest_called,
						       NULL) == 0)
			return true;
		slot->taken_ns = 0;
	}
	return false;
}

/* After the walk: is it to be done again? */
static __always_inline void rest_choose(struct scratch *s, struct task_struct *task)
{
	if (!rest_first || s->user_end != CPROF_END_NOT_RESIDENT ||
	    (task->flags & KTYPES_PF_EXITING))
		return;
	if (!rest_allowed(s->now))
		count(COUNTER_waits_limited, 1);
	else if (rest_ask(s, task))
		s->flags |= CPROF_SAMPLE_LATE;
	else
		count(COUNTER_waits_failed, 1);
}
#endif
