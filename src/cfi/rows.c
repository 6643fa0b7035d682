/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each entry ends with a gap that the next one, which begins at the same address, closes. Of several rows for
 * one address the highest number counts, and the gap is number 0: so the result does not depend on the order
 * of the file.
 *
 * The largest run has nearly all rows mostly: the others are sorted, and merged into it.
 */

#include "rows.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/sort.h"

int cfi_rows_init(struct cfi_rows *rows, const struct cfi_limits *limits)
{
	struct cprof_rule gap = { .cfa = CPROF_CFA_GAP };
	uint16_t number;

	*rows = (struct cfi_rows){ .limits = *limits };
	return cfi_rows_number(rows, &gap, &number);
}

void cfi_rows_done(struct cfi_rows *rows)
{
	for (unsigned int i = 0; i < rows->runs_cnt; i++)
		vec_done(&rows->runs[i]);
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

static uint64_t run_end(const struct cfi_run *run)
{
	return run->cnt > 0 ? row_addr(run->v[run->cnt - 1]) : 0;
}

/* The one that goes on the least far before it. */
void cfi_rows_begin(struct cfi_rows *rows, uint64_t addr)
{
	struct cfi_run *best = NULL;

	for (unsigned int i = 0; i < rows->runs_cnt; i++) {
		struct cfi_run *run = &rows->runs[i];

		if (run_end(run) <= addr && (!best || run_end(run) > run_end(best)))
			best = run;
	}
	if (!best && rows->runs_cnt < ROWS_RUNS_MAX)
		best = &rows->runs[rows->runs_cnt++];
	rows->is_unsorted |= !best;
	rows->run = best ? best : &rows->runs[ROWS_RUNS_MAX - 1];
}

/* The last place is for the gap behind the row before: else that would go on for ever. */
int cfi_rows_add_number(struct cfi_rows *rows, uint64_t addr, uint16_t number)
{
	struct cfi_run *run = rows->run;
	const uint64_t gap = addr << ROWS_RULE_BITS | ROWS_GAP;
	int r;

	if (addr > ROWS_ADDR_MAX)
		return -EBADMSG;
	if (run->cnt > 0 && run->v[run->cnt - 1] == gap) {
		run->v[run->cnt - 1] |= number;
		return 0;
	}
	if (rows->cnt + (number != ROWS_GAP) >= rows->limits.rows)
		return -E2BIG;
	r = vec_push(run, gap | number);
	rows->cnt += r == 0;
	return r;
}

int cfi_rows_number(struct cfi_rows *rows, const struct cprof_rule *rule, uint16_t *ret_number)
{
	int r = ruleset_number(&rows->ruleset, rule, MIN(rows->limits.rules, CFI_RULES_MAX));

	if (r < 0)
		return r;
	*ret_number = (uint16_t)r;
	return 0;
}

int cfi_rows_add(struct cfi_rows *rows, uint64_t addr, const struct cprof_rule *rule)
{
	uint16_t number;
	int r = cfi_rows_number(rows, rule, &number);

	if (r < 0)
		return r;
	if (rule->cfa == CPROF_CFA_UNSUPPORTED || rule->ra == CPROF_WHERE_UNSUPPORTED ||
	    rule->fp == CPROF_WHERE_UNSUPPORTED)
		rows->unsupported++;
	return cfi_rows_add_number(rows, addr, number);
}

int cfi_rows_add_gap(struct cfi_rows *rows, uint64_t addr)
{
	return cfi_rows_add_number(rows, addr, ROWS_GAP);
}

/* Joins what is equal behind the @cnt rows of @dst; how many there are then. Of one address the last one counts. */
static size_t append(uint64_t *dst, size_t cnt, uint64_t row)
{
	if (cnt > 0 && row_addr(dst[cnt - 1]) == row_addr(row))
		cnt--;
	if (cnt > 0 && row_rule(dst[cnt - 1]) == row_rule(row))
		return cnt;
	dst[cnt] = row;
	return cnt + 1;
}

static struct cfi_run *largest(struct cfi_rows *rows)
{
	struct cfi_run *large = rows->runs;

	for (unsigned int i = 1; i < rows->runs_cnt; i++) {
		if (rows->runs[i].cnt > large->cnt)
			large = &rows->runs[i];
	}
	return large;
}

/* What the other runs have goes behind the largest one, sorted; where it begins is told. 0 or -ENOMEM. */
static int gather(struct cfi_rows *rows, struct cfi_run *large, size_t *ret)
{
	size_t from = large->cnt;
	int r;

	if (rows->is_unsorted && large == &rows->runs[ROWS_RUNS_MAX - 1])
		sort_u64(large->v, large->cnt);
	r = vec_reserve(large, rows->cnt - rows->rows.cnt - large->cnt);
	for (unsigned int i = 0; r == 0 && i < rows->runs_cnt; i++) {
		struct cfi_run *run = &rows->runs[i];

		if (run == large || run->cnt == 0)
			continue;
		memcpy(large->v + large->cnt, run->v, run->cnt * sizeof(*run->v));
		large->cnt += run->cnt;
		vec_done(run);
	}
	if (r == 0)
		sort_u64(large->v + from, large->cnt - from);
	*ret = from;
	return r;
}

/* Both halves of it, each sorted, become one. 0 or -ENOMEM. */
static int merge(struct cfi_run *run, size_t half)
{
	size_t left = half, right = run->cnt - half, out = run->cnt;
	_cleanup_free_ uint64_t *v = malloc(MAX(right, (size_t)1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	if (right > 0)
		memcpy(v, run->v + half, right * sizeof(*v));
	/* From behind, where there is room; when all of the right half is in its place, the rest is. */
	while (right > 0) {
		if (left > 0 && run->v[left - 1] > v[right - 1])
			run->v[--out] = run->v[--left];
		else
			run->v[--out] = v[--right];
	}
	return 0;
}

/* All runs, sorted and joined: *ret is the caller's. 0 or -ENOMEM. */
static int settle_runs(struct cfi_rows *rows, struct cfi_run *ret)
{
	struct cfi_run *large = largest(rows);
	size_t half, out = 0;
	int r = gather(rows, large, &half);

	if (r == 0)
		r = merge(large, half);
	if (r < 0)
		return r;
	*ret = *large;
	*large = (struct cfi_run){ 0 };
	for (size_t i = 0; i < ret->cnt; i++)
		out = append(ret->v, out, ret->v[i]);
	ret->cnt = out;
	rows->runs_cnt = 0;
	rows->is_unsorted = false;
	return 0;
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

/* @more fills the gaps of what is there. 0 or -ENOMEM. */
static int fill_gaps(struct cfi_rows *rows, const struct cfi_run *more)
{
	struct overlay first = { .v = rows->rows.v, .cnt = rows->rows.cnt };
	struct overlay second = { .v = more->v, .cnt = more->cnt };
	struct cfi_run all = { .cap = first.cnt + second.cnt };

	all.v = malloc(all.cap * sizeof(*all.v));
	if (!all.v)
		return -ENOMEM;
	all.cnt = overlay(&first, &second, all.v);
	vec_done(&rows->rows);
	rows->rows = all;
	return 0;
}

int cfi_rows_settle(struct cfi_rows *rows)
{
	struct cfi_run more = { 0 };
	int r = rows->runs_cnt > 0 ? settle_runs(rows, &more) : 0;

	if (r == 0 && rows->rows.cnt > 0 && more.cnt > 0)
		r = fill_gaps(rows, &more);
	if (r == 0 && rows->rows.cnt == 0) {
		rows->rows = more;
		more = (struct cfi_run){ 0 };
	}
	vec_done(&more);
	rows->cnt = rows->rows.cnt;
	return r;
}
