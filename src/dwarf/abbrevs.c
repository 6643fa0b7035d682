/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Compilers number from 1 on and mostly write them in that order; what is out of order is sorted, and found by
 * halving. Of entries whose forms all have a size of their own it is added up once, so that most of what a
 * tree holds is skipped by one addition.
 */

#include "abbrevs.h"

#include <stdlib.h>

#include "constants.h"
#include "form.h"

#define ENTRY_WORK 16
#define ATTR_WORK 4

static int compare(const void *a, const void *b)
{
	const struct abbrev *x = a, *y = b;

	return CMP(x->code, y->code);
}

static int keep(struct abbrevs *a)
{
	size_t bytes = a->list.cap * sizeof(*a->list.v) + a->attrs.cap * sizeof(*a->attrs.v) +
		       a->constants.cap * sizeof(*a->constants.v);
	int r = ledger_keep(a->ledger, bytes - a->bytes);

	if (r == 0)
		a->bytes = bytes;
	return r;
}

static int add_attr(struct abbrevs *a, struct abbrev *ab, struct attr attr, int64_t constant)
{
	int r;

	if (attr.form == DW_FORM_implicit_const) {
		attr.constant = (uint32_t)a->constants.cnt;
		r = vec_push(&a->constants, constant);
		if (r < 0)
			return r;
	}
	ab->attrs_cnt++;
	return vec_push(&a->attrs, attr);
}

static int read_attrs(struct abbrevs *a, struct abbrev *ab, struct cursor *c,
		      const struct layout *layout)
{
	unsigned int fixed = 0;

	for (;;) {
		uint64_t name = cursor_uleb(c), form = cursor_uleb(c);
		int64_t constant = form == DW_FORM_implicit_const ? cursor_sleb(c) : 0;
		int sz, r;

		if (c->error < 0 || (name == 0 && form == 0))
			break;
		if (ab->attrs_cnt == ABBREV_ATTRS_MAX || name > UINT16_MAX || form > UINT16_MAX)
			return -EBADMSG;
		r = add_attr(a, ab, (struct attr){ .name = (uint16_t)name, .form = (uint16_t)form },
			     constant);
		if (r < 0)
			return r;
		sz = form_size((enum dw_form)form, layout);
		fixed = sz < 0 || fixed == FIXED_NOT ? FIXED_NOT : fixed + (unsigned int)sz;
		ab->code_here |= name == DW_AT_low_pc || name == DW_AT_ranges;
		ab->sibling |= name == DW_AT_sibling;
	}
	ab->fixed = (uint16_t)fixed;
	return c->error;
}

/* 1; 0: it was the last. */
static int read_one(struct abbrevs *a, struct cursor *c, const struct layout *layout,
		    uint64_t *ret_code)
{
	struct abbrev ab = { .code = cursor_uleb(c), .attrs = (uint32_t)a->attrs.cnt };
	uint64_t tag;
	int r;

	*ret_code = ab.code;
	if (ab.code == 0 || c->error < 0)
		return c->error;
	tag = cursor_uleb(c);
	ab.tag = tag > UINT16_MAX ? 0 : (uint16_t)tag;
	ab.children = cursor_u8(c) != 0;
	r = read_attrs(a, &ab, c, layout);
	/* Many units may have one table, which then is read only once. */
	if (r == 0)
		r = ledger_spend(a->ledger, ENTRY_WORK + ATTR_WORK * (uint64_t)ab.attrs_cnt);
	if (r == 0)
		r = vec_push(&a->list, ab);
	if (r == 0)
		r = keep(a);
	return r < 0 ? r : 1;
}

int abbrevs_load(struct abbrevs *a, struct cursor *c, uint64_t offset, uint64_t only,
		 const struct layout *layout)
{
	uint64_t code = 0, last = 0;
	bool sorted = true;
	int r;

	cursor_seek(c, c->section, offset, UINT64_MAX);
	do {
		if (only != 0) {
			/* What came before is not wanted. */
			a->list.cnt = 0;
			a->attrs.cnt = 0;
			a->constants.cnt = 0;
		}
		r = read_one(a, c, layout, &code);
		sorted = sorted && (r <= 0 || code > last);
		last = code;
	} while (r > 0 && (only == 0 || code != only));
	if (!sorted && only == 0)
		qsort(a->list.v, a->list.cnt, sizeof(*a->list.v), compare);
	return MIN(r, 0);
}

void abbrevs_done(struct abbrevs *a)
{
	if (a->ledger)
		ledger_drop(a->ledger, a->bytes);
	vec_done(&a->list);
	vec_done(&a->attrs);
	vec_done(&a->constants);
	a->bytes = 0;
}

const struct abbrev *abbrevs_find_sparse(const struct abbrevs *a, uint64_t code)
{
	size_t low = 0, high = a->list.cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (a->list.v[mid].code < code)
			low = mid + 1;
		else
			high = mid;
	}
	return low < a->list.cnt && a->list.v[low].code == code ? &a->list.v[low] : NULL;
}
