/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Entries lie in a section as the linker put them, and each ends with a gap that the next one, which
 * begins at the same address, closes. Of several rows for one address the highest number counts, and
 * the gap is number 0: so the result does not depend on the order of the file.
 *
 * Entries of a program that nobody made to mislead do not overlap. Then it is their blocks that are sorted, of
 * which there are a tenth as many as rows, and each is copied to its place.
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
	vec_done(&rows->rows);
	vec_done(&rows->blocks);
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
int cfi_rows_add_number(struct cfi_rows *rows, uint64_t addr, uint16_t number)
{
	if (addr > ROWS_ADDR_MAX)
		return -EBADMSG;
	if (rows->rows.cnt + (number != ROWS_GAP) >= rows->limits.rows)
		return -E2BIG;
	return vec_push(&rows->rows, addr << ROWS_RULE_BITS | number);
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

int cfi_rows_end_block(struct cfi_rows *rows, size_t first)
{
	struct cfi_block block = { .first = first, .cnt = rows->rows.cnt - first };

	if (block.cnt == 0)
		return 0;
	block.addr = row_addr(rows->rows.v[first]);
	return vec_push(&rows->blocks, block);
}

/* Joins what is equal behind the @cnt rows of @dst; how many there are then. Of one address the last one counts. */
static size_t append(uint64_t *dst, size_t cnt, size_t from, uint64_t row)
{
	if (cnt > from && row_addr(dst[cnt - 1]) == row_addr(row))
		cnt--;
	if (cnt > from && row_rule(dst[cnt - 1]) == row_rule(row))
		return cnt;
	dst[cnt] = row;
	return cnt + 1;
}

static void settle_rows(struct cfi_rows *rows, size_t from)
{
	uint64_t *v = rows->rows.v;
	size_t cnt = rows->rows.cnt, out = from;

	sort_u64(v + from, cnt - from);
	for (size_t i = from; i < cnt; i++)
		out = append(v, out, from, v[i]);
	rows->rows.cnt = out;
}

/* A block's address, and behind it which one it is. */
#define BLOCK_BITS 24
#define BLOCK_AT(key) ((key) & ((1ull << BLOCK_BITS) - 1))

/* The order of blocks by address, to be freed: 0; -EBADMSG: they overlap, or are too many; -ENOMEM. */
static int order_blocks(const struct cfi_rows *rows, uint64_t **ret)
{
	const struct cfi_block *blocks = rows->blocks.v;
	size_t cnt = rows->blocks.cnt;
	_cleanup_free_ uint64_t *keys = malloc(MAX(cnt, (size_t)1) * sizeof(*keys));
	uint64_t low = UINT64_MAX, end = 0;

	for (size_t i = 0; i < cnt; i++)
		low = MIN(low, blocks[i].addr);
	if (!keys)
		return -ENOMEM;
	if (cnt > BLOCK_AT(UINT64_MAX))
		return -EBADMSG;
	for (size_t i = 0; i < cnt; i++) {
		if ((blocks[i].addr - low) >> (64 - BLOCK_BITS))
			return -EBADMSG;
		keys[i] = (blocks[i].addr - low) << BLOCK_BITS | i;
	}
	sort_u64(keys, cnt);
	for (size_t i = 0; i < cnt; i++) {
		const struct cfi_block *b = &blocks[BLOCK_AT(keys[i])];

		if (b->addr < end)
			return -EBADMSG;
		end = row_addr(rows->rows.v[b->first + b->cnt - 1]);
	}
	*ret = TAKE_PTR(keys);
	return 0;
}

static int settle_blocks(struct cfi_rows *rows, size_t from)
{
	_cleanup_free_ uint64_t *order = NULL, *dst = NULL;
	size_t out = from;
	int r;

	r = order_blocks(rows, &order);
	if (r < 0)
		return r;
	dst = malloc(MAX(rows->rows.cnt, (size_t)1) * sizeof(*dst));
	if (!dst)
		return -ENOMEM;
	for (size_t i = 0; i < rows->blocks.cnt; i++) {
		const struct cfi_block *b = &rows->blocks.v[BLOCK_AT(order[i])];

		for (size_t k = b->first; k < b->first + b->cnt; k++)
			out = append(dst, out, from, rows->rows.v[k]);
	}
	if (out > from)
		memcpy(rows->rows.v + from, dst + from, (out - from) * sizeof(*dst));
	rows->rows.cnt = out;
	return 0;
}

int cfi_rows_settle(struct cfi_rows *rows, size_t from)
{
	int r = settle_blocks(rows, from);

	rows->blocks.cnt = 0;
	if (r != -EBADMSG)
		return r;
	settle_rows(rows, from);
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
