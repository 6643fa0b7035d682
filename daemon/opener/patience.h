/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* patience: how long a worker is waited for; the shorter, the more often the same user's processes hung it of late. */

#include <stdint.h>

#define PATIENCE_LANES 64

struct patience {
	struct {
		uint64_t lane;
		uint64_t last_ns; /* 0: free */
		unsigned int hangs;
	} v[PATIENCE_LANES];
};

uint64_t patience_of(const struct patience *p, uint64_t lane, uint64_t now_ns);
/* One of the lane hung. */
void patience_lost(struct patience *p, uint64_t lane, uint64_t now_ns);
