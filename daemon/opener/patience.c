/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A second, and half of what it was with each that hung, down to 31 ms: who has a hundred such processes holds up the end of
 * a window by some seconds and not by a minute. A minute after the last one all is forgotten. An answer takes a tenth of a
 * millisecond, and waiting for a CPU does not count.
 */

#include "patience.h"

#include <stddef.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"

#define FULL_NS NSEC_PER_SEC
#define HALVINGS 5
#define FORGET_NS (60 * NSEC_PER_SEC)

uint64_t patience_of(const struct patience *p, uint64_t lane, uint64_t now_ns)
{
	for (size_t i = 0; i < PATIENCE_LANES; i++) {
		if (p->v[i].last_ns > 0 && p->v[i].lane == lane &&
		    now_ns < p->v[i].last_ns + FORGET_NS)
			return FULL_NS >> MIN(p->v[i].hangs, (unsigned int)HALVINGS);
	}
	return FULL_NS;
}

/* The one whose last is longest ago makes room. */
void patience_lost(struct patience *p, uint64_t lane, uint64_t now_ns)
{
	size_t place = 0;

	for (size_t i = 0; i < PATIENCE_LANES; i++) {
		if (p->v[i].last_ns > 0 && p->v[i].lane == lane) {
			place = i;
			break;
		}
		if (p->v[i].last_ns < p->v[place].last_ns)
			place = i;
	}
	if (p->v[place].lane != lane || now_ns >= p->v[place].last_ns + FORGET_NS)
		p->v[place].hangs = 0;
	p->v[place].lane = lane;
	p->v[place].last_ns = now_ns;
	p->v[place].hangs++;
}
