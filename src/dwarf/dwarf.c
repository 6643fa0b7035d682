/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses are sorted by unit, and each unit answers its own in one go. A unit that cannot be answered within all
 * the work that is allowed at once never can: it is remembered, and costs nothing more.
 */

#include "internal.h"

#include "cprof/base/sort.h"

#define PIECE_LARGE ((size_t)48 << 10)
#define PIECE_SMALL ((size_t)1 << 10)
#define PIECE_TEXT 256
/* Of the memory that is allowed: for names and paths. */
#define TEXTS_SHARE 4

static void readers_init(struct readers *rd)
{
	cursor_init(&rd->tree, PIECE_LARGE);
	cursor_init(&rd->line, PIECE_LARGE);
	cursor_init(&rd->abbrev, 4 * PIECE_SMALL);
	cursor_init(&rd->die, PIECE_SMALL);
	cursor_init(&rd->list, PIECE_SMALL);
	cursor_init(&rd->number, PIECE_TEXT);
	cursor_init(&rd->text, PIECE_TEXT);
}

/* Of many files that are open one is read at a time. */
static void readers_rest(struct readers *rd)
{
	cursor_rest(&rd->tree);
	cursor_rest(&rd->line);
	cursor_rest(&rd->abbrev);
	cursor_rest(&rd->die);
	cursor_rest(&rd->list);
	cursor_rest(&rd->number);
	cursor_rest(&rd->text);
}

int dwarf_outcome_of(int r)
{
	switch (r) {
	case -EBADMSG:
		return DWARF_BAD;
	case -EOPNOTSUPP:
		return DWARF_UNSUPPORTED;
	case -EFBIG:
		return DWARF_TOO_LARGE;
	case -E2BIG:
		return DWARF_LIMIT;
	default:
		return r;
	}
}

int dwarf_open(const struct elf_file *f, const struct dwarf_limits *limits, uint64_t seed,
	       struct dwarf **ret)
{
	_cleanup_(dwarf_closep) struct dwarf *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->file = f;
	d->limits = *limits;
	d->ledger.bytes_max = limits->bytes - limits->bytes / TEXTS_SHARE;
	dwarf_allow(d, limits->work);
	readers_init(&d->readers);
	r = funcs_init(&d->funcs, &d->readers, limits->bytes / TEXTS_SHARE, seed);
	if (r == 0)
		r = part_open(&d->main, f, &d->ledger, false);
	if (r < 0)
		return dwarf_outcome_of(r);
	if (d->main.sections[SECTION_INFO].size == 0)
		return DWARF_NONE;
	r = wants_find_supplement(d);
	if (r < 0)
		return dwarf_outcome_of(r);
	*ret = TAKE_PTR(d);
	return DWARF_OK;
}

struct dwarf *dwarf_close(struct dwarf *d)
{
	if (!d)
		return NULL;
	wants_done(d);
	index_done(&d->index, &d->ledger);
	funcs_done(&d->funcs);
	part_done(&d->main, &d->ledger);
	readers_rest(&d->readers);
	vec_done(&d->too_large);
	free(d);
	return NULL;
}

size_t dwarf_bytes(const struct dwarf *d)
{
	return sizeof(*d) + d->ledger.bytes + funcs_bytes(&d->funcs);
}

void dwarf_rest(struct dwarf *d)
{
	part_rest(&d->main);
	for (size_t i = 0; i < d->companions.cnt; i++)
		part_rest(&d->companions.v[i]->part);
}

void dwarf_allow(struct dwarf *d, uint64_t work)
{
	d->allowed = work;
	d->ledger.work = work;
}

uint64_t dwarf_work_left(const struct dwarf *d)
{
	return d->ledger.work;
}

static bool is_too_large(const struct dwarf *d, uint32_t unit)
{
	for (size_t i = 0; i < d->too_large.cnt; i++) {
		if (d->too_large.v[i] == unit)
			return true;
	}
	return false;
}

static int answer(struct dwarf *d, const struct batch *b, dwarf_place_fn fn, void *ctx)
{
	bool fresh = d->ledger.work == d->allowed;
	int r;

	if (is_too_large(d, b->unit))
		return answer_none(b, DWARF_TOO_LARGE, fn, ctx);
	r = answer_unit(d, b, fn, ctx);
	if (r != -EFBIG && (r != -E2BIG || !fresh))
		return r;
	if (r == -E2BIG || d->too_large.cnt < BATCH_MAX) {
		r = vec_push(&d->too_large, b->unit);
		if (r < 0)
			return r;
	}
	return answer_none(b, DWARF_TOO_LARGE, fn, ctx);
}

/* What no unit has is answered; of the others come unit and number, sorted. */
static int sort_by_unit(struct dwarf *d, const uint64_t *addrs, size_t cnt, uint64_t *sorted,
			size_t *ret_cnt)
{
	*ret_cnt = 0;
	for (size_t i = 0; i < cnt; i++) {
		int64_t unit = index_find(&d->index, addrs[i]);

		if (unit >= 0)
			sorted[(*ret_cnt)++] = (uint64_t)unit << 32 | (uint32_t)i;
	}
	sort_u64(sorted, *ret_cnt);
	return 0;
}

static int answer_unknown(struct dwarf *d, const uint64_t *addrs, size_t cnt, dwarf_place_fn fn,
			  void *ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < cnt; i++) {
		const struct dwarf_place place = { .addr = addrs[i], .outcome = DWARF_NONE };

		if (index_find(&d->index, addrs[i]) < 0)
			r = fn(ctx, i, &place);
	}
	return r;
}

static int answer_all(struct dwarf *d, const uint64_t *addrs, size_t cnt, dwarf_place_fn fn,
		      void *ctx)
{
	_cleanup_free_ uint64_t *sorted = calloc(MAX(cnt, (size_t)1), sizeof(*sorted));
	_cleanup_free_ struct batch *b = calloc(1, sizeof(*b));
	size_t known;
	int r;

	if (!sorted || !b)
		return -ENOMEM;
	r = sort_by_unit(d, addrs, cnt, sorted, &known);
	for (size_t i = 0; r == 0 && i < known;) {
		b->unit = (uint32_t)(sorted[i] >> 32);
		for (b->cnt = 0; i < known && b->cnt < BATCH_MAX && sorted[i] >> 32 == b->unit;
		     i++) {
			b->numbers[b->cnt] = (uint32_t)sorted[i];
			b->addrs[b->cnt++] = addrs[(uint32_t)sorted[i]];
		}
		r = answer(d, b, fn, ctx);
	}
	return r < 0 ? r : answer_unknown(d, addrs, cnt, fn, ctx);
}

int dwarf_find(struct dwarf *d, const uint64_t *addrs, size_t cnt, dwarf_place_fn fn, void *ctx)
{
	int r = index_build(&d->index, &d->readers, &d->main, &d->ledger, d->file);

	if (r == 0 && d->supplement)
		r = unit_list_build(&d->readers, d->supplement, &d->ledger);
	if (r == 0)
		r = answer_all(d, addrs, cnt, fn, ctx);
	readers_rest(&d->readers);
	return dwarf_outcome_of(r);
}
