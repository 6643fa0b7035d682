/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * userstack — the user stack of a tick: from the registers up, each frame located and undone, until the
 * outermost one or a reason to end.
 *
 * A frame in a file goes by the file's rows. Where there is none for the code (JIT, assembly written by
 * hand, a file without unwinding information) its frame pointer is followed, checked. Where the rows may
 * still come (a file that user space does not know yet) too, and what it takes to walk it again is kept
 * (kept.h).
 */

#include "kept.h"
#include "locate.h"
#include "regs.h"
#include "rows.h"
#include "walk.h"

/* Appends the frame that was located last; false when the buffer is full. */
static __always_inline bool put_frame(struct scratch *s)
{
	__u32 pos = s->pos;
	struct cprof_frame *f;

	if (pos > sizeof(s->bytes) - sizeof(*f))
		return false;
	f = (void *)(s->bytes + pos);
	f->offset = s->at.offset + walk_is_behind(&s->walk);
	f->object = s->at.object;
	f->flags = walk_is_behind(&s->walk) ? 0 : CPROF_FRAME_EXACT;
	s->pos = pos + sizeof(*f);
	s->user_cnt++;
	if (s->at.object == CPROF_OBJECT_NONE || s->at.object == CPROF_OBJECT_ANON)
		s->flags |= CPROF_SAMPLE_OWN; /* its address means nothing in another process */
	return true;
}

/* The keys of files that user space does not know yet go behind the frames. */
static __always_inline void put_keys(struct scratch *s)
{
	__u32 pos = s->pos, cnt = s->keys_cnt;

	if (cnt == 0 || cnt > CPROF_KEYS_MAX)
		return;
	if (pos > sizeof(s->bytes) - sizeof(s->keys))
		return;
	if (bpf_probe_read_kernel(s->bytes + pos, cnt * sizeof(struct cprof_key), s->keys))
		return;
	s->pos = pos + cnt * sizeof(struct cprof_key);
}

/* Code of a file goes by rows, and so does the vDSO's; what of a file is not known yet has a key. */
static __always_inline int find_rule(struct scratch *s, struct rows_found *found)
{
	if (s->at.slot)
		return rows_find(s->at.slot, s->at.object, s->at.offset, found);
	return s->at.object >= CPROF_OBJECT_KEY ? ROWS_UNKNOWN : ROWS_NO_FILE;
}

/*
 * The caller's registers; 0 at the end of the stack. A function of its own that fetches the scratch
 * itself: its stack is given back before a mapping is looked for, and the verifier looks at it once.
 */
__noinline int userstack_step(__u32 index)
{
	struct scratch *s = scratch_at(index);
	struct rows_found *at;
	int found;

	if (!s)
		return 0;
	at = &s->found[rows_nth(s->at.slot, s->at.offset)];
	found = find_rule(s, at);
	s->late |= found == ROWS_STALE || found == ROWS_UNKNOWN;
	return walk_step(&s->walk, found, &at->rule);
}

/* A page that is not in memory may be had later; where nothing is mapped there is nothing to be had. */
static __always_inline __u8 why_not(struct scratch *s)
{
	const struct vma_hit *h;

	if (s->walk.end != CPROF_END_FP_FAULT || (s->flags & CPROF_SAMPLE_RAW))
		return s->walk.end;
	h = locate_hit(s, s->walk.fault, false);
	return h->end > h->start ? CPROF_END_NOT_RESIDENT : CPROF_END_FP_FAULT;
}

/* One turn: the caller of the last frame. 1 ends the walk. */
static long userstack_turn(__u32 index, void *ctx)
{
	struct scratch *s = *(struct scratch **)ctx;

	if (!userstack_step(s->index)) {
		s->user_end = why_not(s);
		return 1;
	}
	locate(s, walk_lookup_pc(&s->walk), &s->at);
	if (!s->at.exec) {
		s->user_end = s->walk.by_fp ? CPROF_END_FP_BAD : CPROF_END_NO_CODE;
		return 1;
	}
	if (s->user_cnt >= frames_max || !put_frame(s)) {
		s->user_end = CPROF_END_LIMIT;
		return 1;
	}
	return 0;
}

static __always_inline void capture_user(void *ctx, struct task_struct *task, struct scratch *s,
					 bool user_mode)
{
	__u64 cs;

	if (!s->mm_root)
		return;
	if (!user_mode && BPF_CORE_READ_BITFIELD_PROBED(task, in_execve)) {
		s->user_end = CPROF_END_EXEC;
		return;
	}
	if (regs_read(ctx, task, user_mode, s, &cs)) {
		s->user_end = CPROF_END_FP_FAULT;
		return;
	}
	if (cs != REGS_CS_USER64) {
		s->user_end = CPROF_END_COMPAT;
		s->cred |= CPROF_CRED_COMPAT;
		return;
	}
	kept_remember(s);
	check_sample(s, task, s->walk.pc, walk_sp(&s->walk));
	locate(s, walk_lookup_pc(&s->walk), &s->at);
	put_frame(s);
	s->user_end = CPROF_END_LIMIT;
	kenv_loop(CPROF_USER_FRAMES_MAX, userstack_turn, &s);
	kept_choose(s);
}
