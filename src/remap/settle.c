/* SPDX-License-Identifier: Apache-2.0 */

/*
 * settle — the places of a stack's frames, once they are known or can not be known.
 *
 * Without the mapping tree the walk along frame pointers took any plausible address for a frame.
 * Where /proc now says that no code is there, the stack ends before it, as the walk would have ended
 * it; only the leaf, which the processor itself told, stays. What is mapped but could not be looked at
 * may well be code: such a frame stays without a place and is counted, and the stack goes on.
 */

#include <string.h>

#include "remap-internal.h"

static bool is_user(const struct window_frame *f)
{
	return f->object != CPROF_OBJECT_KERNEL;
}

bool settle_is_open(const struct window_stack *s)
{
	if (s->owner.start_ns == 0 && s->owner.pid == 0)
		return false;
	for (uint32_t i = s->cnt; i-- > 0 && is_user(&s->frames[i]);) {
		if (s->frames[i].object == CPROF_OBJECT_NONE)
			return true;
	}
	return false;
}

static void place(struct window_frame *f, const struct range *range)
{
	f->object = range->object;
	if (range->object == CPROF_OBJECT_VDSO)
		f->offset -= range->start;
	else if (range->object >= CPROF_OBJECT_FIRST)
		f->offset = f->offset - range->start + range->base;
}

/* What is known now; of a process that is gone also what was known for long. */
static const struct range *known(const struct process *p, uint64_t address)
{
	const struct range *range = ranges_find(&p->ranges, address);

	return range && (p->gone || range->at_ns >= p->fresh_ns) ? range : NULL;
}

void settle_stack(struct remap *r, struct window *w, struct process *p, uint32_t stack)
{
	struct window_frame *frames = window_frames(w, stack);
	struct window_stack *s = &w->stacks.v[stack];

	for (uint32_t i = 0; i < s->cnt; i++) {
		bool leaf = i == 0 || !is_user(&frames[i - 1]);
		const struct range *range;

		if (frames[i].object != CPROF_OBJECT_NONE)
			continue;
		range = p ? known(p, frames[i].offset) : NULL;
		if (range && range->object != CPROF_OBJECT_NONE) {
			place(&frames[i], range);
			r->opts.counters->v[COUNTER_frames_remapped]++;
		} else if (range && !range->unknown && !leaf) {
			s->cnt = i;
			s->user_end = CPROF_END_FP_BAD;
			s->complete = false;
		} else {
			r->opts.counters->v[COUNTER_frames_unlocated]++;
		}
	}
}

int settle_waiting(struct remap *r, struct window *w, struct process *p, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		settle_stack(r, w, p, p->waiting.v[i]);
	if (cnt > 0 && cnt < p->waiting.cnt)
		memmove(p->waiting.v, p->waiting.v + cnt,
			(p->waiting.cnt - cnt) * sizeof(*p->waiting.v));
	p->waiting.cnt -= cnt;
	r->waiting -= cnt;
	return (int)cnt;
}
