/* SPDX-License-Identifier: Apache-2.0 */

/* Sets, one for each unit: a head, and pairs of address and size up to two zeros. DWARF 5, 6.1.2. */

#include "aranges.h"

#define SIZE_64BIT 0xffffffffU
#define ADDR_SZ 8
#define PAIR_SZ 16

static int walk_pairs(struct cursor *c, uint64_t unit, arange_fn fn, void *ctx)
{
	int r = 0;

	while (r == 0 && cursor_more(c)) {
		uint64_t start = cursor_uint(c, ADDR_SZ), sz = cursor_uint(c, ADDR_SZ);

		if (c->error < 0 || (start == 0 && sz == 0))
			break;
		if (sz > 0 && start + sz > start)
			r = fn(ctx, unit, start, start + sz);
	}
	return r < 0 ? r : c->error;
}

static int walk_set(struct readers *rd, struct section *s, uint64_t *next, arange_fn fn, void *ctx)
{
	struct cursor *c = &rd->list;
	unsigned int offset_sz = 4;
	uint64_t sz, unit, end;
	bool known;
	int r;

	cursor_seek(c, s, *next, UINT64_MAX);
	sz = cursor_uint(c, 4);
	if (sz == SIZE_64BIT) {
		offset_sz = 8;
		sz = cursor_uint(c, 8);
	}
	end = cursor_pos(c);
	if (c->error < 0 || sz > s->size - end)
		return c->error < 0 ? c->error : -EBADMSG;
	end += sz;
	known = cursor_uint(c, 2) == 2;
	unit = cursor_uint(c, offset_sz);
	known &= cursor_u8(c) == ADDR_SZ && cursor_u8(c) == 0;
	/* Pairs are aligned as seen from the set. */
	cursor_skip(c, -(cursor_pos(c) - *next) % PAIR_SZ);
	if (c->error < 0)
		return c->error;
	cursor_seek(c, s, cursor_pos(c), end);
	r = known ? walk_pairs(c, unit, fn, ctx) : 0;
	if (r == 0 || r == -EBADMSG)
		*next = end;
	return r == -EBADMSG ? 0 : r;
}

int aranges_walk(struct readers *rd, struct part *part, uint64_t *next, arange_fn fn, void *ctx)
{
	struct section *s = &part->sections[SECTION_ARANGES];
	int r = 0;

	while (r == 0 && *next < s->size)
		r = walk_set(rd, s, next, fn, ctx);
	return r;
}
