/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One pass over all units, which reads the head and the root entry of each and steps over the rest: some
 * kilobytes of each unit, however large it is. The root says where the unit's code is; where it does not,
 * .debug_aranges may. (Names of sections' beginnings, .debug_names, would not help: they say where names are.)
 *
 * Linkers leave entries of code that they threw away at addresses where no code is, and fold equal functions
 * of several units into one: where two claim a place the first unit in the file has it, so that an answer does
 * not depend on what else was asked for.
 */

#include "index.h"

#include <stdlib.h>

#include "aranges.h"

#define SPAN_MAX UINT32_MAX
#define UNITS_MAX UINT32_MAX

struct build {
	struct index *index;
	struct ledger *ledger;
	const struct elf_file *program;
	uint32_t unit;
	bool any;
};

static int keep(struct ledger *l, size_t *bytes, size_t now)
{
	int r = now > *bytes ? ledger_keep(l, now - *bytes) : 0;

	if (r == 0)
		*bytes = MAX(now, *bytes);
	return r;
}

static int add_start(struct unit_list *l, uint64_t start, struct ledger *ledger)
{
	int r = vec_push(&l->starts, start);

	return r < 0 ? r : keep(ledger, &l->bytes, l->starts.cap * sizeof(*l->starts.v));
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
	return r < 0 ? r : keep(b->ledger, &ix->bytes, ix->spans.cap * sizeof(*ix->spans.v));
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
		r = keep(b->ledger, &ix->vague_bytes, ix->vague.cap * sizeof(*ix->vague.v));
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

static int compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->start != y->start ? CMP(x->start, y->start) : CMP(x->unit, y->unit);
}

static uint64_t end_of(const struct span *s)
{
	return s->start + s->len;
}

/*
 * A heap of the stretches that a sweep from low to high is in, the lowest unit on top: those that have ended are
 * taken out only when they get there.
 */
struct heap {
	VEC(struct span) v;
};

static void heap_swap(struct heap *h, size_t i, size_t j)
{
	struct span tmp = h->v.v[i];

	h->v.v[i] = h->v.v[j];
	h->v.v[j] = tmp;
}

static int heap_push(struct heap *h, struct span s)
{
	size_t i = h->v.cnt;
	int r = vec_push(&h->v, s);

	if (r < 0)
		return r;
	for (; i > 0 && h->v.v[i].unit < h->v.v[(i - 1) / 2].unit; i = (i - 1) / 2)
		heap_swap(h, i, (i - 1) / 2);
	return 0;
}

static void heap_pop(struct heap *h)
{
	size_t i = 0, least = 0;

	h->v.v[0] = h->v.v[--h->v.cnt];
	do {
		heap_swap(h, i, least);
		i = least;
		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->v.cnt; child++) {
			if (h->v.v[child].unit < h->v.v[least].unit)
				least = child;
		}
	} while (least != i);
}

static int put(struct index *ix, uint64_t start, uint64_t end, uint32_t unit)
{
	struct span *last = ix->spans.cnt > 0 ? &ix->spans.v[ix->spans.cnt - 1] : NULL;

	if (start >= end)
		return 0;
	if (last && last->unit == unit && end_of(last) == start && end - last->start <= SPAN_MAX) {
		last->len = (uint32_t)(end - last->start);
		return 0;
	}
	return vec_push(&ix->spans, (struct span){ start, (uint32_t)(end - start), unit });
}

/* What @h holds from *at up to @until. */
static int sweep(struct index *ix, struct heap *h, uint64_t *at, uint64_t until)
{
	int r = 0;

	while (r == 0 && h->v.cnt > 0 && *at < until) {
		struct span top = h->v.v[0];
		uint64_t end = MIN(end_of(&top), until);

		if (end_of(&top) <= *at) {
			heap_pop(h);
			continue;
		}
		r = put(ix, *at, end, top.unit);
		*at = end;
	}
	*at = MAX(*at, until);
	return r;
}

static bool is_settled(const struct index *ix)
{
	for (size_t i = 1; i < ix->spans.cnt; i++) {
		if (end_of(&ix->spans.v[i - 1]) > ix->spans.v[i].start)
			return false;
	}
	return true;
}

/* Sorted, and none over another. */
static int settle(struct index *ix, struct ledger *ledger)
{
	struct index sorted = { 0 };
	struct heap h = { 0 };
	uint64_t at = 0;
	/* Cut at borders they are twice as many; and the heap may have all of them. */
	size_t more = 3 * ix->spans.cnt * sizeof(*ix->spans.v);
	int r = 0;

	if (ix->spans.cnt > 0)
		qsort(ix->spans.v, ix->spans.cnt, sizeof(*ix->spans.v), compare);
	if (is_settled(ix))
		return 0;
	r = keep(ledger, &ix->bytes, ix->bytes + more);
	for (size_t i = 0; r == 0 && i < ix->spans.cnt; i++) {
		r = sweep(&sorted, &h, &at, ix->spans.v[i].start);
		if (r == 0)
			r = heap_push(&h, ix->spans.v[i]);
	}
	if (r == 0)
		r = sweep(&sorted, &h, &at, UINT64_MAX);
	vec_done(&h.v);
	if (r < 0) {
		vec_done(&sorted.spans);
		return r;
	}
	vec_done(&ix->spans);
	ix->spans.v = sorted.spans.v;
	ix->spans.cnt = sorted.spans.cnt;
	ix->spans.cap = sorted.spans.cap;
	ledger_drop(ledger, ix->bytes);
	ix->bytes = ix->spans.cap * sizeof(*ix->spans.v);
	return ledger_keep(ledger, ix->bytes);
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
		r = settle(ix, ledger);
	ix->complete = r == 0;
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
