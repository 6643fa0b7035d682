/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pool — the rows of all objects in the memory that walks read (cprof/unwind.h): who has how much of it,
 * and what goes when it is full.
 *
 * All is bounded by one limit. When it is reached the least lately used objects go, an owner's own first:
 * files of one user never push out all of those of others (cprof/base/share.h), and no object has more
 * than a quarter. Rules are shared by all and counted, an owner has a share of them too. Walks run at any
 * time on any CPU, so each change follows the protocol of gen. Deterministic: knows no map and no time
 * but what it is given. An object is a number below CPROF_UNWIND_OBJECTS_MAX, its slot; its id is for walks
 * (cprof/unwind.h), and to say who is wanted.
 *
 * What was pushed out or refused and is used again is wanted: its file is to be read once more. Of a
 * working set larger than the limit each object would push out the next one for ever, so one that was
 * there for a short time only waits longer each time, from a second up to ten minutes, and its stacks end
 * for want of room meanwhile (CPROF_UNWIND_REFUSED). What was there for long comes back at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/rows.h"
#include "cprof/unwind.h"

/* The memory, all of it zero at first. */
struct pool_memory {
	struct cprof_unwind_object *objects; /* CPROF_UNWIND_OBJECTS_MAX */
	struct cprof_unwind_page *pages;     /* CPROF_UNWIND_PAGES_MAX */
	struct cprof_rule *rules;	     /* CPROF_UNWIND_RULES_MAX */
	/* One more slab of CPROF_SLAB_BYTES, as number @index, from now on seen by walks; or -errno. */
	int (*slab_new)(void *ctx, uint32_t index, uint32_t **ret);
	/* No walk finds it any more after this, though one may still read it. */
	void (*slab_free)(void *ctx, uint32_t index);
	void *ctx;
};

struct pool_facts {
	uint64_t bytes;	  /* of slabs, now */
	uint64_t rows;	  /* of them in use */
	uint64_t pages;	  /* in use */
	uint64_t objects; /* with rows */
	uint64_t rules;	  /* in use, the GAP not counted */
	uint64_t evicted; /* objects so far */
	uint64_t refused; /* objects so far: no room beside what may not be pushed out */
};

/* How long a thrashing object waits, at first and at last; whoever was there for so long does not thrash. */
#define POOL_PAUSE_MIN_NS UINT64_C(1000000000)
#define POOL_PAUSE_MAX_NS UINT64_C(600000000000)
#define POOL_STAY_NS UINT64_C(60000000000)

struct pool;

/* @seed: a secret, so that nobody can make rules that collide. */
int pool_new(const struct pool_memory *memory, size_t bytes_max, uint64_t seed, struct pool **ret);
/* Gives all slabs back; walks that still run find nothing. */
struct pool *pool_free(struct pool *p);
/* Another limit; what is beyond it goes at once. */
void pool_limit(struct pool *p, size_t bytes_max);

/*
 * Rows of the object with this id and slot from a checked block, in the place of what it had. A block without pages: it has none.
 * 0; -ENOSPC: refused, and walks are told; -ENOMEM or what slab_new() said: the object is as one not read.
 */
int pool_put(struct pool *p, struct cprof_known object, uint32_t owner,
	     const struct rows_view *rows, uint64_t now_ns);
/*
 * Pages that walks take for not read, and that this block has, beside those that are there: who reads a large
 * file by the page (docs/adr/0046). Where the object has no rows, or those of other pages, the block is put.
 * As pool_put(); what is refused is refused as a whole.
 */
int pool_add(struct pool *p, struct cprof_known object, uint32_t owner,
	     const struct rows_view *rows, uint64_t now_ns);
/* Forgets the object: walks take it for one that was not read yet. Before the slot is given on. */
void pool_drop(struct pool *p, uint32_t object);
/* A sample has frames of it. */
void pool_use(struct pool *p, uint32_t object, uint64_t now_ns);
/*
 * Takes the id of one that was pushed out or refused and is wanted again, the one that waits longest. It is
 * told again only after its pause, if it was not put meanwhile.
 */
bool pool_is_wanted(struct pool *p, uint32_t *ret_id);
/* The rule for a place: enum rows_answer, and *ret where it is ROWS_FOUND. */
int pool_find(struct pool *p, struct cprof_known object, uint64_t offset, struct cprof_rule *ret);
/* Would rows of this place be something new, as far as is known? */
bool pool_lacks(const struct pool *p, struct cprof_known object, uint64_t offset);
void pool_facts(const struct pool *p, struct pool_facts *ret);
/*
 * What walks find of an object now, as a block: *ret_bytes is the caller's, to be freed. 0; -ENOENT: it
 * was not read, or found no room; -ENOMEM.
 */
int pool_block(struct pool *p, struct cprof_known object, void **ret_bytes, size_t *ret_sz);

DEFINE_CLEANUP(struct pool *, pool_free);
