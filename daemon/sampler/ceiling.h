/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ceiling — what all of it costs, against what the configuration allows ([Limits] CPU, Memory).
 *
 * CPU is the mean of the last minute, so that bursts are free; a minute that has not passed yet counts
 * as if nothing had been used before. What gives way goes in order: first names are put off (they cost
 * most, and come later), then the rate is halved, as often as it takes. One step at a time, each given
 * a minute to show in the mean; back in the same steps when it is quiet, well below the ceiling, so that
 * the two do not take turns. Memory puts names off too; a lower rate would not give it back. What else gives
 * way for memory does so at once: windows have the room that all others leave them, and when they need
 * more they end early; files that no window uses are forgotten.
 */

#include <stdbool.h>
#include <stdint.h>

#define CEILING_MEAN_S 60u
#define CEILING_SHIFT_MAX 4u /* the rate is never lower than a sixteenth */

struct ceiling {
	uint64_t allowed_ns; /* in a minute, on all CPUs together */
	uint64_t memory_max;

	struct {
		uint64_t at_ns, cpu_ns;
	} v[CEILING_MEAN_S + 1]; /* one a second, a ring */
	unsigned int cnt, at;

	uint64_t used_ns; /* in the last minute */
	uint64_t memory;
	uint64_t windows_max; /* the room that is left for windows */
	uint64_t short_ns;    /* when that was last too little, or others held too much; 0: never */
	uint64_t step_ns;     /* when the last step was taken */
	bool defer;	      /* names are put off */
	unsigned int shift;   /* the rate is so often halved */
};

/* @cpu_ppm of @cpus, but at least a twentieth of one. What was measured so far stays. */
void ceiling_allow(struct ceiling *c, uint32_t cpu_ppm, uint32_t cpus, uint64_t memory_max);

/*
 * Once a second: all CPU time so far (it never goes back), and the memory as it is. True when
 * something is to change: @defer or @shift.
 */
bool ceiling_add(struct ceiling *c, uint64_t now_ns, uint64_t cpu_ns, uint64_t memory);

/*
 * Of the memory that ceiling_add() was told, so much are windows: what they may take from now on, all of
 * them together. True when they or all others are beyond, and something has to go.
 */
bool ceiling_share(struct ceiling *c, uint64_t now_ns, uint64_t windows);
/* Of that room, what stacks may take: as much as of a window's own (interval.h). */
static inline uint64_t ceiling_stacks(uint64_t windows_max)
{
	return windows_max / 3 * 2;
}

/* Was it so in the last minute? */
bool ceiling_is_short(const struct ceiling *c, uint64_t now_ns);
