/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tables — what was loaded, by object, under one memory budget.
 *
 * Tables outlive their files, so that a later process of a millisecond has names at new offsets. When
 * the budget is used up the least lately used ones go, an owner's own first: files of one user never
 * push out all of those of others (cprof/base/share.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/map.h"
#include "cprof/base/share.h"
#include "cprof/base/vec.h"
#include "cprof/symtab.h"
#include "cprof/wire.h"

/* More than the sampler remembers: it tells us which to forget, and this holds if it does not. */
#define TABLES_CNT_MAX 32768

struct table {
	struct symtab *symtab; /* NULL: only the status is known */
	uint64_t used;	       /* counts up with every use */
	size_t bytes;	       /* that it counts for; of tables_put() */
	uint32_t object;
	uint32_t owner; /* uid of the file's owner */
	enum wire_object_status status;
};

struct tables {
	VEC(struct table) v; /* in no order */
	struct map map;	     /* of objects, to places in v */
	struct shares shares;
	uint64_t used;
	size_t bytes_max;
};

/* Lean ones that are open at once; beyond, the least lately used one is filled (symtab.h). */
#define TABLES_LEAN_MAX 64

/* NULL when nothing is known of this object, or no more. Counts as a use; valid until the next call. */
const struct table *tables_get(struct tables *t, uint32_t object);
/*
 * Replaces what was there; takes @symtab also when it fails: -ENOMEM, or -ENOSPC: it is too large
 * beside what may not be pushed out for it.
 */
int tables_put(struct tables *t, const struct table *table);
void tables_forget(struct tables *t, uint32_t object);
/* Closes the file of a lean one: all names are read. One that cannot be read is forgotten. 0 or -ENOMEM. */
int tables_fill(struct tables *t, uint32_t object);
/* What one table of this owner may take at most. */
size_t tables_room(const struct tables *t, uint32_t owner);
void tables_done(struct tables *t);
