/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Split units (DWARF 5, 7.3.2): what a skeleton leaves out lies in a file of its own (.dwo), or with those of
 * other units in a package (.dwp), whose index says by the unit's id where its share of each section is (7.3.5;
 * version 2 is GNU's, of before DWARF 5). Tables that a unit's values count from begin there, behind a head that
 * they have since version 5.
 */

#include "internal.h"

#define UNITS_MAX 4096 /* of one .dwo, which are looked at */
#define COLUMNS_MAX 8
#define INDEX_HEAD_SZ 16

enum column {
	COLUMN_INFO = 1,
	COLUMN_ABBREV = 3,
	COLUMN_STR_OFFSETS = 6,
	COLUMN_RNGLISTS = 8,
	COLUMNS_CNT,
};

/* Where a unit's share of a section begins. */
struct shares {
	uint64_t at[COLUMNS_CNT];
};

static void take_shares(struct unit *u, const struct shares *s)
{
	bool wide = u->layout.offset_sz == 8;
	uint64_t head = u->layout.version < 5 ? 0 : wide ? 16 : 8;

	u->abbrev += s->at[COLUMN_ABBREV];
	u->str_offsets_base = s->at[COLUMN_STR_OFFSETS] + head;
	u->lists_base = s->at[COLUMN_RNGLISTS] + (wide ? 20 : 12);
}

/* @u, if it has this id. As split_unit(). */
static int take_unit(struct readers *rd, const struct unit *skeleton, uint64_t id, struct unit *u)
{
	struct shares none = { 0 };
	int r;

	take_shares(u, &none);
	u->skeleton = skeleton;
	r = unit_root(rd, u, false);
	if (r < 0)
		return r;
	return u->tag == DW_TAG_compile_unit && u->id == id ? 0 : -ENOENT;
}

/* The first of the units that has the id. */
static int find_unit(struct readers *rd, struct part *part, const struct unit *skeleton,
		     uint64_t id, struct unit *u)
{
	uint64_t start = 0;

	for (unsigned int i = 0; i < UNITS_MAX && start < part->sections[SECTION_INFO].size; i++) {
		int r = unit_head(rd, part, start, u);

		if (r == -EBADMSG)
			return -ENOENT;
		start = u->end;
		/* Types lie beside. */
		if (r == -EOPNOTSUPP || u->type == DW_UT_split_type)
			continue;
		if (r == 0)
			r = take_unit(rd, skeleton, id, u);
		if (r != -ENOENT)
			return r;
		unit_done(u);
		*u = (struct unit){ 0 };
	}
	return -ENOENT;
}

struct package {
	uint32_t columns;
	uint32_t units;
	uint32_t slots;
	uint64_t ids;
	uint64_t rows; /* of the units' numbers, by slot */
	uint64_t names;
	uint64_t offsets;
};

static int open_package(struct section *s, struct package *p)
{
	uint32_t head[INDEX_HEAD_SZ / sizeof(uint32_t)];
	int r = section_read(s, 0, head, sizeof(head));

	if (r < 0)
		return r;
	/* The second half of a version of 16 bits is 0. */
	if ((head[0] != 2 && head[0] != 5) || head[1] == 0 || head[1] > COLUMNS_MAX ||
	    head[3] == 0 || (head[3] & (head[3] - 1)) != 0)
		return -EBADMSG;
	p->columns = head[1];
	p->units = head[2];
	p->slots = head[3];
	p->ids = INDEX_HEAD_SZ;
	p->rows = p->ids + 8ULL * p->slots;
	p->names = p->rows + 4ULL * p->slots;
	p->offsets = p->names + 4ULL * p->columns;
	return p->offsets + 4ULL * p->columns * p->units <= s->size ? 0 : -EBADMSG;
}

/* The unit's row, by open addressing. -ENOENT: it has none. */
static int find_row(struct section *s, const struct package *p, uint64_t id, uint32_t *ret)
{
	uint32_t mask = p->slots - 1, slot = (uint32_t)id & mask;
	uint32_t step = ((uint32_t)(id >> 32) & mask) | 1;

	for (uint32_t i = 0; i < p->slots; i++, slot = (slot + step) & mask) {
		uint64_t here;
		uint32_t row;
		int r = section_read(s, p->ids + 8ULL * slot, &here, sizeof(here));

		if (r == 0)
			r = section_read(s, p->rows + 4ULL * slot, &row, sizeof(row));
		if (r < 0)
			return r;
		if (row == 0)
			return -ENOENT;
		if (here == id) {
			*ret = row - 1;
			return row <= p->units ? 0 : -EBADMSG;
		}
	}
	return -ENOENT;
}

static int find_shares(struct section *s, uint64_t id, struct shares *ret)
{
	uint32_t names[COLUMNS_MAX], offsets[COLUMNS_MAX], row;
	struct package p;
	size_t sz;
	int r = open_package(s, &p);

	if (r == 0)
		r = find_row(s, &p, id, &row);
	if (r < 0)
		return r;
	sz = p.columns * sizeof(uint32_t);
	r = section_read(s, p.names, names, sz);
	if (r == 0)
		r = section_read(s, p.offsets + row * sz, offsets, sz);
	for (uint32_t i = 0; r == 0 && i < p.columns; i++) {
		if (names[i] < COLUMNS_CNT)
			ret->at[names[i]] = offsets[i];
	}
	return r;
}

int split_unit(struct readers *rd, struct companion *c, const struct unit *skeleton, uint64_t id,
	       struct unit *ret)
{
	struct section *s = &c->part.sections[SECTION_CU_INDEX];
	struct shares shares = { 0 };
	int r;

	*ret = (struct unit){ 0 };
	if (s->size == 0)
		return find_unit(rd, &c->part, skeleton, id, ret);
	r = find_shares(s, id, &shares);
	if (r == 0)
		r = unit_head(rd, &c->part, shares.at[COLUMN_INFO], ret);
	if (r < 0)
		return r;
	take_shares(ret, &shares);
	ret->skeleton = skeleton;
	r = unit_root(rd, ret, false);
	return r == 0 && ret->id != id ? -ENOENT : r;
}
