/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One stretch (a first address, and the end as address or as distance), or a list: pairs of addresses before
 * version 5, then entries of several kinds (DWARF 5, 2.17.3 and 7.25). Addresses in lists count from a base,
 * which is the unit's first address until the list names another. Many entries may name one list, so that
 * what is read again is paid again, as work.
 */

#include "spans.h"

#define ADDR_SZ 8
#define ENTRY_WORK 16

size_t asked_from(const struct asked *asked, uint64_t addr)
{
	size_t low = 0, high = asked->cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (asked->addrs[mid] < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct walk {
	struct readers *rd;
	const struct unit *unit;
	struct cursor *list;
	uint64_t base;
	span_fn fn;
	void *ctx;
};

static int give(struct walk *w, uint64_t start, uint64_t end)
{
	return start < end ? w->fn(w->ctx, start, end) : 0;
}

static int walk_pairs(struct walk *w)
{
	struct cursor *c = w->list;

	for (;;) {
		uint64_t start = cursor_uint(c, ADDR_SZ), end = cursor_uint(c, ADDR_SZ);
		int r = ledger_spend(c->section->ledger, ENTRY_WORK);

		if (r < 0 || c->error < 0)
			return r < 0 ? r : c->error;
		if (start == 0 && end == 0)
			return 0;
		if (start == UINT64_MAX)
			w->base = end;
		else
			r = give(w, w->base + start, w->base + end);
		if (r != 0)
			return r;
	}
}

/* By its number in the table of addresses. */
static int indexed(struct walk *w, uint64_t *ret)
{
	struct value v = { .kind = VALUE_ADDR_INDEX, .u = cursor_uleb(w->list) };

	return w->list->error < 0 ? w->list->error : unit_address(w->rd, w->unit, v, ret);
}

/* 1: one more may follow; 0: the end. */
static int walk_entry(struct walk *w)
{
	struct cursor *c = w->list;
	uint64_t start = 0, end = 0;
	enum dw_rle kind = (enum dw_rle)cursor_u8(c);
	int r = 0;

	switch (kind) {
	case DW_RLE_end_of_list:
		return c->error;
	case DW_RLE_base_addressx:
		r = indexed(w, &w->base);
		break;
	case DW_RLE_startx_endx:
		r = indexed(w, &start);
		if (r == 0)
			r = indexed(w, &end);
		break;
	case DW_RLE_startx_length:
		r = indexed(w, &start);
		end = start + cursor_uleb(c);
		break;
	case DW_RLE_offset_pair:
		start = w->base + cursor_uleb(c);
		end = w->base + cursor_uleb(c);
		break;
	case DW_RLE_base_address:
		w->base = cursor_uint(c, ADDR_SZ);
		break;
	case DW_RLE_start_end:
		start = cursor_uint(c, ADDR_SZ);
		end = cursor_uint(c, ADDR_SZ);
		break;
	case DW_RLE_start_length:
		start = cursor_uint(c, ADDR_SZ);
		end = start + cursor_uleb(c);
		break;
	default:
		return -EBADMSG;
	}
	if (r == 0)
		r = c->error;
	if (r == 0)
		r = give(w, start, end);
	return r != 0 ? r : 1;
}

static int walk_entries(struct walk *w)
{
	int r;

	do {
		r = ledger_spend(w->list->section->ledger, ENTRY_WORK);
		if (r == 0)
			r = walk_entry(w);
	} while (r == 1);
	return r;
}

static int walk_list(struct walk *w, struct value v)
{
	const struct unit *u = w->unit, *skeleton = u->skeleton;
	struct section *s = &u->part->sections[SECTION_RNGLISTS];
	uint64_t at = v.u, base = u->lists_base;

	if (u->layout.version < 5) {
		s = &(skeleton ? skeleton : u)->part->sections[SECTION_RANGES];
		at += skeleton ? skeleton->ranges_base : 0;
		cursor_seek(w->list, s, at, UINT64_MAX);
		return walk_pairs(w);
	}
	if (v.kind == VALUE_INDEX) {
		unsigned int sz = u->layout.offset_sz;

		if (v.u > s->size / sz || base > s->size)
			return -EBADMSG;
		cursor_seek(w->list, s, base + v.u * sz, UINT64_MAX);
		at = base + cursor_uint(w->list, sz);
		if (w->list->error < 0)
			return w->list->error;
	}
	cursor_seek(w->list, s, at, UINT64_MAX);
	return walk_entries(w);
}

int spans_walk(struct readers *rd, const struct unit *u, const struct code_values *v, span_fn fn,
	       void *ctx)
{
	struct walk w = {
		.rd = rd, .unit = u, .list = &rd->list, .base = u->low, .fn = fn, .ctx = ctx
	};
	uint64_t start, end;
	int r;

	if (v->ranges.kind != VALUE_NONE)
		return walk_list(&w, v->ranges);
	if (v->low.kind == VALUE_NONE || v->high.kind == VALUE_NONE)
		return 0;
	r = unit_address(rd, u, v->low, &start);
	if (r < 0)
		return r;
	if (v->high.kind == VALUE_CONST) {
		end = start + v->high.u;
	} else {
		r = unit_address(rd, u, v->high, &end);
		if (r < 0)
			return r;
	}
	return give(&w, start, end);
}
