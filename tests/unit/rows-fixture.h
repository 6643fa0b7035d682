/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* rows-fixture — what a checked block says of a place, found in the simplest way. */

#include "cprof/rows.h"

static inline const struct cprof_rule *rows_find(const struct rows_view *v, uint64_t offset)
{
	const uint64_t page = offset >> CPROF_PAGE_SHIFT;
	const uint32_t *rows = v->rows;
	uint32_t rule = 0;

	if (page < v->head->page_first || page - v->head->page_first >= v->head->pages_cnt)
		return &v->rules[0];
	for (uint64_t i = 0; i < page - v->head->page_first; i++)
		rows += rows_of_page(v->page_rows[i]);
	for (uint32_t i = 0; i < rows_of_page(v->page_rows[page - v->head->page_first]); i++) {
		if (CPROF_ROW_PC(rows[i]) <= (offset & 0xffff))
			rule = CPROF_ROW_RULE(rows[i]);
	}
	return &v->rules[rule];
}
