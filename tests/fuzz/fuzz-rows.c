/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a block of rows. What passes the check is walked whole, in the way of a walk: every rule
 * that a row names is there, every page can be read by itself.
 */

#include "cprof/rows.h"
#include "fuzz.h"

static void walk_page(const struct rows_view *v, const uint32_t *rows, uint32_t cnt)
{
	FUZZ_CHECK(cnt <= 1u << CPROF_PAGE_SHIFT);
	FUZZ_CHECK(cnt == 0 || CPROF_ROW_PC(rows[0]) == 0);
	for (uint32_t i = 0; i < cnt; i++) {
		FUZZ_CHECK(CPROF_ROW_RULE(rows[i]) < v->head->rules_cnt);
		fuzz_touch(&v->rules[CPROF_ROW_RULE(rows[i])], sizeof(*v->rules));
		FUZZ_CHECK(rows_check_rule(&v->rules[CPROF_ROW_RULE(rows[i])]));
		FUZZ_CHECK(i == 0 || CPROF_ROW_PC(rows[i - 1]) < CPROF_ROW_PC(rows[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	void *bytes = fuzz_copy(data, sz);
	struct rows_view v;
	const uint32_t *rows;

	if (rows_check(bytes, sz, &v) == 0) {
		rows = v.rows;
		FUZZ_CHECK(v.rules[0].cfa == CPROF_CFA_GAP);
		for (uint32_t i = 0; i < v.head->pages_cnt; i++) {
			walk_page(&v, rows, rows_of_page(v.page_rows[i]));
			rows += rows_of_page(v.page_rows[i]);
		}
		FUZZ_CHECK((const uint8_t *)rows == (const uint8_t *)bytes + sz);
	}
	free(bytes);
	return 0;
}
