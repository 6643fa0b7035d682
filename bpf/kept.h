/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * kept — what it takes to walk a user stack again: registers, stack, mappings. Behind a sample whose walk
 * met code without rows yet, for they come a moment later; or behind each, where that was asked for.
 *
 * Of the stack the words are kept from a little below rsp up, as far as memory can be read. Which of them are return
 * addresses is not known before the rows are, so each that may be one is looked up, and the mapping that it
 * lies in kept. A file that is met so is announced, as by a frame: its rows are wanted too.
 *
 * A bucket for each CPU bounds how many are kept for want of rows, and half of the ring is left to samples.
 */

#include "bucket.h"
#include "locate.h"

/* For want of rows, of each stack. */
#define KEPT_STACK_SOME 8192
/* Mappings looked up for one stack; what a program puts onto it may be addresses of nothing. */
#define KEPT_WALKS_MAX 256
/* On each CPU 500 a second, and 1,000 at once. */
#define KEPT_NS 2000000ull
#define KEPT_BURST 1000

#define KEPT_PAGE 4096u
#define KEPT_BELOW 128u

struct kept {
	struct cprof_kept head;
	struct cprof_kept_map maps[CPROF_KEPT_MAPS_MAX];
	__u8 stack[CPROF_KEPT_STACK_MAX] __attribute__((aligned(8)));
	__u32 walks_max; /* no more mappings are looked up from there on */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kept);
} cprof_kept_scratch SEC(".maps");

/* The walk is in the frame that was interrupted. */
static __always_inline void kept_remember(struct scratch *s)
{
	for (int i = 0; i < 16; i++)
		s->first.regs[i] = s->walk.regs[i];
	s->first.pc = s->walk.pc;
	s->first.syscall = s->walk.syscall;
}

static __always_inline bool kept_allowed(__u64 now)
{
	__u32 zero = 0;
	struct buckets *b = bpf_map_lookup_elem(&cprof_buckets, &zero);

	return b && bucket_spend(&b->kept, KEPT_NS, KEPT_BURST, now);
}

/* After the walk: is what it began with to be kept? */
static __always_inline void kept_choose(struct scratch *s)
{
	if (s->late && !keep_all && !kept_allowed(s->now)) {
		count(COUNTER_kept_limited, 1);
		return;
	}
	if (s->late)
		s->flags |= CPROF_SAMPLE_LATE;
	s->keep = s->late || keep_all;
}

/*
 * Where what was just popped still lies: rules say that it is there (a register that an epilogue restored),
 * and leaf functions keep their own below rsp (psABI 3.2.2, the red zone). Of rsp's page: another may not be there.
 */
static __always_inline __u64 kept_begin(__u64 sp)
{
	__u64 page = sp & ~(__u64)(KEPT_PAGE - 1), below = sp - KEPT_BELOW;

	return (below < page ? page : below) & ~7ull;
}

/* Page by page, up to one that is not there: the number of bytes. */
static __always_inline __u32 kept_read_stack(struct kept *k, __u64 sp)
{
	__u32 max = keep_all ? CPROF_KEPT_STACK_MAX : KEPT_STACK_SOME, at = 0;

	for (__u32 i = 0; i <= CPROF_KEPT_STACK_MAX / KEPT_PAGE; i++) {
		__u32 sz = KEPT_PAGE - ((__u32)(sp + at) & (KEPT_PAGE - 1));

		barrier_var(at);
		/* Room for a page, whatever there is to be read of this one. */
		if (at >= max || at > CPROF_KEPT_STACK_MAX - KEPT_PAGE)
			break;
		if (sz > max - at)
			sz = max - at;
		barrier_var(sz);
		if (sz > KEPT_PAGE || kenv_read_user(k->stack + at, sz, sp + at))
			break;
		at += sz;
	}
	return at;
}

static __always_inline struct kept *kept_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cprof_kept_scratch, &zero);
}

/* Is the mapping that @addr lies in kept already? */
static __always_inline bool kept_has(const struct kept *k, __u64 addr)
{
	__u32 cnt = k->head.maps_cnt;

	for (__u32 i = 0; i < CPROF_KEPT_MAPS_MAX && i < cnt; i++) {
		if (addr >= k->maps[i].start && addr < k->maps[i].end)
			return true;
	}
	return false;
}

/*
 * The mapping that @addr lies in, if there is code; 0 when no more are to be looked for. Fetches what it
 * works on itself, as locate_new() does.
 */
