/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Entries lie in a section as the linker put them, and each ends with a gap that the next one, which
 * begins at the same address, closes. Of several rows for one address the highest number counts, and
 * the gap is number 0: so the result does not depend on the order of the file.
 */

#include "rows.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/sort.h"

static int rule_number(struct cfi_rows *rows, const struct cprof_rule *rule)
{
	return ruleset_number(&rows->ruleset, rule, MIN(rows->limits.rules, CFI_RULES_MAX));
}

int cfi_rows_init(struct cfi_rows *rows, const struct cfi_limits *limits)
{
	struct cprof_rule gap = { .cfa = CPROF_CFA_GAP };
	int r;

	*rows = (struct cfi_rows){ .limits = *limits };
	r = rule_number(rows, &gap);
	return MIN(r, 0);
}

void cfi_rows_done(struct cfi_rows *rows)
{
	vec_done(&rows->rows);
	ruleset_done(&rows->ruleset);
}

static uint64_t row_addr(uint64_t row)
{
	return row >> ROWS_RULE_BITS;
}

static unsigned int row_rule(uint64_t row)
{
	return (unsigned int)(row & ((1U << ROWS_RULE_BITS) - 1));
}

/* The last place is for the gap behind the row before: else that would go on for ever. */
static int add_number(struct cfi_rows *rows, uint64_t addr, unsigned int number)
{
	if (addr > ROWS_ADDR_MAX)
		return -EBADMSG;
	if (rows->rows.cnt + (number != ROWS_GAP) >= rows->limits.rows)
		return -E2BIG;
	return vec_push(&rows->rows, addr << ROWS_RULE_BITS | number);
}

int cfi_rows_add(struct cfi_rows *rows, uint64_t addr, const struct cprof_rule *rule)
{
	int r = rule_number(rows, rule);

	if (r < 0)
		return r;
	if (rule->cfa == CPROF_CFA_UNSUPPORTED || rule->ra == CPROF_WHERE_UNSUPPORTED ||
	    rule->fp == CPROF_WHERE_UNSUPPORTED)
		rows->unsupported++;
	return add_number(rows, addr, (unsigned int)r);
}

int cfi_rows_add_gap(struct cfi_rows *rows, uint64_t addr)
{
	return add_number(rows, addr, ROWS_GAP);
}

void cfi_rows_settle(struct cfi_rows *rows, size_t from)
{
	uint64_t *v = rows->rows.v;
	size_t cnt = rows->rows.cnt, out = from;

	if (cnt == from)
		return;
	sort_u64(v + from, cnt - from);
	for (size_t i = from; i < cnt; i++) {
		if (i + 1 < cnt && row_addr(v[i + 1]) == row_addr(v[i]))
			continue;
		if (out > from && row_rule(v[out - 1]) == row_rule(v[i]))
			continue;
		v[out++] = v[i];
	}
	rows->rows.cnt = out;
}

/* Two tables that are walked along side by side. */
struct overlay {
	const uint64_t *v;
	size_t cnt;
	size_t next;
	unsigned int rule;
};

static uint64_t overlay_next(const struct overlay *o)
{
	return o->next < o->cnt ? row_addr(o->v[o->next]) : UINT64_MAX;
}

static void overlay_move(struct overlay *o, uint64_t addr)
{
	while (overlay_next(o) <= addr)
		o->rule = row_rule(o->v[o->next++]);
}

/* Into @dst, which has room for all of both. How many there are. */
static size_t overlay(struct overlay *first, struct overlay *second, uint64_t *dst)
{
	size_t cnt = 0;

	while (first->next < first->cnt || second->next < second->cnt) {
		uint64_t addr = MIN(overlay_next(first), overlay_next(second));
		unsigned int rule;

		overlay_move(first, addr);
		overlay_move(second, addr);
		rule = first->rule != ROWS_GAP ? first->rule : second->rule;
		if (cnt == 0 || row_rule(dst[cnt - 1]) != rule)
			dst[cnt++] = addr << ROWS_RULE_BITS | rule;
	}
	return cnt;
}

int cfi_rows_overlay(struct cfi_rows *rows, size_t from)
{
	_cleanup_free_ uint64_t *v = NULL;
	uint64_t *all = rows->rows.v;
	size_t cnt = rows->rows.cnt;

	if (from == 0 || from == cnt)
		return 0;
	v = malloc(cnt * sizeof(*v));
	if (!v)
		return -ENOMEM;
	cnt = overlay(&(struct overlay){ .v = all, .cnt = from },
		      &(struct overlay){ .v = all + from, .cnt = cnt - from }, v);
	memcpy(all, v, cnt * sizeof(*v));
	rows->rows.cnt = cnt;
	return 0;
}
