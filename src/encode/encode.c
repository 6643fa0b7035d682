/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode — collects what one process, or several, saw in a window, and has it written.
 *
 * Two passes. The first turns stacks into lists of locations and counts equal ones; then it is known
 * which objects are in use, so that they get their addresses; the second writes. What is held
 * between them are numbers: about 32 bytes for each distinct frame and 4 for each frame of a stack.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/clock.h"
#include "cprof/base/cleanup.h"
#include "encoder.h"

int encoder_string(struct encoder *e, const char *text, int64_t *ret_id)
{
	uint32_t id;
	int r;

	r = strtab_add(&e->strings, text, strlen(text), &id);
	if (r < 0)
		return r;
	*ret_id = id;
	return 0;
}

static int encoder_init(struct encoder *e, const struct encode_opts *opts)
{
	uint64_t seed = opts->window->seed;
	int r;

	*e = (struct encoder){ .opts = opts };
	layout_init(&e->layout, opts->objects, seed);
	samples_init(&e->samples, seed);
	r = strtab_init(&e->strings, seed);
	if (r < 0)
		return r;
	frames_init(&e->frames, &e->layout, opts->names, &e->strings);
	return pprof_writer_new(opts->write, opts->ctx, &e->writer);
}

static struct encoder *encoder_free(struct encoder *e)
{
	if (!e)
		return NULL;
	pprof_writer_free(e->writer);
	samples_done(&e->samples);
	frames_done(&e->frames);
	layout_done(&e->layout);
	strtab_done(&e->strings);
	free(e);
	return NULL;
}

DEFINE_CLEANUP(struct encoder *, encoder_free);

static int collect_stack(struct encoder *e, const struct window_stack *stack, uint32_t *ret_list)
{
	size_t at = e->samples.locations.cnt;
	uint32_t location;
	int r;

	r = vec_reserve(&e->samples.locations, MAX(stack->cnt, 1));
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < stack->cnt; i++) {
		r = frames_intern(&e->frames, &stack->frames[i], &location);
		if (r < 0)
			return r;
		e->samples.locations.v[e->samples.locations.cnt++] = location;
	}
	if (stack->cnt == 0) {
		r = frames_intern_no_stack(&e->frames, &location);
		if (r < 0)
			return r;
		e->samples.locations.v[e->samples.locations.cnt++] = location;
	}
	return samples_intern_list(&e->samples, at, ret_list);
}

static int collect_labels(struct encoder *e, const struct window_process *p, uint32_t *ret_labels)
{
	struct samples_labels labels = {
		.start = p->start_ns / NSEC_PER_TICK,
		.pid = p->pid,
		.exec = p->exec,
	};
	int r;

	r = strtab_add(&e->strings, p->comm, strlen(p->comm), &labels.comm);
	if (r < 0)
		return r;
	return samples_intern_labels(&e->samples, &labels, ret_labels);
}

static void count_end(struct encoder *e, const struct window_stack *stack, uint64_t cnt)
{
	static const uint8_t completes[CPROF_END_MAX] = {
#define CPROF_END(name, value, complete, prose) [value] = complete,
#include "cprof/stack_ends.def"
	};
	uint8_t end = stack->user_end;

	if (stack->complete) {
		e->complete += cnt;
		return;
	}
	/* The user part ends the whole stack; where it is fine or missing, the kernel part is at fault. */
	if (end == CPROF_END_NONE || (end < CPROF_END_MAX && completes[end]))
		end = stack->kernel_end;
	e->cut[end < CPROF_END_MAX ? end : CPROF_END_NONE] += cnt;
}

/* @lists: the list + 1 of each stack that was met; many processes share one. NULL: one process. */
static int collect_sample(struct encoder *e, const struct window_sample *from, uint32_t *lists)
{
	const struct window *w = e->opts->window;
	struct samples_sample sample = { .cnt = from->cnt, .weight_ns = from->weight_ns };
	int r;

	assert(from->stack < w->stacks.cnt && from->process < w->processes.cnt);

	if (lists && lists[from->stack]) {
		sample.list = lists[from->stack] - 1;
	} else {
		r = collect_stack(e, &w->stacks.v[from->stack], &sample.list);
		if (r < 0)
			return r;
		if (lists)
			lists[from->stack] = sample.list + 1;
	}
	if (e->opts->labels) {
		r = collect_labels(e, &w->processes.v[from->process], &sample.labels);
		if (r < 0)
			return r;
	}
	count_end(e, &w->stacks.v[from->stack], from->cnt);
	return samples_add(&e->samples, &sample);
}

static int collect_process(struct encoder *e, const struct window_process *p, uint32_t *lists)
{
	const struct window *w = e->opts->window;
	uint32_t i = p->first_sample;

	while (i != WINDOW_NONE) {
		const struct window_sample *s = &w->samples.v[i];
		int r = collect_sample(e, s, lists);

		if (r < 0)
			return r;
		i = s->next;
	}
	return 0;
}

static int collect_processes(struct encoder *e)
{
	const size_t stacks = MAX(e->opts->window->stacks.cnt, 1u);
	_cleanup_free_ uint32_t *lists = NULL;
	int r = 0;

	if (!e->opts->labels)
		return collect_process(e, encoder_process(e, 0), NULL);
	lists = calloc(stacks, sizeof(*lists));
	if (!lists)
		return -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < encoder_processes_cnt(e); i++)
		r = collect_process(e, encoder_process(e, i), lists);
	return r;
}

/* mapping[0] gives a report its name: the executable, of several processes that of the heaviest. */
static uint32_t main_object(const struct encoder *e)
{
	const struct window_process *heaviest = NULL;

	if (!e->opts->labels) {
		const struct window_process *p = encoder_process(e, 0);

		return p->cred & CPROF_CRED_KTHREAD ? CPROF_OBJECT_KERNEL : p->exe;
	}
	for (uint32_t i = 0; i < encoder_processes_cnt(e); i++) {
		const struct window_process *p = encoder_process(e, i);

		if (p->exe == CPROF_OBJECT_NONE)
			continue;
		if (!heaviest || p->weight_ns > heaviest->weight_ns)
			heaviest = p;
	}
	return heaviest ? heaviest->exe : CPROF_OBJECT_KERNEL;
}

int encode_profile(const struct encode_opts *opts, struct encode_result *ret)
{
	_cleanup_(encoder_freep) struct encoder *e = malloc(sizeof(*e));
	int r;

	assert(opts->labels || (opts->processes && opts->processes_cnt == 1));

	if (!e)
		return -ENOMEM;
	r = encoder_init(e, opts);
	if (r < 0)
		return r;
	r = collect_processes(e);
	if (r < 0)
		return r;
	r = layout_place(&e->layout, main_object(e));
	if (r < 0)
		return r;
	r = write_profile(e);
	if (r < 0)
		return r;
	*ret = e->result;
	return 0;
}
