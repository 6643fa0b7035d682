/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * listing — an answer of the daemon's that is a list: the rows that are wanted, in the order that is
 * wanted. As JSON it is the daemon's own answer, with these rows.
 */

#include "ask.h"

struct listing_row {
	struct json_value value;
	uint64_t order; /* lower first; those of the same order stay as they were */
	size_t index;
};

struct listing {
	struct ask_answer answer;
	const char *key; /* of the array */
	VEC(struct listing_row) rows;
};

#define LISTING_INIT(k) ((struct listing){ .key = (k) })

/* Is this row wanted, and where? */
typedef bool (*listing_fn)(struct json_value row, uint64_t *ret_order, void *ctx);

/* Of l->answer; 0 or -ENOMEM. */
int listing_choose(struct listing *l, listing_fn fn, void *ctx);
void listing_limit(struct listing *l, size_t max);
void listing_print_json(const struct listing *l, FILE *f);
void listing_done(struct listing *l);
