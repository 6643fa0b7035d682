/* SPDX-License-Identifier: Apache-2.0 */

/*
 * pool — the object itself: what is put, dropped, and limited.
 *
 * An object is built where no walk finds it, page by page, and published in one change of gen. What it
 * needs is taken in the order in which it is most likely refused: room for rows, pages, rules. Whatever
 * stands in the way goes by use (use.c). At most a sixteenth of the memory lies in holes that nobody
 * fits into: with less of them somebody goes, with more all is moved together. So moving, which
 * costs as much as the pool is large, happens once for each sixteenth of it that is put anew.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "pool-internal.h"
#include "words.h"

#define HOLES_PART 16

int pool_new(const struct pool_memory *memory, size_t bytes_max, uint64_t seed, struct pool **ret)
{
	_cleanup_(pool_freep) struct pool *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->m = *memory;
	p->putting = NONE;
	for (int i = 0; i < PLACE_MAX; i++)
		p->lists[i] = (struct pool_list){ .first = NONE, .last = NONE };
	p->objects = calloc(CPROF_UNWIND_OBJECTS_MAX, sizeof(*p->objects));
	if (!p->objects)
		return -ENOMEM;
	r = runs_init(&p->pages, CPROF_UNWIND_PAGES_MAX);
	if (r == 0)
		r = rules_init(&p->rules, p->m.rules, seed);
	if (r < 0)
		return r;
	p->slabs_max = (uint32_t)MIN(bytes_max / CPROF_SLAB_BYTES, CPROF_UNWIND_SLABS_MAX);
	*ret = TAKE_PTR(p);
	return 0;
}

struct pool *pool_free(struct pool *p)
{
	if (!p)
		return NULL;
	while (p->lists[PLACE_ROWS].cnt > 0)
		pool_release(p, p->lists[PLACE_ROWS].first, CPROF_UNWIND_UNKNOWN);
	slabs_trim(p);
	rules_done(&p->rules);
	runs_done(&p->pages);
	free(p->objects);
	free(p);
	return NULL;
}

static void adopt_orphans(struct pool *p)
{
	const struct pool_object *o;

	if (!rules_have_orphans(&p->rules))
		return;
	for (uint32_t i = p->lists[PLACE_ROWS].first; i != NONE; i = o->next) {
		o = &p->objects[i];
		rules_adopt(&p->rules, o->owner, o->rules, o->rules_cnt);
	}
	if (p->putting != NONE) {
		o = &p->objects[p->putting];
		rules_adopt(&p->rules, o->owner, o->rules, o->rules_cnt);
	}
	rules_adopted(&p->rules);
}

static void release_pages(struct pool *p, const struct pool_object *o)
{
	for (uint32_t i = o->pages_at; i < o->pages_at + o->pages_cnt; i++)
		if (rows_of_page(p->m.pages[i].cnt) > 0)
			slabs_give(p, p->m.pages[i].row, p->m.pages[i].cnt);
	if (o->pages_cnt > 0)
		runs_give(&p->pages, o->pages_at, o->pages_cnt);
}

void pool_release(struct pool *p, uint32_t object, enum cprof_unwind_state state)
{
	struct pool_object *o = &p->objects[object];

	pool_publish(p, object, state, 0);
	pool_list_remove(p, object);
	release_pages(p, o);
	shares_give_back(&p->steps, o->owner, o->steps);
	shares_give_back(&p->pages_shares, o->owner, o->pages_cnt);
	for (uint32_t i = 0; i < o->rules_cnt; i++)
		rules_give_back(&p->rules, o->rules[i], o->owner);
	free(o->rules);
	p->rows -= o->rows;
	p->is_packed = false;
	o->rules = NULL;
	o->rules_cnt = 0;
	o->pages_cnt = 0;
	o->steps = 0;
	o->rows = 0;
	adopt_orphans(p);
}

/* A place for a page's rows, whatever it takes. */
static int find_room(struct pool *p, uint32_t owner, uint32_t rows, uint32_t *ret)
{
	size_t left;
	int r;

	for (;;) {
		*ret = slabs_take(p, rows);
		if (*ret != NONE)
			return 0;
		if (p->slabs_cnt < p->slabs_max) {
			r = slabs_add(p);
			if (r < 0)
				return r;
			continue;
		}
		left = slabs_left(p);
		if (left < pool_steps_max(p) / HOLES_PART && pool_evict_any(p, owner))
			continue;
		if (!p->is_packed) {
			p->is_packed = true;
			slabs_compact(p);
		} else if (!pool_evict_any(p, owner)) {
			return -ENOSPC;
		}
	}
}

