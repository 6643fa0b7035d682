/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * rows — the rule for a place of an object, out of memory that user space changes at any time.
 *
 * Nothing that is read is believed until the object's gen was read again and is the same (cprof/unwind.h):
 * up to there a number is masked or looked up, so whatever it is no read leaves its map. The rule is
 * copied before that, for it may be another one's right after. Nobody waits: a change takes a moment, and
 * who makes it may be the task that this tick interrupted.
 */

#ifndef CPROF_KENV_HOST
#include "pool.h"
#endif
#include "kenv.h"
#include "cprof/unwind.h"

/* 2^16 rows at most, each step leaves half. */
#define ROWS_STEPS 17

#define ROWS_RULE_WORDS (sizeof(struct cprof_rule) / 4)

/* In whole words, each read once. */
static __always_inline void rows_copy_rule(struct cprof_rule *to, const struct cprof_rule *from)
{
	typedef __u32 word __attribute__((may_alias));
	const word *src = (const word *)from;
	word *dst = (word *)to;

	for (__u32 i = 0; i < ROWS_RULE_WORDS; i++)
		dst[i] = kenv_load(&src[i]);
}

/*
 * The last row that is not behind @pc; the first one is at 0. Without a branch in the loop but for its
 * end: the verifier would follow both ways of each.
 */
static __always_inline __u32 rows_search(const __u32 *slab, __u32 at, __u32 cnt, __u32 pc)
{
	__u32 row = 0;

	for (int i = 0; i < ROWS_STEPS && cnt > 1; i++) {
		__u32 half = cnt >> 1;
		__s64 left;

		row = kenv_load(&slab[(at + half) & (CPROF_SLAB_ROWS - 1)]);
		left = (__s64)(__u64)pc - (__s64)(__u64)CPROF_ROW_PC(row);
		at += half & ~(__u32)(left >> 63);
		cnt -= half;
	}
	return kenv_load(&slab[at & (CPROF_SLAB_ROWS - 1)]);
}

/* By what the object's entry says now; ROWS_GAP where there is nothing, ROWS_UNKNOWN where rows may come. */
static __always_inline int rows_read(const struct cprof_unwind_object *o, __u64 offset,
				     struct cprof_rule *out)
{
	__u64 nth = (offset >> CPROF_PAGE_SHIFT) - kenv_load(&o->page_first);
	const struct cprof_unwind_page *page;
	const struct cprof_rule *rule;
	__u32 row, cnt;
	const __u32 *slab;

	if (nth >= kenv_load(&o->pages_cnt))
		return ROWS_GAP;
	page = kenv_unwind_page(kenv_load(&o->pages_at) + (__u32)nth);
	if (!page)
		return ROWS_GAP;
	row = kenv_load(&page->row);
	cnt = kenv_load(&page->cnt);
	if (cnt == CPROF_PAGE_ABSENT)
		return ROWS_UNKNOWN;
	slab = kenv_unwind_slab(row >> CPROF_SLAB_SHIFT);
	if (!slab || cnt == 0)
		return ROWS_GAP;
	row = rows_search(slab, row & (CPROF_SLAB_ROWS - 1), cnt,
			  (__u32)offset & ((1u << CPROF_PAGE_SHIFT) - 1));
	rule = kenv_unwind_rule(CPROF_ROW_RULE(row));
	if (!rule)
		return ROWS_GAP;
	rows_copy_rule(out, rule);
	return out->cfa == CPROF_CFA_GAP ? ROWS_GAP : ROWS_FOUND;
}

static __always_inline int rows_answer_of(__u32 state)
{
	switch (state) {
	case CPROF_UNWIND_UNKNOWN:
		return ROWS_UNKNOWN;
	case CPROF_UNWIND_NONE:
		return ROWS_NONE;
	}
	return ROWS_REFUSED;
}

/* @out is set if ROWS_FOUND, and anything otherwise. */
static __always_inline int rows_look(const struct cprof_unwind_object *o, __u32 id, __u64 offset,
				     struct cprof_rule *out)
{
	__u32 state = kenv_load(&o->id) == id ? kenv_load(&o->state) : CPROF_UNWIND_UNKNOWN;

	return state == CPROF_UNWIND_ROWS ? rows_read(o, offset, out) : rows_answer_of(state);
}

/*
 * What was found before: the same places return again and again. A slot's gen is never the same again, so
 * what was right with it still is.
 */
struct rows_found {
	__u64 offset;
	__u32 slot; /* 0: nothing was found */
	__u32 id;
	__u32 gen;
	__u32 pad;
	struct cprof_rule rule;
};

#define ROWS_FOUND_SHIFT 9
#define ROWS_FOUND_CNT (1u << ROWS_FOUND_SHIFT)

/* The one among ROWS_FOUND_CNT that a place may be in. */
static __always_inline __u32 rows_nth(__u32 slot, __u64 offset)
{
	return ((__u32)offset * 0x9e3779b1u + slot * 0x85ebca6bu) >> (32 - ROWS_FOUND_SHIFT);
}

/*
 * Of the object with this slot and id: enum rows_answer; the rule of @found is set if ROWS_FOUND. Nobody
 * else uses @found meanwhile.
 */
static __always_inline int rows_find(__u32 slot, __u32 id, __u64 offset, struct rows_found *found)
{
	const struct cprof_unwind_object *o = kenv_unwind_object(slot);
	int answer;
	__u32 gen;

	if (!o)
		return ROWS_REFUSED;
	gen = kenv_load_acquire(&o->gen);
	if (found->offset == offset && found->slot == slot && found->id == id && found->gen == gen)
		return ROWS_FOUND;
	found->slot = 0;
	answer = rows_look(o, id, offset, &found->rule);
	kenv_fence_acquire();
	if ((gen & 1) || kenv_load(&o->gen) != gen)
		return ROWS_STALE;
	found->offset = offset;
	found->id = id;
	found->gen = gen;
	found->slot = answer == ROWS_FOUND ? slot : 0;
	return answer;
}