__noinline int kept_note(__u64 addr)
{
	struct scratch *s = scratch_get();
	struct kept *k = kept_get();
	struct cprof_kept_map *m;
	struct vma_hit *h;
	__u64 end;

	if (!s || !k)
		return 0;
	if (kept_has(k, addr))
		return 1;
	if (s->walks >= k->walks_max)
		return 0;
	h = locate_hit(s, addr, false);
	if (!h->exec || h->end <= h->start)
		return 1;
	/* Read again, as in object_ref(). */
	end = *(volatile __u16 *)&k->head.maps_cnt;
	barrier_var(end);
	if (end >= CPROF_KEPT_MAPS_MAX)
		return 0;
	m = &k->maps[end];
	m->start = h->start;
	m->end = h->end;
	m->object = h->object;
	m->exec = 1;
	m->base = h->base;
	if (h->object == CPROF_OBJECT_ANON || h->object == CPROF_OBJECT_NONE)
		m->base = h->start;
	k->head.maps_cnt = end + 1;
	return 1;
}

/* One word of the stack. A return address may lie behind the mapping of its call. */
static long kept_turn(__u32 index, void *ctx)
{
	struct kept *k = *(struct kept **)ctx;
	__u64 addr;

	if (index >= CPROF_KEPT_STACK_MAX / 8)
		return 1;
	addr = *(__u64 *)(k->stack + index * 8) - 1;
	if (!plausible_code(addr) || addr - k->head.stack_addr < k->head.stack_sz)
		return 0;
	if (kept_note(addr))
		return 0;
	k->head.flags |= CPROF_KEPT_MAPS_CUT;
	return 1;
}

static __always_inline void kept_fill(struct scratch *s, struct kept *k)
{
	k->head.head.version = CPROF_ABI_VERSION;
	k->head.head.type = CPROF_RECORD_KEPT;
	k->head.head.session = 0;
	k->head.seq = s->seq;
	k->head.pc = s->first.pc;
	for (int i = 0; i < 16; i++)
		k->head.regs[i] = s->first.regs[i];
	k->head.stack_addr = kept_begin(s->first.regs[CPROF_REG_RSP]);
	k->head.stack_sz = kept_read_stack(k, k->head.stack_addr);
	k->head.syscall = s->first.syscall;
	k->head.cpu = bpf_get_smp_processor_id();
	k->head.maps_cnt = 0;
	k->head.flags = 0;
	k->walks_max = s->walks + KEPT_WALKS_MAX;
	if (!(s->flags & CPROF_SAMPLE_RAW)) {
		kept_note(k->head.pc);
		kenv_loop(k->head.stack_sz / 8, kept_turn, &k);
	}
	k->head.keys_cnt = s->keys_cnt;
}

/* Into the ring, piece by piece, at its exact size. */
static __always_inline bool kept_write(struct scratch *s, struct kept *k)
{
	__u32 maps = k->head.maps_cnt * sizeof(struct cprof_kept_map);
	__u32 keys = k->head.keys_cnt * sizeof(struct cprof_key);
	__u32 stack = k->head.stack_sz;
	struct bpf_dynptr to;
	bool done = false;

	if (maps > sizeof(k->maps) || keys > sizeof(s->keys) || stack > sizeof(k->stack))
		return false;
	k->head.head.size = sizeof(k->head) + maps + keys + stack;
	if (bpf_ringbuf_query(&cprof_samples, BPF_RB_AVAIL_DATA) >
	    bpf_ringbuf_query(&cprof_samples, BPF_RB_RING_SIZE) / 2)
		return false;
	if (bpf_ringbuf_reserve_dynptr(&cprof_samples, k->head.head.size, 0, &to) == 0 &&
	    bpf_dynptr_write(&to, 0, &k->head, sizeof(k->head), 0) == 0 &&
	    bpf_dynptr_write(&to, sizeof(k->head), k->maps, maps, 0) == 0 &&
	    bpf_dynptr_write(&to, sizeof(k->head) + maps, s->keys, keys, 0) == 0 &&
	    bpf_dynptr_write(&to, sizeof(k->head) + maps + keys, k->stack, stack, 0) == 0)
		done = true;
	/* Also of one that could not be had. */
	if (done)
		bpf_ringbuf_submit_dynptr(&to, ring_flags());
	else
		bpf_ringbuf_discard_dynptr(&to, BPF_RB_NO_WAKEUP);
	return done;
}

/* Behind its sample. */
static __always_inline void kept_emit(struct scratch *s)
{
	struct kept *k = kept_get();

	if (!k)
		return;
	kept_fill(s, k);
	count(kept_write(s, k) ? COUNTER_stacks_kept : COUNTER_kept_full, 1);
}