int pool_put_rows(struct pool *p, struct pool_object *o, const struct pool_rows *rows,
		  uint32_t *ret)
{
	uint32_t at, *to;
	int r;

	r = find_room(p, o->owner, rows->cnt, &at);
	if (r < 0)
		return r;
	to = slabs_row(p, at);
	for (uint32_t i = 0; i < rows->cnt; i++) {
		uint32_t row = rows->rows[i];

		row = CPROF_ROW(CPROF_ROW_PC(row), rows->rules[CPROF_ROW_RULE(row)]);
		__atomic_store_n(&to[i], row, __ATOMIC_RELAXED);
	}
	o->rows += rows->cnt;
	p->rows += rows->cnt;
	*ret = at;
	return 0;
}

static int put_page(struct pool *p, struct pool_object *o, uint32_t page, const uint32_t *rows,
		    uint32_t cnt)
{
	const struct pool_rows from = { o->rules, rows, cnt };
	uint32_t at;
	int r;

	r = pool_put_rows(p, o, &from, &at);
	if (r < 0)
		return r;
	__atomic_store_n(&p->m.pages[page].row, at, __ATOMIC_RELAXED);
	__atomic_store_n(&p->m.pages[page].cnt, cnt, __ATOMIC_RELAXED);
	return 0;
}

static int put_rows(struct pool *p, struct pool_object *o, const struct rows_view *rows)
{
	const uint32_t *at = rows->rows;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < o->pages_cnt; i++) {
		uint32_t cnt = rows_of_page(rows->page_rows[i]);

		if (cnt > 0)
			r = put_page(p, o, o->pages_at + i, at, cnt);
		else
			__atomic_store_n(&p->m.pages[o->pages_at + i].cnt, rows->page_rows[i],
					 __ATOMIC_RELAXED);
		at += cnt;
	}
	return r;
}

int pool_take_rule(struct pool *p, const struct cprof_rule *rule, uint32_t owner, uint16_t *ret)
{
	int r;

	do
		r = rules_take(&p->rules, rule, owner, ret);
	while (r == -ENOSPC && pool_evict_for(p, &p->rules.shares, RULES_ROOM, owner, 1));
	return r;
}

static int take_rules(struct pool *p, struct pool_object *o, const struct rows_view *rows)
{
	uint32_t cnt = rows->head->rules_cnt;
	int r;

	o->rules = calloc(MAX(cnt, 1), sizeof(*o->rules));
	if (!o->rules)
		return -ENOMEM;
	while (o->rules_cnt < cnt) {
		r = pool_take_rule(p, &rows->rules[o->rules_cnt], o->owner,
				   &o->rules[o->rules_cnt]);
		if (r < 0)
			return r;
		o->rules_cnt++;
	}
	return 0;
}

int pool_make_room(struct pool *p, const struct shares *shares, size_t max, uint32_t owner,
		   size_t sz)
{
	while (!shares_allow(shares, owner, sz, max))
		if (!pool_evict_for(p, shares, max, owner, sz))
			return -ENOSPC;
	return 0;
}

static int take_pages(struct pool *p, struct pool_object *o, uint32_t cnt)
{
	uint32_t at;
	int r;

	r = pool_make_room(p, &p->pages_shares, CPROF_UNWIND_PAGES_MAX, o->owner, cnt);
	if (r < 0)
		return r;
	while ((at = runs_find(&p->pages, cnt)) == RUNS_NONE)
		if (!pool_evict_any(p, o->owner))
			return -ENOSPC;
	runs_take(&p->pages, at, cnt);
	shares_take(&p->pages_shares, o->owner, cnt);
	o->pages_at = at;
	o->pages_cnt = cnt;
	for (uint32_t i = at; i < at + cnt; i++)
		__atomic_store_n(&p->m.pages[i].cnt, 0, __ATOMIC_RELAXED);
	return 0;
}

static uint32_t count_steps(const struct rows_view *rows)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < rows->head->pages_cnt; i++)
		sum += pool_steps(rows_of_page(rows->page_rows[i]));
	return sum;
}

