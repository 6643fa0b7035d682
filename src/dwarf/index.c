/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One pass over all units, which reads the head and the root entry of each and steps over the rest: some
 * kilobytes of each unit, however large it is. The root says where the unit's code is; where it does not,
 * .debug_aranges may. (Names of sections' beginnings, .debug_names, would not help: they say where names are.)
 *
 * Linkers leave entries of code that they threw away at addresses where no code is. Where two units claim a place
 * the first one has it (settle.c).
 *
 * Before that is done .debug_aranges alone is read, where there is any: it is a hundredth of what units are, and
 * these may have to be unpacked to get from one to the next.
 */

#include "index.h"

#include <stdlib.h>

#include "aranges.h"

#define SPAN_MAX UINT32_MAX
#define UNITS_MAX UINT32_MAX

struct build {
	struct index *index;
	struct unit_list *claimed; /* by .debug_aranges alone */
	struct ledger *ledger;
	const struct elf_file *program;
	uint32_t unit;
	bool any;
};

static int add_start(struct unit_list *l, uint64_t start, struct ledger *ledger)
{
	int r = vec_push(&l->starts, start);

	return r < 0 ? r : ledger_keep_up(ledger, &l->bytes, l->starts.cap * sizeof(*l->starts.v));
}

static int add_span(void *ctx, uint64_t start, uint64_t end)
{
	struct build *b = ctx;
	struct index *ix = b->index;
	struct span *last = ix->spans.cnt > 0 ? &ix->spans.v[ix->spans.cnt - 1] : NULL;
	int r;

	b->any = true;
	if (end - start > SPAN_MAX || !elf_file_has_code(b->program, start))
		return 0;
	if (last && last->unit == b->unit && last->start + last->len == start &&
	    end - last->start <= SPAN_MAX) {
		last->len = (uint32_t)(end - last->start);
		return 0;
	}
	r = vec_push(&ix->spans, (struct span){ start, (uint32_t)(end - start), b->unit });
	return r < 0 ? r
		     : ledger_keep_up(b->ledger, &ix->bytes, ix->spans.cap * sizeof(*ix->spans.v));
}

/* What is wrong with one unit costs its names and no more. */
static bool is_its_own(int r)
{
	return r == -EBADMSG || r == -EOPNOTSUPP;
}

static int add_unit(struct build *b, struct readers *rd, struct unit *u)
{
	size_t spans = b->index->spans.cnt;
	struct code_values v;
	struct index *ix = b->index;
	int r = unit_root(rd, u, true);

	v = (struct code_values){ u->low_pc, u->high_pc, u->ranges };
	b->any = false;
	if (r == 0)
		r = spans_walk(rd, u, &v, add_span, b);
	if (is_its_own(r))
		r = 0;
	/* Before version 3 there was no way to tell of several stretches. */
	if (r == 0 && (!b->any || u->layout.version < 3))
		r = vec_push(&ix->vague, (struct vague_unit){ u->start, b->unit });
	if (r == 0)
		r = ledger_keep_up(b->ledger, &ix->vague_bytes,
				   ix->vague.cap * sizeof(*ix->vague.v));
	if (r == -E2BIG)
		ix->spans.cnt = spans;
	return r;
}

/* 1; 0: there is no more. */
static int next_unit(struct build *b, struct readers *rd, struct part *part)
{
	struct unit_list *l = &part->units;
	struct unit u;
	int r;

	if (l->next >= part->sections[SECTION_INFO].size)
		return 0;
	r = unit_head(rd, part, l->next, &u);
	if (r == -EBADMSG)
		return 0; /* nobody knows where the next one is */
	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	if (b && r == 0 && u.type != DW_UT_type && u.type != DW_UT_partial) {
		b->unit = (uint32_t)l->starts.cnt;
		r = add_unit(b, rd, &u);
		unit_done(&u);
		if (r < 0)
			return r;
	}
	if (l->starts.cnt == UNITS_MAX)
		return -EFBIG;
	r = add_start(l, l->next, part->sections[SECTION_INFO].ledger);
	l->next = u.end;
	return r < 0 ? r : 1;
}

static int take_arange(void *ctx, uint64_t unit, uint64_t start, uint64_t end)
{
	struct build *b = ctx;
	const struct index *ix = b->index;
	size_t low = 0, high = ix->vague.cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ix->vague.v[mid].start < unit)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == ix->vague.cnt || ix->vague.v[low].start != unit)
		return 0;
	b->unit = ix->vague.v[low].unit;
	return add_span(b, start, end);
}

