/* SPDX-License-Identifier: Apache-2.0 */

/*
 * remapping — where the walk of the mapping tree is switched off: the stage remap, its socket (which
 * is the opener's, as symbolize has it), and what follows from new places: files to open, names.
 *
 * While the walk is on this costs nothing: no stack is looked at.
 */

#include "cprof/base/clock.h"
#include "cprof/base/rng.h"
#include "sampler.h"

static int on_ask(const struct wire_maps *m, void *ctx)
{
	struct sampler *s = ctx;

	return symbolize_send_opener(s->symbolize, m);
}

static void on_file(const struct cprof_announce *a, void *ctx)
{
	struct sampler *s = ctx;

	symbolize_announce(s->symbolize, a, clock_mono_ns());
}

int remapping_begin(struct sampler *s)
{
	const struct remap_opts opts = {
		.objects = s->objects,
		.counters = &s->counters,
		.ask = on_ask,
		.on_file = on_file,
		.ctx = s,
	};

	s->remap = remap_free(s->remap);
	return remap_new(&opts, rng_seed(), &s->remap);
}

/* Without a collection (a replay) there is nobody to ask. */
bool remapping_is_on(const struct sampler *s)
{
	return s->remap && s->collect && collect_walk_is_off(s->collect);
}

static void take_settled(struct sampler *s, int settled)
{
	if (settled > 0)
		symbolize_look_again(s->view);
}

int remapping_on_mapped(const struct wire_mapped *m, void *ctx)
{
	struct sampler *s = ctx;
	int r;

	/* An answer to the recording before this one is no lie. */
	if (!s->remap || !s->window)
		return 0;
	r = remap_on_mapped(s->remap, s->window, m, clock_mono_ns());
	if (r == -EBADMSG)
		return r;
	take_settled(s, r);
	return 0;
}

void remapping_tick(struct sampler *s, uint64_t now_ns)
{
	if (s->window && remapping_is_on(s))
		take_settled(s, remap_window(s->remap, s->window, now_ns));
}

void remapping_finish(struct sampler *s)
{
	if (remapping_is_on(s))
		remap_finish(s->remap, s->window);
}
