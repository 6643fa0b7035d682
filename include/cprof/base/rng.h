/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* rng — a small generator with its state in the caller's hands (splitmix64, Steele et al. 2014). */

#include <stdint.h>

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);
/* Uniform in [0, 1). */
double rng_unit(struct rng *r);
/* A seed from getrandom(2), for programs. */
uint64_t rng_seed(void);
