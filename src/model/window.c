/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Birth and death of a window; what goes on between is fold's. The indexes begin empty and grow
 * with what is seen: a window of an idle machine costs nothing but this structure.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/window.h"

struct window *window_new(uint64_t from_boot_ns, uint64_t from_real_ns, uint64_t seed)
{
	struct window *w;

	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->arena = ARENA_INIT;
	w->process_map = w->raw_map = w->stack_map = w->sample_map = MAP_INIT;
	w->from_boot_ns = from_boot_ns;
	w->from_real_ns = from_real_ns;
	w->seed = seed;
	return w;
}

struct window *window_free(struct window *w)
{
	if (!w)
		return NULL;
	vec_done(&w->processes);
	vec_done(&w->stacks);
	vec_done(&w->samples);
	vec_done(&w->raws);
	map_done(&w->process_map);
	map_done(&w->raw_map);
	map_done(&w->stack_map);
	map_done(&w->sample_map);
	arena_done(&w->arena);
	free(w);
	return NULL;
}

static size_t map_bytes(const struct map *m)
{
	return m->cap * sizeof(*m->slots);
}

size_t window_bytes(const struct window *w)
{
	return sizeof(*w) + w->arena.bytes + w->processes.cap * sizeof(*w->processes.v) +
	       w->stacks.cap * sizeof(*w->stacks.v) + w->samples.cap * sizeof(*w->samples.v) +
	       w->raws.cap * sizeof(*w->raws.v) + map_bytes(&w->process_map) +
	       map_bytes(&w->raw_map) + map_bytes(&w->stack_map) + map_bytes(&w->sample_map);
}

struct window_frame *window_frames(struct window *w, uint32_t stack)
{
	/* They lie in the window's own arena: what is const are others' views of them. */
	return (struct window_frame *)(uintptr_t)w->stacks.v[stack].frames;
}

bool window_end_is_complete(uint8_t end)
{
	static const bool complete[CPROF_END_MAX] = {
#define CPROF_END(name, value, complete, prose) [value] = complete,
#include "cprof/stack_ends.def"
	};

	return end < CPROF_END_MAX && complete[end];
}

int window_set_user(struct window *w, uint32_t stack, uint32_t kernel_cnt,
		    const struct window_user *user)
{
	struct window_stack *s = &w->stacks.v[stack];
	struct window_frame *frames;

	frames = arena_alloc(&w->arena, (kernel_cnt + user->cnt) * sizeof(*frames));
	if (!frames)
		return -ENOMEM;
	if (kernel_cnt > 0)
		memcpy(frames, s->frames, kernel_cnt * sizeof(*frames));
	if (user->cnt > 0)
		memcpy(frames + kernel_cnt, user->frames, user->cnt * sizeof(*frames));
	s->frames = frames;
	s->cnt = kernel_cnt + user->cnt;
	s->user_end = user->end;
	s->complete = window_end_is_complete(user->end);
	return 0;
}

void window_recount(struct window *w)
{
	for (size_t i = 0; i < w->processes.cnt; i++)
		w->processes.v[i].complete = 0;
	for (size_t i = 0; i < w->samples.cnt; i++) {
		const struct window_sample *s = &w->samples.v[i];

		if (w->stacks.v[s->stack].complete)
			w->processes.v[s->process].complete += s->cnt;
	}
}

void window_chain(struct window *w, uint32_t idx)
{
	struct window_process *p = &w->processes.v[w->samples.v[idx].process];

	if (p->first_sample == WINDOW_NONE)
		p->first_sample = idx;
	else
		w->samples.v[p->last_sample].next = idx;
	p->last_sample = idx;
}
