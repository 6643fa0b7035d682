/* SPDX-License-Identifier: Apache-2.0 */

/*
 * naming — files are opened as they are announced, names asked for a few times a second, and roles
 * that hang or lie are replaced. What is still owed when a recording ends is waited for only as long
 * as answers keep coming.
 */

#include <stdio.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "sampler.h"

/* Under emulation everything takes longer: tests in there are built with more. */
#ifndef CPROF_PATIENCE
#define CPROF_PATIENCE 1
#endif

#define STUCK_NS (CPROF_PATIENCE * 2 * NSEC_PER_SEC)
#define NAMING_QUIET_NS (CPROF_PATIENCE * 2500 * NSEC_PER_MSEC)
#define NAMING_MAX_NS (CPROF_PATIENCE * 15 * NSEC_PER_SEC)

/* The one before may have died unnoticed, of what it was asked first: a file, or mappings. */
void naming_set_opener(struct sampler *s, int fd)
{
	uint64_t files_ns = symbolize_opener_owes_ns(s->symbolize);
	uint64_t maps_ns = s->remap ? remap_opener_owes_ns(s->remap) : UINT64_MAX;

	symbolize_set_opener(s->symbolize, fd, maps_ns, clock_mono_ns());
	if (s->remap)
		remap_opener_lost(s->remap, files_ns);
}

static void lose_opener(struct sampler *s, bool replace)
{
	s->opener = loop_remove(s->opener);
	naming_set_opener(s, -EBADF);
	if (replace)
		roles_replace(s, WIRE_ROLE_OPENER);
}

static void lose_symbolizer(struct sampler *s, bool replace)
{
	s->symbolizer = loop_remove(s->symbolizer);
	symbolize_set_symbolizer(s->symbolize, -EBADF, clock_mono_ns());
	if (replace)
		roles_replace(s, WIRE_ROLE_SYMBOLIZER);
}

/* One that is gone is restarted by the launcher anyhow; a liar only when we say so. */
int naming_on_opener(struct loop_source *src, uint32_t events, void *ctx)
{
	struct sampler *s = ctx;
	int r = symbolize_dispatch_opener(s->symbolize, clock_mono_ns());

	if (r < 0)
		lose_opener(s, r == -EBADMSG);
	else if (s->remap)
		remap_opener_heard(s->remap, clock_mono_ns());
	return 0;
}

int naming_on_symbolizer(struct loop_source *src, uint32_t events, void *ctx)
{
	struct sampler *s = ctx;
	int r = symbolize_dispatch_symbolizer(s->symbolize, clock_mono_ns());

	if (r < 0)
		lose_symbolizer(s, r == -EBADMSG);
	return 0;
}

static bool opener_is_stuck(const struct sampler *s, uint64_t now_ns)
{
	return symbolize_opener_is_stuck(s->symbolize, now_ns, STUCK_NS) ||
	       (s->remap && remap_opener_is_stuck(s->remap, now_ns, STUCK_NS));
}

static void replace_stuck(struct sampler *s, uint64_t now_ns)
{
	if (s->symbolizer && symbolize_is_stuck(s->symbolize, now_ns, STUCK_NS)) {
		s->counters.v[COUNTER_symbolizer_lost]++;
		lose_symbolizer(s, true);
	}
	if (s->opener && opener_is_stuck(s, now_ns)) {
		s->counters.v[COUNTER_opener_lost]++;
		lose_opener(s, true);
	}
}

static void on_ksym(const struct collect_ksym *k, void *ctx)
{
	struct sampler *s = ctx;
	struct symbolize_code code = { .start = k->start, .end = k->end };

	(void)snprintf(code.name, sizeof(code.name), "%s", k->name);
	symbolize_kernel_code(s->symbolize, &code);
}

void naming_tick(struct sampler *s, uint64_t now_ns)
{
	replace_stuck(s, now_ns);
	if (s->collect)
		collect_consume_ksyms(s->collect, on_ksym, s);
	symbolize_pump(s->symbolize, now_ns);
	remapping_tick(s, now_ns);
	if (s->view)
		(void)symbolize_window(s->view, now_ns);
	forget_tick(s, now_ns);
}

/* After the end: true when nothing is owed any more, or nothing more came for too long. */
bool naming_is_done(struct sampler *s, uint64_t now_ns)
{
	unsigned int owed;
	uint64_t answers;

	naming_tick(s, now_ns);
	answers = symbolize_answers(s->symbolize);
	owed = symbolize_pending(s->view) + (s->remap ? remap_pending(s->remap) : 0);
	/* A role that is gone will be back, and then what it owed is asked again. */
	if (owed == 0 && s->opener && s->symbolizer)
		return true;
	/* What a successor is asked again is no progress: one that never answers is waited for once. */
	if (owed < s->naming_owed || answers != s->naming_answers) {
		s->naming_owed = MIN(owed, s->naming_owed);
		s->naming_answers = answers;
		s->naming_since_ns = now_ns;
	}
	/* The tick in which the recording ended may be of a moment before it. */
	return now_ns > s->naming_since_ns + NAMING_QUIET_NS ||
	       now_ns > s->naming_began_ns + NAMING_MAX_NS;
}
