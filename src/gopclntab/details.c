/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A record is, behind its address: ten numbers of 4 bytes (nine before 1.20), four bytes, of which the last
 * counts the function's data, then offsets of further tables, then the data: offsets since 1.18, before that
 * addresses at a multiple of 8.
 */

#include "details.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"

enum record_field {
	RECORD_FILES = 4,
	RECORD_LINES = 5,
	RECORD_TABLES_CNT = 6,
	RECORD_UNIT = 7,
	RECORD_START_LINE = 8,
	RECORD_FIELDS_MAX = 10, /* with the four bytes */
};

/* The runtime's numbers, the same from 1.16 to 1.27. */
#define TABLE_CALLS 2
#define DATA_TREE 3
#define DATA_NONE UINT32_MAX

static uint32_t field(const uint8_t *b, size_t i)
{
	uint32_t v;

	memcpy(&v, b + i * sizeof(v), sizeof(v));
	return v;
}

/* @at: behind the record's fixed part, @cnt tables follow. */
static int read_tree(struct tables *t, uint64_t at, uint32_t cnt, struct details *ret)
{
	bool offsets = t->head.version >= GOPCLNTAB_118;
	size_t sz = offsets ? 4 : 8;
	uint64_t none = offsets ? DATA_NONE : 0;
	int r;

	at += 4ULL * cnt;
	at = (at + sz - 1) / sz * sz + DATA_TREE * sz;
	ret->tree = 0;
	r = window_copy(&t->records, at, &ret->tree, sz);
	if (r < 0)
		return r;
	ret->treed = ret->tree != none;
	return 0;
}

int details_read(struct tables *t, const struct gopclntab_func *f, struct details *ret)
{
	size_t fields =
		t->head.version >= GOPCLNTAB_120 ? RECORD_FIELDS_MAX : RECORD_FIELDS_MAX - 1;
	uint64_t at = f->record + tables_word(t->head.version);
	uint8_t b[RECORD_FIELDS_MAX * 4];
	struct details d = { 0 };
	uint32_t tables;
	int r;

	r = window_copy(&t->records, at, b, fields * 4);
	if (r < 0)
		return r;
	d.files = field(b, RECORD_FILES);
	d.lines = field(b, RECORD_LINES);
	d.unit = field(b, RECORD_UNIT);
	if (t->head.version >= GOPCLNTAB_120 && field(b, RECORD_START_LINE) <= INT32_MAX)
		d.start_line = field(b, RECORD_START_LINE);
	tables = field(b, RECORD_TABLES_CNT);
	at += fields * 4;
	if (tables > TABLE_CALLS)
		r = window_copy(&t->records, at + TABLE_CALLS * 4, &d.calls, sizeof(d.calls));
	if (r == 0 && b[fields * 4 - 1] > DATA_TREE)
		r = read_tree(t, at, tables, &d);
	if (r == 0)
		*ret = d;
	return r;
}

/* Where the @i-th function of the list begins, as the list has it. */
static int start_of(struct tables *t, uint64_t i, uint64_t *ret)
{
	unsigned int word = tables_word(t->head.version);

	*ret = 0;
	return window_copy(&t->list, t->head.funcs + i * 2 * word, ret, word);
}

int details_find(struct tables *t, uint64_t addr, struct gopclntab_func *ret)
{
	uint64_t low = 0, high = t->head.funcs_cnt, start;
	uint64_t base = t->head.version >= GOPCLNTAB_118 ? t->text : 0;
	int r;

	while (high - low > 1) {
		uint64_t mid = low + (high - low) / 2;

		r = start_of(t, mid, &start);
		if (r < 0)
			return r;
		if (start <= addr - base)
			low = mid;
		else
			high = mid;
	}
	r = tables_func(t, low, ret);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	return addr >= ret->start && addr < ret->end;
}
