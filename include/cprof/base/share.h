/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * share — who takes how much of a bounded thing, so that no user can take it all.
 *
 * Rules, of a bound @max: root may take what is left of it. All others together at most three
 * quarters, and, once more than half of it is taken, each of them at most a quarter. Whoever is met
 * when SHARE_MAX others have something is counted with the rest of those as one: with subordinate ids
 * one user can be very many.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_MAX 32

struct share {
	uint32_t uid;
	size_t taken;
};

struct shares {
	struct share v[SHARE_MAX];
	uint32_t cnt;
	size_t rest;  /* of those who found no place above */
	size_t total; /* root's included */
	size_t root;
};

/* May @uid take @sz more? */
bool shares_allow(const struct shares *s, uint32_t uid, size_t sz, size_t max);
void shares_take(struct shares *s, uint32_t uid, size_t sz);
void shares_give_back(struct shares *s, uint32_t uid, size_t sz);
/* What @uid has; of one that found no place, what they all have. */
size_t shares_of(const struct shares *s, uint32_t uid);