static void forget_vague(struct index *ix, struct ledger *ledger)
{
	vec_done(&ix->vague);
	ledger_drop(ledger, ix->vague_bytes);
	ix->vague_bytes = 0;
}

int index_build(struct index *ix, struct readers *rd, struct part *part, struct ledger *ledger,
		const struct elf_file *program)
{
	struct build b = { .index = ix, .ledger = ledger, .program = program };
	int r;

	if (ix->complete)
		return 0;
	do
		r = next_unit(&b, rd, part);
	while (r > 0);
	if (r == 0 && ix->vague.cnt > 0) {
		r = aranges_walk(rd, part, &ix->aranges_next, take_arange, &b);
		r = r == -EBADMSG ? 0 : r;
	}
	if (r == 0)
		r = index_settle(ix, ledger);
	ix->complete = r == 0;
	part->units.complete = r == 0;
	if (r < 0)
		return r;
	forget_vague(ix, ledger);
	for (size_t i = 0; i < SECTIONS_CNT; i++)
		section_settle(&part->sections[i]);
	return 0;
}

void index_done(struct index *ix, struct ledger *ledger)
{
	ledger_drop(ledger, ix->bytes);
	vec_done(&ix->spans);
	ix->bytes = 0;
	forget_vague(ix, ledger);
}

/* The number of a unit is its place among those that claim something; -ENOENT: they do not ascend. */
static int take_claim(void *ctx, uint64_t unit, uint64_t start, uint64_t end)
{
	struct build *b = ctx;
	struct unit_list *l = b->claimed;
	bool known = l->starts.cnt > 0 && l->starts.v[l->starts.cnt - 1] == unit;
	int r = 0;

	if (l->starts.cnt > 0 && l->starts.v[l->starts.cnt - 1] > unit)
		return -ENOENT;
	if (!known)
		r = add_start(l, unit, b->ledger);
	b->unit = (uint32_t)l->starts.cnt - 1;
	return r < 0 ? r : add_span(b, start, end);
}

int index_build_claims(struct index *ix, struct unit_list *claimed, struct readers *rd,
		       struct part *part, const struct elf_file *program)
{
	struct ledger *ledger = part->sections[SECTION_ARANGES].ledger;
	struct build b = { .index = ix, .claimed = claimed, .ledger = ledger, .program = program };
	int r;

	if (ix->complete)
		return 0;
	r = aranges_walk(rd, part, &ix->aranges_next, take_claim, &b);
	if (r == 0)
		r = index_settle(ix, ledger);
	if (r == 0 && ix->spans.cnt == 0)
		r = -ENOENT;
	ix->complete = r == 0;
	/* It is not read again but where units do not say what is theirs. */
	if (r != -E2BIG)
		section_rest(&part->sections[SECTION_ARANGES]);
	return r;
}

int64_t index_find(const struct index *ix, uint64_t addr)
{
	size_t low = 0, high = ix->spans.cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ix->spans.v[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || addr - ix->spans.v[low - 1].start >= ix->spans.v[low - 1].len)
		return -ENOENT;
	return ix->spans.v[low - 1].unit;
}

int unit_list_build(struct readers *rd, struct part *part, struct ledger *ledger)
{
	int r;

	do
		r = next_unit(NULL, rd, part);
	while (r > 0);
	return r;
}

int unit_list_find(const struct unit_list *l, uint64_t offset, uint64_t *ret)
{
	size_t low = 0, high = l->starts.cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (l->starts.v[mid] <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return -ENOENT;
	*ret = l->starts.v[low - 1];
	return 0;
}
