/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Places for the rows of pages: first fit from the lowest slab on, each page by itself.
 *
 * A page says where its rows are, so an object's pages can lie anywhere, and holes of any size that a page
 * fits into are used. First fit keeps the low slabs full and lets the high ones become empty, to be given
 * back. What holes are left is bounded by moving all together (slabs_compact()): pages go down one by one
 * in the order of their places, each within the protocol of gen, so a walk finds one object stale for the
 * time of a copy. pool.c says when.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "pool-internal.h"

static uint32_t place_of(uint32_t slab, uint32_t step)
{
	return slab << CPROF_SLAB_SHIFT | step * STEP;
}

uint32_t *slabs_row(struct pool *p, uint32_t row)
{
	return p->slabs[row >> CPROF_SLAB_SHIFT].rows + (row & (CPROF_SLAB_ROWS - 1));
}

uint32_t slabs_take(struct pool *p, uint32_t rows)
{
	uint32_t steps = pool_steps(rows);

	for (uint32_t i = 0; i < CPROF_UNWIND_SLABS_MAX; i++) {
		struct slab *s = &p->slabs[i];
		uint32_t at = s->rows ? runs_find(&s->runs, steps) : RUNS_NONE;

		if (at != RUNS_NONE) {
			runs_take(&s->runs, at, steps);
			return place_of(i, at);
		}
	}
	return NONE;
}

void slabs_give(struct pool *p, uint32_t row, uint32_t rows)
{
	runs_give(&p->slabs[row >> CPROF_SLAB_SHIFT].runs, (row & (CPROF_SLAB_ROWS - 1)) / STEP,
		  pool_steps(rows));
}

int slabs_add(struct pool *p)
{
	struct runs runs;
	uint32_t i = 0;
	int r;

	while (p->slabs[i].rows)
		i++;
	assert(i < CPROF_UNWIND_SLABS_MAX);
	r = runs_init(&runs, SLAB_STEPS);
	if (r < 0)
		return r;
	r = p->m.slab_new(p->m.ctx, i, &p->slabs[i].rows);
	if (r < 0) {
		runs_done(&runs);
		return r;
	}
	p->slabs[i].runs = runs;
	p->slabs_cnt++;
	return 0;
}

void slabs_trim(struct pool *p)
{
	for (uint32_t i = 0; i < CPROF_UNWIND_SLABS_MAX; i++) {
		struct slab *s = &p->slabs[i];

		if (!s->rows || s->runs.left < SLAB_STEPS)
			continue;
		p->m.slab_free(p->m.ctx, i);
		runs_done(&s->runs);
		s->rows = NULL;
		p->slabs_cnt--;
	}
}

size_t slabs_left(const struct pool *p)
{
	size_t sum = 0;

	for (uint32_t i = 0; i < CPROF_UNWIND_SLABS_MAX; i++)
		sum += p->slabs[i].rows ? p->slabs[i].runs.left : 0;
	return sum;
}

/* A page that has rows. */
struct move {
	uint32_t row;
	uint32_t page;
	uint32_t object;
};

static int compare(const void *a, const void *b)
{
	const struct move *x = a, *y = b;

	return CMP(x->row, y->row);
}

static size_t list_pages(const struct pool *p, uint32_t object, struct move *v)
{
	const struct pool_object *o = &p->objects[object];
	size_t cnt = 0;

	for (uint32_t i = o->pages_at; i < o->pages_at + o->pages_cnt; i++)
		if (rows_of_page(p->m.pages[i].cnt) > 0)
			v[cnt++] = (struct move){ p->m.pages[i].row, i, object };
	return cnt;
}

/* To the lowest place there is, its own included; from low to high, for it may lie over the old one. */
static void move_page(struct pool *p, const struct move *m)
{
	struct cprof_unwind_page *page = &p->m.pages[m->page];
	uint32_t to, *src, *dst;

	slabs_give(p, m->row, page->cnt);
	to = slabs_take(p, page->cnt);
	assert(to != NONE);
	if (to == m->row)
		return;
	pool_change_begin(p, m->object);
	src = slabs_row(p, m->row);
	dst = slabs_row(p, to);
	for (uint32_t i = 0; i < page->cnt; i++)
		__atomic_store_n(&dst[i], src[i], __ATOMIC_RELAXED);
	__atomic_store_n(&page->row, to, __ATOMIC_RELAXED);
	pool_change_end(p, m->object);
}

void slabs_compact(struct pool *p)
{
	_cleanup_free_ struct move *v = malloc((p->pages.cnt - p->pages.left) * sizeof(*v));
	size_t cnt = 0;

	if (!v)
		return;
	for (uint32_t i = p->lists[PLACE_ROWS].first; i != NONE; i = p->objects[i].next)
		cnt += list_pages(p, i, v + cnt);
	if (p->putting != NONE)
		cnt += list_pages(p, p->putting, v + cnt);
	qsort(v, cnt, sizeof(*v), compare);
	for (size_t i = 0; i < cnt; i++)
		move_page(p, &v[i]);
}
