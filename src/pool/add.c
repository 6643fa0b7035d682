/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pages that come later. While they are put nobody pushes out the object itself; each of them is there for
 * walks in one change of gen, and what is there already stays where it is.
 */

#include <errno.h>
#include <stdlib.h>

#include "cprof/base/cleanup.h"
#include "pool-internal.h"

#define RULE_WORDS (CPROF_UNWIND_RULES_MAX / 64)

static bool is_new(const struct pool *p, const struct pool_object *o, const struct rows_view *rows,
		   uint32_t nth)
{
	return p->m.pages[o->pages_at + nth].cnt == CPROF_PAGE_ABSENT &&
	       rows->page_rows[nth] != CPROF_PAGE_ABSENT;
}

static uint32_t count_new_steps(const struct pool *p, const struct pool_object *o,
				const struct rows_view *rows)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < o->pages_cnt; i++)
		sum += is_new(p, o, rows, i) ? pool_steps(rows->page_rows[i]) : 0;
	return sum;
}

/* One reference of each rule is enough: what it has is not taken once more. @numbers: those of the block's. */
static int add_rules(struct pool *p, struct pool_object *o, const struct rows_view *rows,
		     uint16_t *numbers)
{
	const uint32_t cnt = rows->head->rules_cnt;
	uint64_t has[RULE_WORDS] = { 0 };
	uint16_t *more = realloc(o->rules, (o->rules_cnt + (size_t)cnt) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	o->rules = more;
	for (uint32_t i = 0; i < o->rules_cnt; i++)
		has[o->rules[i] / 64] |= 1ull << o->rules[i] % 64;
	for (uint32_t i = 0; i < cnt; i++) {
		int r = pool_take_rule(p, &rows->rules[i], o->owner, &numbers[i]);

		if (r < 0)
			return r;
		if (has[numbers[i] / 64] & 1ull << numbers[i] % 64) {
			rules_give_back(&p->rules, numbers[i], o->owner);
			continue;
		}
		has[numbers[i] / 64] |= 1ull << numbers[i] % 64;
		o->rules[o->rules_cnt++] = numbers[i];
	}
	return 0;
}

static int add_page(struct pool *p, uint32_t object, uint32_t page, const struct pool_rows *rows)
{
	struct cprof_unwind_page *to = &p->m.pages[page];
	uint32_t at = 0;
	int r = 0;

	if (rows->cnt > 0)
		r = pool_put_rows(p, &p->objects[object], rows, &at);
	if (r < 0)
		return r;
	pool_change_begin(p, object);
	__atomic_store_n(&to->row, at, __ATOMIC_RELAXED);
	__atomic_store_n(&to->cnt, rows->cnt, __ATOMIC_RELAXED);
	pool_change_end(p, object);
	return 0;
}

static int add_pages(struct pool *p, uint32_t object, const struct rows_view *rows,
		     const uint16_t *numbers)
{
	const struct pool_object *o = &p->objects[object];
	struct pool_rows page = { .rules = numbers, .rows = rows->rows };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < o->pages_cnt; i++) {
		page.cnt = rows_of_page(rows->page_rows[i]);
		if (is_new(p, o, rows, i))
			r = add_page(p, object, o->pages_at + i, &page);
		page.rows += page.cnt;
	}
	return r;
}

static int build(struct pool *p, uint32_t object, const struct rows_view *rows, uint32_t steps)
{
	_cleanup_free_ uint16_t *numbers = calloc(rows->head->rules_cnt, sizeof(*numbers));
	struct pool_object *o = &p->objects[object];
	int r;

	if (!numbers)
		return -ENOMEM;
	r = pool_make_room(p, &p->steps, pool_steps_max(p), o->owner, steps);
	if (r < 0)
		return r;
	shares_take(&p->steps, o->owner, steps);
	o->steps += steps;
	r = add_rules(p, o, rows, numbers);
	return r < 0 ? r : add_pages(p, object, rows, numbers);
}

/* Does it have rows of the pages that the block has? */
static bool is_same(const struct pool *p, struct cprof_known object, uint32_t owner,
		    const struct rows_view *rows)
{
	const struct cprof_unwind_object *o = &p->m.objects[object.slot];

	return o->id == object.id && o->state == CPROF_UNWIND_ROWS &&
	       p->objects[object.slot].owner == owner && o->page_first == rows->head->page_first &&
	       o->pages_cnt == rows->head->pages_cnt;
}

int pool_add(struct pool *p, struct cprof_known object, uint32_t owner,
	     const struct rows_view *rows, uint64_t now_ns)
{
	struct pool_object *o;
	uint32_t steps;
	bool too_large;
	int r = -ENOSPC;

	if (object.slot >= CPROF_UNWIND_OBJECTS_MAX || !is_same(p, object, owner, rows))
		return pool_put(p, object, owner, rows, now_ns);
	p->now_ns = MAX(p->now_ns, now_ns);
	o = &p->objects[object.slot];
	steps = count_new_steps(p, o, rows);
	too_large = o->steps + steps > pool_steps_max(p) / OBJECT_PART ||
		    rows->head->rules_cnt > RULES_ROOM / OBJECT_PART;
	pool_list_remove(p, object.slot);
	if (!too_large) {
		p->putting = object.slot;
		r = build(p, object.slot, rows, steps);
		p->putting = NONE;
	}
	if (r == 0)
		pool_list_add(p, PLACE_ROWS, object.slot);
	else
		(void)pool_refuse(p, object.slot, too_large, r);
	slabs_trim(p);
	return r;
}
