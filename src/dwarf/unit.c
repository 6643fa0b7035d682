/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Heads: DWARF 5, 7.5.1; before version 5 the type is told by the section and the abbreviations come before
 * the size of an address. What the root entry says of bases is needed to resolve what it says else, in any
 * order; so values are kept as they are until they are asked for.
 */

#include "unit.h"

#define SIZE_64BIT 0xffffffffU
#define SIZE_RESERVED 0xfffffff0U
#define VERSION_MIN 2
#define VERSION_MAX 5
#define ADDR_SZ 8

static bool has_id(const struct unit *u)
{
	return u->type == DW_UT_skeleton || u->type == DW_UT_split_compile;
}

static int read_versioned(struct cursor *c, struct unit *u)
{
	if (u->layout.version < VERSION_MIN || u->layout.version > VERSION_MAX)
		return c->error < 0 ? c->error : -EOPNOTSUPP;
	if (u->layout.version == VERSION_MAX) {
		u->type = cursor_u8(c);
		u->layout.addr_sz = cursor_u8(c);
		u->abbrev = cursor_uint(c, u->layout.offset_sz);
	} else {
		u->type = DW_UT_compile;
		u->abbrev = cursor_uint(c, u->layout.offset_sz);
		u->layout.addr_sz = cursor_u8(c);
	}
	if (u->type == DW_UT_type || u->type == DW_UT_split_type)
		cursor_skip(c, 8ULL + u->layout.offset_sz);
	else if (has_id(u))
		u->id = cursor_uint(c, sizeof(u->id));
	u->die = cursor_pos(c);
	if (c->error < 0)
		return c->error;
	return u->layout.addr_sz == ADDR_SZ ? 0 : -EOPNOTSUPP;
}

int unit_head(struct readers *rd, struct part *part, uint64_t start, struct unit *ret)
{
	struct section *s = &part->sections[SECTION_INFO];
	struct unit u = { .part = part, .start = start, .layout.offset_sz = 4 };
	struct cursor *c = &rd->die;
	uint64_t sz;
	int r;

	cursor_seek(c, s, start, UINT64_MAX);
	sz = cursor_uint(c, 4);
	if (sz == SIZE_64BIT) {
		u.layout.offset_sz = 8;
		sz = cursor_uint(c, 8);
	} else if (sz >= SIZE_RESERVED) {
		return -EBADMSG;
	}
	if (c->error < 0)
		return c->error;
	u.end = cursor_pos(c);
	if (sz == 0 || sz > s->size - u.end)
		return -EBADMSG;
	u.end += sz;
	cursor_seek(c, s, cursor_pos(c), u.end);
	u.layout.version = (uint8_t)MIN(cursor_uint(c, 2), (uint64_t)UINT8_MAX);
	r = read_versioned(c, &u);
	*ret = u;
	/* What this unit lacks says nothing about the next one. */
	return r == -EBADMSG ? -EOPNOTSUPP : r;
}

static void take_root_attr(struct unit *u, uint16_t name, struct value v)
{
	switch (name) {
	case DW_AT_low_pc:
		u->low_pc = v;
		break;
	case DW_AT_high_pc:
		u->high_pc = v;
		break;
	case DW_AT_ranges:
		u->ranges = v;
		break;
	case DW_AT_stmt_list:
		u->lines = v;
		break;
	case DW_AT_name:
		u->name = v;
		break;
	case DW_AT_comp_dir:
		u->dir = v;
		break;
	case DW_AT_dwo_name:
	case DW_AT_GNU_dwo_name:
		u->dwo_name = v;
		break;
	case DW_AT_GNU_dwo_id:
		u->id = v.u;
		break;
	case DW_AT_str_offsets_base:
		u->str_offsets_base = v.u;
		break;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		u->addr_base = v.u;
		break;
	case DW_AT_rnglists_base:
		u->lists_base = v.u;
		break;
	case DW_AT_GNU_ranges_base:
		u->ranges_base = v.u;
		break;
	default:
		break;
	}
}

