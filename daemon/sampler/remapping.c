/* SPDX-License-Identifier: Apache-2.0 */

/*
 * remapping — where the walk of the mapping tree is switched off: the stage remap, its socket (which
 * is the opener's, as symbolize has it), and what follows from new places: files to open, names.
 *
 * Each interval has a remap of its own. Which of them an answer is for, its id tells: the upper half is
 * the interval's serial number.
 *
 * While the walk is on this costs nothing: no stack is looked at.
 */

#include "cprof/base/clock.h"
#include "cprof/base/rng.h"
#include "stream.h"

#define SERIAL_SHIFT 32

static int on_ask(const struct wire_maps *m, void *ctx)
{
	const struct interval *iv = ctx;

	return symbolize_send_opener(iv->sampler->symbolize, m);
}

static void on_file(const struct cprof_announce *a, void *ctx)
{
	const struct interval *iv = ctx;

	symbolize_announce(iv->sampler->symbolize, a, clock_mono_ns());
}

int remapping_begin(struct interval *iv)
{
	const struct remap_opts opts = {
		.objects = iv->sampler->objects,
		.counters = iv->counters,
		.ask = on_ask,
		.on_file = on_file,
		.first_id = (iv->serial << SERIAL_SHIFT) + 1,
		.ctx = iv,
	};

	return remap_new(&opts, rng_seed(), &iv->remap);
}

/* Without a collection (a replay) there is nobody to ask. */
bool remapping_is_on(const struct interval *iv)
{
	return iv->remap && iv->stream && collect_walk_is_off(iv->stream->collect);
}

static void take_settled(struct interval *iv, int settled)
{
	if (settled > 0)
		symbolize_look_again(iv->view);
}

int remapping_on_mapped(const struct wire_mapped *m, void *ctx)
{
	const struct sampler *s = ctx;
	const uint64_t serial = m->head.id >> SERIAL_SHIFT;

	for (size_t i = 0; i < s->intervals.cnt; i++) {
		struct interval *iv = s->intervals.v[i];
		int r;

		if (iv->serial != serial || !iv->remap)
			continue;
		r = remap_on_mapped(iv->remap, iv->window, m, clock_mono_ns());
		if (r == -EBADMSG)
			return r;
		take_settled(iv, r);
		return 0;
	}
	/* An answer to one that is written by now is no lie. */
	return serial > 0 && serial <= s->serial ? 0 : -EBADMSG;
}

void remapping_tick(struct interval *iv, uint64_t now_ns)
{
	if (remapping_is_on(iv))
		take_settled(iv, remap_window(iv->remap, iv->window, now_ns));
}

void remapping_finish(struct interval *iv)
{
	if (remapping_is_on(iv))
		remap_finish(iv->remap, iv->window);
}
