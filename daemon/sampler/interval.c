/* SPDX-License-Identifier: Apache-2.0 */

/*
 * interval — from the first sample of a window to the last name of it.
 *
 * What is still owed when it ends is waited for only as long as answers keep coming; files and places
 * that others bring meanwhile hold nothing up.
 */

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "cprof/base/clock.h"
#include "cprof/base/rng.h"
#include "cprof/fold.h"
#include "interval.h"

#define NAMING_QUIET_NS (CPROF_PATIENCE * 2500 * NSEC_PER_MSEC)
#define NAMING_MAX_NS (CPROF_PATIENCE * 15 * NSEC_PER_SEC)

int interval_new(struct sampler *s, struct counters *counters, struct interval **ret)
{
	struct interval *iv = calloc(1, sizeof(*iv));
	int r;

	if (!iv)
		return -ENOMEM;
	iv->sampler = s;
	iv->counters = counters;
	iv->serial = ++s->serial;
	r = vec_push(&s->intervals, iv);
	if (r < 0) {
		free(iv);
		return r;
	}
	*ret = iv;
	return 0;
}

static void leave_list(struct sampler *s, const struct interval *iv)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->intervals.cnt; i++) {
		if (s->intervals.v[i] != iv)
			s->intervals.v[kept++] = s->intervals.v[i];
	}
	s->intervals.cnt = kept;
}

struct interval *interval_free(struct interval *iv)
{
	if (!iv)
		return NULL;
	leave_list(iv->sampler, iv);
	iv->remap = remap_free(iv->remap);
	iv->late = late_free(iv->late);
	iv->view = symbolize_view_free(iv->view);
#ifdef CPROF_LEAK_ONE_IN
	if (iv->serial % CPROF_LEAK_ONE_IN != 0)
#endif
		iv->window = window_free(iv->window);
	vec_done(&iv->baseline);
	free(iv);
	return NULL;
}

int interval_open(struct interval *iv, uint32_t hz)
{
	int r;

	iv->window = window_new(clock_boot_ns(), clock_real_ns(), rng_seed());
	if (!iv->window)
		return -ENOMEM;
	iv->window->hz = hz;
	r = symbolize_view_new(iv->sampler->symbolize, iv->window, &iv->view);
	if (r < 0)
		return r;
	r = remapping_begin(iv);
	if (r < 0)
		return r;
	r = latecoming_begin(iv);
	if (r < 0)
		return r;
	(void)cputime_baseline(iv); /* without it cpu_true_ns stays unknown */
	iv->begun_ns = clock_mono_ns();
	return 0;
}

void interval_end(struct interval *iv, const struct interval *next, uint64_t now_ns)
{
	iv->ended_ns = now_ns;
	cputime_read(iv, next);
	symbolize_close_window(iv->view, now_ns);
	iv->naming_since_ns = now_ns;
	iv->naming_owed = UINT_MAX;
}

void interval_tick_places(struct interval *iv, uint64_t now_ns)
{
	remapping_tick(iv, now_ns);
	latecoming_tick(iv);
}

void interval_tick(struct interval *iv, uint64_t now_ns)
{
	interval_tick_places(iv, now_ns);
	(void)symbolize_window(iv->view, now_ns);
}

void interval_tick_urgent(struct interval *iv, uint64_t now_ns)
{
	interval_tick_places(iv, now_ns);
	(void)symbolize_window_urgent(iv->view, now_ns);
}

bool interval_is_named(struct interval *iv, uint64_t now_ns)
{
	const struct sampler *s = iv->sampler;
	uint64_t answers = symbolize_answers(s->symbolize);
	unsigned int owed =
		symbolize_pending(iv->view) + remap_pending(iv->remap) + late_pending(iv->late);

	/* A role that is gone will be back, and then what it owed is asked again. */
	if (owed == 0 && s->opener && s->symbolizer)
		return true;
	/* What a successor is asked again is no progress: one that never answers is waited for once. */
	if (owed < iv->naming_owed || answers != iv->naming_answers) {
		iv->naming_owed = MIN(owed, iv->naming_owed);
		iv->naming_answers = answers;
		iv->naming_since_ns = now_ns;
	}
	/* The tick in which it ended may be of a moment before it. */
	return now_ns > iv->naming_since_ns + NAMING_QUIET_NS ||
	       now_ns > iv->ended_ns + NAMING_MAX_NS;
}

static void count_processes(struct interval *iv)
{
	char path[CGROUPS_PATH_SZ];

	for (size_t i = 0; i < iv->window->processes.cnt; i++) {
		const struct window_process *p = &iv->window->processes.v[i];

		iv->counters->v[COUNTER_stacks_complete] += p->complete;
		iv->counters->v[COUNTER_stacks_truncated] += p->samples - p->complete;
		if (p->samples > 0 &&
		    cgroups_path(iv->sampler->cgroups, p->cgroup_hierarchy, p->cgroup, path) < 0)
			iv->counters->v[COUNTER_units_unknown]++;
	}
}

void interval_settle(struct interval *iv)
{
	cputime_settle(iv);
	remapping_finish(iv);
	latecoming_finish(iv);
	iv->counters->v[COUNTER_names_late] += symbolize_late(iv->view);
	count_processes(iv);
	iv->settled = true;
}
