/* SPDX-License-Identifier: Apache-2.0 */

/* ceiling — see its header: a ring of a minute, and a ladder that is climbed a step at a time. */

#include "ceiling.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/config.h"

#define MEAN_NS (CEILING_MEAN_S * NSEC_PER_SEC)
#define FLOOR_PPM (CONFIG_PPM / 20) /* of one CPU */
/* Of what is allowed, in hundredths: from here on names are put off, and here all is well again. */
#define NEAR 80
#define QUIET 60
/* Of all memory: kept free for what comes between two measurements, and what windows have in any case. */
#define RESERVE_PART 8

void ceiling_allow(struct ceiling *c, uint32_t cpu_ppm, uint32_t cpus, uint64_t memory_max)
{
	const uint64_t ppm = MAX((uint64_t)cpu_ppm * cpus, (uint64_t)FLOOR_PPM);

	c->allowed_ns = MEAN_NS / CONFIG_PPM * ppm;
	c->memory_max = memory_max;
}

static void measure(struct ceiling *c, uint64_t now_ns, uint64_t cpu_ns)
{
	unsigned int oldest;

	c->v[c->at].at_ns = now_ns;
	c->v[c->at].cpu_ns = cpu_ns;
	c->at = (c->at + 1) % (CEILING_MEAN_S + 1);
	c->cnt = MIN(c->cnt + 1, CEILING_MEAN_S + 1);
	oldest = c->cnt <= CEILING_MEAN_S ? 0 : c->at;
	c->used_ns = cpu_ns - c->v[oldest].cpu_ns;
	/* The seconds may be longer than seconds. */
	if (now_ns - c->v[oldest].at_ns > MEAN_NS)
		c->used_ns = (uint64_t)((double)c->used_ns * (double)MEAN_NS /
					(double)(now_ns - c->v[oldest].at_ns));
}

/* Hundredths of what is allowed. */
static uint64_t part(uint64_t used, uint64_t allowed)
{
	return allowed ? used / MAX(allowed / 100, (uint64_t)1) : 0;
}

bool ceiling_add(struct ceiling *c, uint64_t now_ns, uint64_t cpu_ns, uint64_t memory)
{
	uint64_t cpu, mem;

	measure(c, now_ns, cpu_ns);
	c->memory = memory;
	cpu = part(c->used_ns, c->allowed_ns);
	mem = part(memory, c->memory_max);
	if (!c->defer && (cpu >= NEAR || mem >= NEAR)) {
		c->defer = true;
	} else if (c->step_ns && now_ns - c->step_ns < MEAN_NS) {
		return false; /* the step before does not show yet */
	} else if (c->defer && cpu >= 100 && c->shift < CEILING_SHIFT_MAX) {
		c->shift++;
	} else if (c->shift > 0 && cpu < QUIET) {
		c->shift--;
	} else if (c->defer && c->shift == 0 && cpu < QUIET && mem < QUIET) {
		c->defer = false;
	} else {
		return false;
	}
	c->step_ns = now_ns;
	return true;
}

bool ceiling_share(struct ceiling *c, uint64_t now_ns, uint64_t windows)
{
	const uint64_t reserve = c->memory_max / RESERVE_PART, most = c->memory_max - reserve;
	const uint64_t others = c->memory - MIN(windows, c->memory);
	bool is_short;

	if (c->memory_max == 0)
		return false;
	c->windows_max = MAX(most - MIN(others, most), reserve);
	is_short = c->memory > most || windows > ceiling_stacks(c->windows_max);
	if (is_short)
		c->short_ns = now_ns;
	return is_short;
}

bool ceiling_is_short(const struct ceiling *c, uint64_t now_ns)
{
	return c->short_ns > 0 && now_ns < c->short_ns + MEAN_NS;
}
