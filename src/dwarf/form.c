/* SPDX-License-Identifier: Apache-2.0 */

/*
 * DWARF 5, 7.5.5 and 7.5.6. A form that we do not know has no size that we know: what is behind it in the unit
 * is lost.
 */

#include "form.h"

int form_size(enum dw_form form, const struct layout *layout)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_flag:
	case DW_FORM_ref1:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_ref_sup4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return layout->addr_sz;
	case DW_FORM_ref_addr:
		return layout->version <= 2 ? layout->addr_sz : layout->offset_sz;
	case DW_FORM_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_strp_sup:
	case DW_FORM_line_strp:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return layout->offset_sz;
	default:
		return -1;
	}
}

void form_skip(struct cursor *c, enum dw_form form, const struct layout *layout)
{
	int sz = form_size(form, layout);

	if (sz >= 0) {
		cursor_skip(c, (uint64_t)sz);
		return;
	}
	switch (form) {
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		(void)cursor_uleb(c);
		return;
	case DW_FORM_block1:
		cursor_skip(c, cursor_u8(c));
		return;
	case DW_FORM_block2:
		cursor_skip(c, cursor_uint(c, 2));
		return;
	case DW_FORM_block4:
		cursor_skip(c, cursor_uint(c, 4));
		return;
	case DW_FORM_block:
	case DW_FORM_exprloc:
		cursor_skip(c, cursor_uleb(c));
		return;
	case DW_FORM_string:
		cursor_skip_text(c);
		return;
	case DW_FORM_indirect:
		form = (enum dw_form)cursor_uleb(c);
		if (form == DW_FORM_indirect || form == DW_FORM_implicit_const)
			cursor_fail(c, -EBADMSG);
		else
			form_skip(c, form, layout);
		return;
	default:
		cursor_fail(c, -EBADMSG);
	}
}

static enum value_kind kind_of(enum dw_form form)
{
	switch (form) {
	case DW_FORM_data1:
	case DW_FORM_data2:
	case DW_FORM_data4:
	case DW_FORM_data8:
	case DW_FORM_udata:
	case DW_FORM_flag:
		return VALUE_CONST;
	case DW_FORM_addr:
		return VALUE_ADDR;
	case DW_FORM_addrx:
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
	case DW_FORM_GNU_addr_index:
		return VALUE_ADDR_INDEX;
	case DW_FORM_strp:
		return VALUE_STR;
	case DW_FORM_line_strp:
		return VALUE_LINE_STR;
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
	case DW_FORM_GNU_str_index:
		return VALUE_STR_INDEX;
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_strp_alt:
		return VALUE_STR_ALT;
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		return VALUE_REF;
	case DW_FORM_ref_addr:
		return VALUE_REF_FAR;
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
	case DW_FORM_GNU_ref_alt:
		return VALUE_REF_ALT;
	case DW_FORM_sec_offset:
		return VALUE_OFFSET;
	case DW_FORM_rnglistx:
	case DW_FORM_loclistx:
		return VALUE_INDEX;
	default:
		return VALUE_NONE;
	}
}

struct value form_read(struct cursor *c, enum dw_form form, int64_t constant,
		       const struct layout *layout)
{
	struct value v = { 0 };
	int sz;

	if (form == DW_FORM_indirect) {
		form = (enum dw_form)cursor_uleb(c);
		if (form == DW_FORM_indirect || form == DW_FORM_implicit_const) {
			cursor_fail(c, -EBADMSG);
			return v;
		}
	}
	if (form == DW_FORM_implicit_const)
		return (struct value){ .kind = VALUE_CONST, .u = (uint64_t)constant };
	if (form == DW_FORM_sdata)
		return (struct value){ .kind = VALUE_CONST, .u = (uint64_t)cursor_sleb(c) };
	if (form == DW_FORM_string) {
		v = (struct value){ .kind = VALUE_TEXT, .u = cursor_pos(c) };
		cursor_skip_text(c);
		return v;
	}
	v.kind = kind_of(form);
	if (v.kind == VALUE_NONE) {
		form_skip(c, form, layout);
		return v;
	}
	sz = form_size(form, layout);
	v.u = sz >= 0 ? cursor_uint(c, (unsigned int)sz) : cursor_uleb(c);
	return v;
}
