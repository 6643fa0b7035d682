/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* runs — which places of a row of places are free, and the first run of free ones that is long enough. */

#include <stdbool.h>
#include <stdint.h>

#define RUNS_NONE UINT32_MAX

struct runs {
	uint64_t *free;	  /* a bit for each place */
	uint32_t cnt;	  /* of places, a multiple of 64 */
	uint32_t left;	  /* free ones */
	uint32_t longest; /* no free run is longer; the longest one may be shorter */
};

/* All are free. 0 or -ENOMEM. */
int runs_init(struct runs *r, uint32_t cnt);
void runs_done(struct runs *r);
/* The lowest run of @len, or RUNS_NONE. */
uint32_t runs_find(struct runs *r, uint32_t len);
void runs_take(struct runs *r, uint32_t at, uint32_t len);
void runs_give(struct runs *r, uint32_t at, uint32_t len);