static bool is_too_large(const struct pool *p, const struct rows_view *rows)
{
	return count_steps(rows) > pool_steps_max(p) / OBJECT_PART ||
	       rows->head->pages_cnt > CPROF_UNWIND_PAGES_MAX / OBJECT_PART ||
	       rows->head->rules_cnt > RULES_ROOM / OBJECT_PART;
}

static int build(struct pool *p, struct pool_object *o, const struct rows_view *rows)
{
	uint32_t steps = count_steps(rows);
	int r;

	r = pool_make_room(p, &p->steps, pool_steps_max(p), o->owner, steps);
	if (r < 0)
		return r;
	shares_take(&p->steps, o->owner, steps);
	o->steps = steps;
	r = take_pages(p, o, rows->head->pages_cnt);
	if (r == 0)
		r = take_rules(p, o, rows);
	return r < 0 ? r : put_rows(p, o, rows);
}

int pool_refuse(struct pool *p, uint32_t object, bool too_large, int r)
{
	pool_is_gone(p, object, too_large);
	p->refused += r == -ENOSPC;
	pool_release(p, object, r == -ENOSPC ? CPROF_UNWIND_REFUSED : CPROF_UNWIND_UNKNOWN);
	return r;
}

static int put(struct pool *p, uint32_t object, const struct rows_view *rows)
{
	bool too_large = is_too_large(p, rows);
	int r = -ENOSPC;

	if (!too_large) {
		p->putting = object;
		r = build(p, &p->objects[object], rows);
		p->putting = NONE;
	}
	if (r == 0) {
		p->objects[object].gone = false;
		p->objects[object].put_ns = p->now_ns;
		pool_list_add(p, PLACE_ROWS, object);
		pool_publish(p, object, CPROF_UNWIND_ROWS, rows->head->page_first);
		return 0;
	}
	return pool_refuse(p, object, too_large, r);
}

int pool_put(struct pool *p, struct cprof_known object, uint32_t owner,
	     const struct rows_view *rows, uint64_t now_ns)
{
	struct pool_object *o;
	int r = 0;

	p->now_ns = MAX(p->now_ns, now_ns);
	if (object.slot >= CPROF_UNWIND_OBJECTS_MAX) {
		p->refused++;
		return -ENOSPC;
	}
	pool_release(p, object.slot, CPROF_UNWIND_UNKNOWN);
	o = &p->objects[object.slot];
	o->id = object.id;
	o->owner = owner;
	if (rows->head->pages_cnt > 0) {
		r = put(p, object.slot, rows);
	} else {
		o->gone = false;
		pool_publish(p, object.slot, CPROF_UNWIND_NONE, 0);
	}
	slabs_trim(p);
	return r;
}

void pool_drop(struct pool *p, uint32_t object)
{
	if (object >= CPROF_UNWIND_OBJECTS_MAX)
		return;
	p->objects[object].id = CPROF_OBJECT_NONE;
	pool_release(p, object, CPROF_UNWIND_UNKNOWN);
	p->objects[object] = (struct pool_object){ 0 };
	slabs_trim(p);
}

/* What was refused may find room now. */
static void forget_pauses(struct pool *p)
{
	for (uint32_t i = 0; i < CPROF_UNWIND_OBJECTS_MAX; i++)
		p->objects[i].pause_ns = p->objects[i].retry_ns = 0;
}

void pool_limit(struct pool *p, size_t bytes_max)
{
	uint32_t max = (uint32_t)MIN(bytes_max / CPROF_SLAB_BYTES, CPROF_UNWIND_SLABS_MAX);
	bool more = max > p->slabs_max;

	p->slabs_max = max;
	if (more)
		forget_pauses(p);
	pool_evict_larger(p, (uint32_t)pool_steps_max(p) / OBJECT_PART);
	while (p->steps.total > pool_steps_max(p) && pool_evict_any(p, 0))
		;
	slabs_trim(p);
	while (p->slabs_cnt > max) {
		slabs_compact(p);
		slabs_trim(p);
		if (p->slabs_cnt > max && !pool_evict_any(p, 0))
			break;
	}
	slabs_trim(p);
}

void pool_facts(const struct pool *p, struct pool_facts *ret)
{
	*ret = (struct pool_facts){
		.bytes = (uint64_t)p->slabs_cnt * CPROF_SLAB_BYTES,
		.rows = p->rows,
		.pages = p->pages.cnt - p->pages.left,
		.objects = p->lists[PLACE_ROWS].cnt,
		.rules = p->rules.shares.total,
		.evicted = p->evicted,
		.refused = p->refused,
	};
}
