/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rule for a place, looked up by whoever writes the pool: nothing changes meanwhile, and all that is
 * in it was checked. Programs in the kernel do the same, and believe nothing (bpf/rows.h).
 */

#include "pool-internal.h"

/* The last of @cnt rows that is not behind @pc; the first one is at 0. */
static uint32_t search(const uint32_t *rows, uint32_t cnt, uint32_t pc)
{
	uint32_t at = 0;

	while (cnt > 1) {
		uint32_t half = cnt / 2;

		if (CPROF_ROW_PC(rows[at + half]) <= pc)
			at += half;
		cnt -= half;
	}
	return rows[at];
}

static int find_in_rows(struct pool *p, const struct cprof_unwind_object *o, uint64_t offset,
			struct cprof_rule *ret)
{
	uint64_t nth = (offset >> CPROF_PAGE_SHIFT) - o->page_first;
	const struct cprof_unwind_page *page;
	uint32_t row;

	if (nth >= o->pages_cnt)
		return ROWS_GAP;
	page = &p->m.pages[o->pages_at + nth];
	if (page->cnt == CPROF_PAGE_ABSENT)
		return ROWS_UNKNOWN;
	if (page->cnt == 0)
		return ROWS_GAP;
	row = search(slabs_row(p, page->row), page->cnt,
		     (uint32_t)offset & ((1u << CPROF_PAGE_SHIFT) - 1));
	*ret = p->m.rules[CPROF_ROW_RULE(row)];
	return ret->cfa == CPROF_CFA_GAP ? ROWS_GAP : ROWS_FOUND;
}

int pool_find(struct pool *p, struct cprof_known object, uint64_t offset, struct cprof_rule *ret)
{
	const struct cprof_unwind_object *o;

	if (object.slot >= CPROF_UNWIND_OBJECTS_MAX)
		return ROWS_REFUSED;
	o = &p->m.objects[object.slot];
	if (o->id != object.id)
		return ROWS_UNKNOWN;
	switch (o->state) {
	case CPROF_UNWIND_UNKNOWN:
		return ROWS_UNKNOWN;
	case CPROF_UNWIND_ROWS:
		return find_in_rows(p, o, offset, ret);
	case CPROF_UNWIND_NONE:
		return ROWS_NONE;
	default:
		return ROWS_REFUSED;
	}
}

bool pool_lacks(const struct pool *p, struct cprof_known object, uint64_t offset)
{
	const struct cprof_unwind_object *o;
	uint64_t nth;

	if (object.slot >= CPROF_UNWIND_OBJECTS_MAX)
		return false;
	o = &p->m.objects[object.slot];
	if (o->id != object.id || o->state != CPROF_UNWIND_ROWS)
		return o->id != object.id || o->state == CPROF_UNWIND_UNKNOWN;
	nth = (offset >> CPROF_PAGE_SHIFT) - o->page_first;
	return nth < o->pages_cnt && p->m.pages[o->pages_at + nth].cnt == CPROF_PAGE_ABSENT;
}
