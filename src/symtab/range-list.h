/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* range-list — stretches that ascend and do not overlap, packed: three to seven bytes each. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/vec.h"

struct range {
	uint32_t from;
	uint32_t to;
	uint32_t start; /* where the function begins: before @from where another one nests in it */
	uint32_t
		name; /* in the texts; of a table whose names are in the file: NAME_TIED and so on */
};

/* Some that stand together. */
struct range_group {
	uint32_t from;
	uint32_t at; /* in the bytes */
};

struct range_list {
	VEC(uint8_t) bytes;
	VEC(struct range_group) groups;
	uint32_t cnt;
	uint32_t last_to; /* while it is written: of the last one */
	uint32_t last_name;
};

/* Behind all that are there; from < to, start <= from. 0 or -ENOMEM. */
int range_list_add(struct range_list *l, const struct range *range);
/* No more come: gives back what growing took too much. */
void range_list_fit(struct range_list *l);
void range_list_done(struct range_list *l);
size_t range_list_bytes(const struct range_list *l);

/* The one that covers the place; false: none. */
bool range_list_find(const struct range_list *l, uint32_t place, struct range *ret);

/* All of them, one after the other; { 0 } is before the first. */
struct range_walk {
	struct range last;
	uint32_t i;
	size_t at;
};

/* False: there are no more. */
bool range_list_next(const struct range_list *l, struct range_walk *w, struct range *ret);
