/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The symbolizer reads the bytes of strangers, so a block may hold anything. Walks run in the kernel and
 * look at nothing twice: what they rely on is looked at here, once, rule by rule and row by row. The
 * work is bounded by the block's size, which has to be exactly what its counts make.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cprof/rows.h"

_Static_assert(sizeof(struct rows_head) == 24, "rows_head");
_Static_assert(ROWS_RULES_MAX <= CPROF_ROW_RULE(UINT32_MAX) + 1, "a row has 16 bits for its rule");

static bool where_is_known(unsigned int where, unsigned int reg)
{
	return where < CPROF_WHERE_MAX && reg < CPROF_REGS_CNT;
}

bool rows_check_rule(const struct cprof_rule *rule)
{
	return rule->cfa < CPROF_CFA_MAX && rule->cfa_reg < CPROF_REGS_CNT &&
	       where_is_known(rule->ra, rule->ra_reg) && where_is_known(rule->fp, rule->fp_reg) &&
	       where_is_known(rule->sp, rule->sp_reg) && (rule->flags & ~CPROF_RULE_FLAGS) == 0;
}

static bool head_is_good(const struct rows_head *h, size_t sz)
{
	if (h->magic != ROWS_MAGIC || h->version != ROWS_VERSION)
		return false;
	if (h->pages_cnt > ROWS_PAGES_MAX || h->rules_cnt > ROWS_RULES_MAX ||
	    h->rows_cnt > ROWS_CNT_MAX || h->rules_cnt == 0)
		return false;
	if (h->pages_cnt > UINT32_MAX - h->page_first)
		return false;
	return sz == sizeof(*h) + h->rules_cnt * sizeof(struct cprof_rule) +
			     ((size_t)h->pages_cnt + h->rows_cnt) * sizeof(uint32_t);
}

static bool rules_are_good(const struct cprof_rule *rules, uint32_t cnt)
{
	const struct cprof_rule gap = { .cfa = CPROF_CFA_GAP };

	if (memcmp(&rules[0], &gap, sizeof(gap)) != 0)
		return false;
	for (uint32_t i = 0; i < cnt; i++) {
		if (!rows_check_rule(&rules[i]))
			return false;
	}
	return true;
}

static bool page_is_good(const uint32_t *rows, uint32_t cnt, uint32_t rules_cnt)
{
	if (CPROF_ROW_PC(rows[0]) != 0)
		return false;
	for (uint32_t i = 0; i < cnt; i++) {
		if (CPROF_ROW_RULE(rows[i]) >= rules_cnt)
			return false;
		if (i > 0 && CPROF_ROW_PC(rows[i]) <= CPROF_ROW_PC(rows[i - 1]))
			return false;
	}
	return true;
}

static bool pages_are_good(const struct rows_view *v)
{
	const uint32_t *rows = v->rows;
	uint32_t left = v->head->rows_cnt;

	for (uint32_t i = 0; i < v->head->pages_cnt; i++) {
		uint32_t cnt = rows_of_page(v->page_rows[i]);

		if (cnt > left || (cnt > 0 && !page_is_good(rows, cnt, v->head->rules_cnt)))
			return false;
		rows += cnt;
		left -= cnt;
	}
	return left == 0;
}

bool rows_are_part(const struct rows_view *rows)
{
	for (uint32_t i = 0; i < rows->head->pages_cnt; i++) {
		if (rows->page_rows[i] == CPROF_PAGE_ABSENT)
			return true;
	}
	return false;
}

int rows_check(const void *bytes, size_t sz, struct rows_view *ret)
{
	struct rows_view v = { .head = bytes };

	assert((uintptr_t)bytes % _Alignof(uint64_t) == 0);

	if (sz < sizeof(*v.head) || !head_is_good(v.head, sz))
		return -EBADMSG;
	v.rules = (const void *)(v.head + 1);
	v.page_rows = (const void *)(v.rules + v.head->rules_cnt);
	v.rows = v.page_rows + v.head->pages_cnt;
	if (!rules_are_good(v.rules, v.head->rules_cnt) || !pages_are_good(&v))
		return -EBADMSG;
	*ret = v;
	return 0;
}
