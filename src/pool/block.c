/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What walks find of an object, as a block again: for a file that shows on another machine what they
 * did. Rows are read as they lie, by the one who alone writes them.
 */

#include <errno.h>

#include "pool-internal.h"

/* From row @i of a page to the next one, or to the page's end. */
static int add_stretch(struct rows_builder *b, const struct pool *p, uint64_t page,
		       const uint32_t *row, bool is_last)
{
	const uint64_t base = page << CPROF_PAGE_SHIFT;
	const uint64_t end =
		is_last ? base + (1u << CPROF_PAGE_SHIFT) : base + CPROF_ROW_PC(row[1]);
	const struct cprof_rule *rule = &p->m.rules[CPROF_ROW_RULE(row[0])];

	if (rule->cfa == CPROF_CFA_GAP)
		return 0;
	return rows_add(b, base + CPROF_ROW_PC(row[0]), end, rule);
}

static int add_page(struct rows_builder *b, struct pool *p, uint64_t page,
		    const struct cprof_unwind_page *from)
{
	const uint32_t cnt = rows_of_page(from->cnt);
	const uint32_t *rows = cnt > 0 ? slabs_row(p, from->row) : NULL;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < cnt; i++)
		r = add_stretch(b, p, page, &rows[i], i + 1 == cnt);
	return r;
}

/* Of an object whose rows are there in part: which pages are. */
static int tell_pages(struct rows_builder *b, const struct pool *p,
		      const struct cprof_unwind_object *o)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < o->pages_cnt; i++) {
		if (p->m.pages[o->pages_at + i].cnt != CPROF_PAGE_ABSENT)
			continue;
		r = rows_pages(b, o->page_first, o->pages_cnt);
		break;
	}
	for (uint32_t i = 0; r == 0 && i < o->pages_cnt; i++) {
		if (p->m.pages[o->pages_at + i].cnt != CPROF_PAGE_ABSENT)
			rows_present(b, o->page_first + i);
	}
	return r;
}

int pool_block(struct pool *p, struct cprof_known object, void **ret_bytes, size_t *ret_sz)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	const struct cprof_unwind_object *o;
	int r;

	if (object.slot >= CPROF_UNWIND_OBJECTS_MAX)
		return -ENOENT;
	o = &p->m.objects[object.slot];
	if (o->id != object.id || (o->state != CPROF_UNWIND_ROWS && o->state != CPROF_UNWIND_NONE))
		return -ENOENT;
	r = rows_builder_new(&b);
	if (r == 0)
		r = tell_pages(b, p, o);
	for (uint32_t i = 0; r == 0 && i < o->pages_cnt; i++)
		r = add_page(b, p, (uint64_t)o->page_first + i, &p->m.pages[o->pages_at + i]);
	return r < 0 ? r : rows_finish(b, ret_bytes, ret_sz);
}
