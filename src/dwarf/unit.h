/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* unit — a compilation's part of a file: its head, what its root entry says, and how its values are resolved. */

#include "form.h"
#include "part.h"

/* What is read with. Each is used by one that calls no other who uses it. */
struct readers {
	struct cursor tree; /* a unit's entries, one after the other */
	struct cursor die;  /* one entry */
	struct cursor abbrev;
	struct cursor list;   /* of ranges, or of what units say of them */
	struct cursor number; /* tables of addresses and offsets */
	struct cursor text;
	struct cursor line;
};

struct unit {
	struct part *part;
	struct part *supplement;     /* NULL: there is none */
	const struct unit *skeleton; /* of a split unit: it has its addresses; NULL: it is whole */
	uint64_t start;
	uint64_t die; /* the root entry */
	uint64_t end;
	struct layout layout;
	uint8_t type;
	uint64_t id;
	uint64_t abbrev;
	struct abbrevs abbrevs;

	/* By the root entry. */
	uint16_t tag;
	struct value low_pc;
	struct value high_pc;
	struct value ranges;
	struct value lines;
	struct value name;
	struct value dir;
	struct value dwo_name;
	uint64_t str_offsets_base;
	uint64_t addr_base;
	uint64_t lists_base;  /* of version 5's tables of ranges */
	uint64_t ranges_base; /* of a split unit's, before version 5; told by its skeleton */
	uint64_t low;	      /* low_pc as an address; 0: there is none */
};

/* The head of the unit at @start. 0; -EBADMSG: no unit can follow; -EOPNOTSUPP: this one cannot be read; -errno. */
int unit_head(struct readers *rd, struct part *part, uint64_t start, struct unit *ret);
/* Abbreviations (of the root alone with @root_only) and the root entry; unit_done() in any case. 0 or -errno. */
int unit_root(struct readers *rd, struct unit *u, bool root_only);
void unit_done(struct unit *u);

/* 0, -EBADMSG or -errno. */
int unit_address(struct readers *rd, const struct unit *u, struct value v, uint64_t *ret);
/* Cut at @sz; "" and 0 where there is none, or its file is not here. Its length or -errno. */
int unit_text(struct readers *rd, const struct unit *u, struct value v, char *dst, size_t sz);

static inline bool unit_is_skeleton(const struct unit *u)
{
	return u->type == DW_UT_skeleton || u->dwo_name.kind != VALUE_NONE;
}
