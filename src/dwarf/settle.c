/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Linkers fold equal functions of several units into one: where two claim a place the first unit in the file has
 * it, so that an answer does not depend on what else was asked for.
 */

#include "index.h"

#include <stdlib.h>

#define SPAN_MAX UINT32_MAX

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

int index_settle(struct index *ix, struct ledger *ledger)
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
	r = ledger_keep_up(ledger, &ix->bytes, ix->bytes + more);
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
