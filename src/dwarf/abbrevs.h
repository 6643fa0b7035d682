/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* abbrevs — what entries of a unit are made of, by their code. */

#include "cprof/base/vec.h"
#include "cursor.h"

/* What entries without a size of their own may be made of, so that a byte of a tree costs little work. */
#define ABBREV_ATTRS_MAX 256

struct attr {
	uint16_t name;
	uint16_t form;
	uint32_t constant; /* its number in the table's constants, of DW_FORM_implicit_const */
};

struct abbrev {
	uint64_t code;
	uint32_t attrs; /* the first one's number in the table */
	uint16_t attrs_cnt;
	uint16_t tag;
	uint16_t fixed; /* bytes that each entry has; FIXED_NOT: it depends */
	bool children;
	bool code_here; /* it can tell where code is */
	bool sibling;
};

#define FIXED_NOT UINT16_MAX

struct abbrevs {
	VEC(struct abbrev) list;
	VEC(struct attr) attrs;
	VEC(int64_t) constants;
	struct ledger *ledger;
	size_t bytes; /* that the ledger knows of */
};

/* How large what depends on the unit is. */
struct layout {
	uint8_t version;
	uint8_t offset_sz;
	uint8_t addr_sz;
};

/*
 * Reads the table at @offset; with @only of not 0 no more than up to that code, of which all is known then.
 * 0, -EBADMSG, -EFBIG or -errno; abbrevs_done() in any case.
 */
int abbrevs_load(struct abbrevs *a, struct cursor *c, uint64_t offset, uint64_t only,
		 const struct layout *layout);
void abbrevs_done(struct abbrevs *a);

const struct abbrev *abbrevs_find_sparse(const struct abbrevs *a, uint64_t code);

/* NULL: there is none. */
static inline const struct abbrev *abbrevs_find(const struct abbrevs *a, uint64_t code)
{
	if (code - 1 < a->list.cnt && a->list.v[code - 1].code == code)
		return &a->list.v[code - 1];
	return abbrevs_find_sparse(a, code);
}