int unit_root(struct readers *rd, struct unit *u, bool root_only)
{
	struct cursor *c = &rd->die;
	const struct abbrev *ab;
	uint64_t code;
	int r;

	cursor_seek(c, &u->part->sections[SECTION_INFO], u->die, u->end);
	code = cursor_uleb(c);
	if (c->error < 0 || code == 0)
		return c->error < 0 ? c->error : -EBADMSG;
	u->abbrevs.ledger = c->section->ledger;
	cursor_seek(&rd->abbrev, &u->part->sections[SECTION_ABBREV], 0, 0);
	r = abbrevs_load(&u->abbrevs, &rd->abbrev, u->abbrev, root_only ? code : 0, &u->layout);
	if (r < 0)
		return r;
	ab = abbrevs_find(&u->abbrevs, code);
	if (!ab)
		return -EBADMSG;
	u->tag = ab->tag;
	for (uint32_t i = 0; i < ab->attrs_cnt; i++) {
		const struct attr *attr = &u->abbrevs.attrs.v[ab->attrs + i];

		take_root_attr(u, attr->name, form_read_attr(c, &u->abbrevs, attr, &u->layout));
	}
	if (c->error < 0)
		return c->error;
	if (u->low_pc.kind != VALUE_NONE)
		return MIN(unit_address(rd, u, u->low_pc, &u->low), 0);
	if (u->skeleton)
		u->low = u->skeleton->low;
	return 0;
}

void unit_done(struct unit *u)
{
	abbrevs_done(&u->abbrevs);
}

/* The *@number-th number of @sz bytes in a table at @base, instead of what was there. */
static int read_number(struct readers *rd, struct section *s, uint64_t base, unsigned int sz,
		       uint64_t *number)
{
	uint64_t i = *number, v;

	if (i > s->size / sz || base > s->size)
		return -EBADMSG;
	cursor_seek(&rd->number, s, base + i * sz, UINT64_MAX);
	v = cursor_uint(&rd->number, sz);
	if (rd->number.error < 0)
		return rd->number.error;
	*number = v;
	return 0;
}

int unit_address(struct readers *rd, const struct unit *u, struct value v, uint64_t *ret)
{
	const struct unit *owner = u->skeleton ? u->skeleton : u;

	int r = 0;

	if (v.kind == VALUE_ADDR_INDEX)
		r = read_number(rd, &owner->part->sections[SECTION_ADDR], owner->addr_base, ADDR_SZ,
				&v.u);
	else if (v.kind != VALUE_ADDR)
		return -EBADMSG;
	if (r == 0)
		*ret = v.u;
	return r;
}

int unit_text(struct readers *rd, const struct unit *u, struct value v, char *dst, size_t sz)
{
	struct part *part = v.kind == VALUE_STR_ALT ? u->supplement : u->part;
	enum section_id id = SECTION_STR;
	size_t len;
	int r;

	dst[0] = '\0';
	if (v.kind == VALUE_NONE || !part)
		return 0;
	if (v.kind == VALUE_STR_INDEX) {
		r = read_number(rd, &part->sections[SECTION_STR_OFFSETS], u->str_offsets_base,
				u->layout.offset_sz, &v.u);
		if (r < 0)
			return r;
	} else if (v.kind == VALUE_TEXT) {
		id = SECTION_INFO;
	} else if (v.kind == VALUE_LINE_TEXT) {
		id = SECTION_LINE;
	} else if (v.kind == VALUE_LINE_STR) {
		id = SECTION_LINE_STR;
	} else if (v.kind != VALUE_STR && v.kind != VALUE_STR_ALT) {
		return -EBADMSG;
	}
	cursor_seek(&rd->text, &part->sections[id], v.u, UINT64_MAX);
	len = cursor_text(&rd->text, dst, sz);
	return rd->text.error < 0 ? rd->text.error : (int)len;
}
