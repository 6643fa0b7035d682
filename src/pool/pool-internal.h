/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pool-internal — what the files of src/pool share.
 *
 * An object has pages in a row (pages_at), of each page its rows in one run of a slab, in steps of STEP
 * rows; a row's place in the whole pool is that of struct cprof_unwind_page.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/base/share.h"
#include "cprof/pool.h"

#include "rules.h"
#include "runs.h"

#define NONE UINT32_MAX

/* 64 bytes: a search ends in one line of the cache, and a page wastes half of one on average. */
#define STEP 16u
#define SLAB_STEPS (CPROF_SLAB_ROWS / STEP)

/* Which list an object is in. */
enum pool_place {
	PLACE_NONE = 0,
	PLACE_ROWS,   /* has rows: by use, the least lately used one first */
	PLACE_WANTED, /* the one that waits longest first */
	PLACE_MAX,
};

struct pool_list {
	uint32_t first, last, cnt;
};

struct pool_object {
	uint32_t prev, next;
	uint32_t id;
	uint32_t owner;
	uint32_t pages_at;
	uint32_t pages_cnt;
	uint32_t steps; /* of rows */
	uint32_t rows;
	uint32_t rules_cnt;
	uint16_t *rules;
	uint64_t put_ns;
	uint64_t pause_ns;
	uint64_t retry_ns; /* it is not wanted before that */
	uint8_t place;
	bool gone; /* pushed out or refused: it may be wanted again */
};

struct slab {
	uint32_t *rows; /* NULL: there is none of that number */
	struct runs runs;
};

struct pool {
	struct pool_memory m;
	struct pool_object *objects; /* CPROF_UNWIND_OBJECTS_MAX */
	struct pool_list lists[PLACE_MAX];
	uint32_t putting; /* this one has part of what it is to have; NONE: no such */
	struct slab slabs[CPROF_UNWIND_SLABS_MAX];
	uint32_t slabs_cnt;
	uint32_t slabs_max;
	bool is_packed; /* moving rows together would gain nothing */
	struct shares steps;
	struct runs pages;
	struct shares pages_shares;
	struct rules rules;
	uint64_t now_ns;
	uint64_t rows;
	uint64_t evicted;
	uint64_t refused;
};

static inline size_t pool_steps_max(const struct pool *p)
{
	return (size_t)p->slabs_max * SLAB_STEPS;
}

static inline uint32_t pool_steps(uint32_t rows)
{
	return (rows + STEP - 1) / STEP;
}

/* publish.c: the protocol of gen. */
void pool_change_begin(struct pool *p, uint32_t object);
void pool_change_end(struct pool *p, uint32_t object);
/* What walks see of it: these pages, or none, and this state. */
void pool_publish(struct pool *p, uint32_t object, enum cprof_unwind_state state,
		  uint32_t page_first);

/* slabs.c: where rows are. A page's rows: place, or NONE: no run is long enough. */
uint32_t slabs_take(struct pool *p, uint32_t rows);
void slabs_give(struct pool *p, uint32_t row, uint32_t rows);
uint32_t *slabs_row(struct pool *p, uint32_t row);
/* One more; the limit allows it. */
int slabs_add(struct pool *p);
/* Gives the empty ones back. */
void slabs_trim(struct pool *p);
/* Free, in steps. */
size_t slabs_left(const struct pool *p);
/* Moves rows together towards the lowest places; where there is no memory to do so, it does not. */
void slabs_compact(struct pool *p);

/* use.c: lists, and who goes. */
void pool_list_add(struct pool *p, enum pool_place place, uint32_t object);
void pool_list_remove(struct pool *p, uint32_t object);
/* Of @sz more of what @shares count for @owner, which are not allowed: somebody goes. False: nobody can. */
bool pool_evict_for(struct pool *p, const struct shares *shares, size_t max, uint32_t owner,
		    size_t sz);
/* Somebody goes, an own one first: allowed, and in no free run. */
bool pool_evict_any(struct pool *p, uint32_t owner);
/* Who has more steps than that goes. */
void pool_evict_larger(struct pool *p, uint32_t steps_max);
/* It was pushed out or refused. @for_long: it will not be otherwise soon. */
void pool_is_gone(struct pool *p, uint32_t object, bool for_long);

/* pool.c: gives back all that it has. */
void pool_release(struct pool *p, uint32_t object, enum cprof_unwind_state state);
/* It cannot have what it was to have (@r), and has nothing any more: @r. */
int pool_refuse(struct pool *p, uint32_t object, bool too_large, int r);
/* So many of what @shares count, whoever has to go for them: 0 or -ENOSPC. */
int pool_make_room(struct pool *p, const struct shares *shares, size_t max, uint32_t owner,
		   size_t sz);
/* A reference for the owner, whoever has to go for it. As rules_take(). */
int pool_take_rule(struct pool *p, const struct cprof_rule *rule, uint32_t owner, uint16_t *ret);
/* Rows of a page as a block has them, and the numbers that the block's rules have here. */
struct pool_rows {
	const uint16_t *rules;
	const uint32_t *rows;
	uint32_t cnt;
};
/* Where walks do not find them yet: their place, or an error. */
int pool_put_rows(struct pool *p, struct pool_object *o, const struct pool_rows *rows,
		  uint32_t *ret);

#define OBJECT_PART 4 /* no object has more than that part of anything */
