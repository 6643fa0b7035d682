/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* form — an attribute's value, read or skipped. */

#include "abbrevs.h"
#include "constants.h"

enum value_kind {
	VALUE_NONE,
	VALUE_CONST,
	VALUE_ADDR,
	VALUE_ADDR_INDEX,
	VALUE_TEXT,	 /* where it lies in the section that is read */
	VALUE_LINE_TEXT, /* where in .debug_line */
	VALUE_STR,	 /* where in .debug_str */
	VALUE_LINE_STR,	 /* where in .debug_line_str */
	VALUE_STR_INDEX,
	VALUE_STR_ALT, /* where in the supplement's .debug_str */
	VALUE_REF,     /* from the unit's beginning on */
	VALUE_REF_FAR, /* where in the section */
	VALUE_REF_ALT, /* where in the supplement's .debug_info */
	VALUE_OFFSET,  /* where in a section that the attribute implies */
	VALUE_INDEX,   /* in a table that it implies */
};

struct value {
	enum value_kind kind;
	uint64_t u;
};

/* How many bytes each value has; -1: it depends. */
int form_size(enum dw_form form, const struct layout *layout);

/* The cursor fails where the form is not known. */
void form_skip(struct cursor *c, enum dw_form form, const struct layout *layout);
struct value form_read(struct cursor *c, enum dw_form form, int64_t constant,
		       const struct layout *layout);

static inline struct value form_read_attr(struct cursor *c, const struct abbrevs *a,
					  const struct attr *attr, const struct layout *layout)
{
	int64_t constant =
		attr->form == DW_FORM_implicit_const ? a->constants.v[attr->constant] : 0;

	return form_read(c, (enum dw_form)attr->form, constant, layout);
}
