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
/* libc's debugging information becomes 6 MB; more at a time would be felt. */
#define WHOLE_MAX ((size_t)8 << 20)
/* From one check point to the next of fewer units is sooner read than all. */
#define WHOLE_UNITS 12

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
	d->main.listed = true;
	r = wants_find_supplement(d);
	if (r < 0)
		return dwarf_outcome_of(r);
	*ret = TAKE_PTR(d);
	return DWARF_OK;
}

static void forget_claims(struct dwarf *d)
{
	index_done(&d->claims, &d->ledger);
	unit_list_done(&d->claimed, &d->ledger);
}

struct dwarf *dwarf_close(struct dwarf *d)
{
	if (!d)
		return NULL;
	wants_done(d);
	index_done(&d->index, &d->ledger);
	forget_claims(d);
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

static bool is_too_large(const struct dwarf *d, uint64_t unit)
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

/* One call of dwarf_find(). */
struct question {
	const uint64_t *addrs;
	size_t cnt;
	dwarf_place_fn fn;
	void *ctx;
	bool *answered;
	size_t left;
	uint64_t *sorted;
	struct batch *batch;
};

static void question_done(struct question *q)
{
	free(q->answered);
	free(q->sorted);
	free(q->batch);
}

static int question_init(struct question *q)
{
	size_t cnt = MAX(q->cnt, (size_t)1);

	q->left = q->cnt;
	q->answered = calloc(cnt, sizeof(*q->answered));
	q->sorted = calloc(cnt, sizeof(*q->sorted));
	q->batch = calloc(1, sizeof(*q->batch));
	return q->answered && q->sorted && q->batch ? 0 : -ENOMEM;
}

/* Of those that are not answered yet unit and number, sorted; how many. */
static size_t sort_by_unit(struct question *q, const struct index *ix)
{
	size_t cnt = 0;

	for (size_t i = 0; i < q->cnt; i++) {
		int64_t unit = q->answered[i] ? -ENOENT : index_find(ix, q->addrs[i]);

		if (unit >= 0)
			q->sorted[cnt++] = (uint64_t)unit << 32 | (uint32_t)i;
	}
	sort_u64(q->sorted, cnt);
	return cnt;
}

static size_t units_of(const struct question *q, size_t known)
{
	size_t units = 0;

	for (size_t i = 0; i < known; i++)
		units += i == 0 || q->sorted[i] >> 32 != q->sorted[i - 1] >> 32;
	return units;
}

/* What the index knows a unit of. What is only claimed to be in one, and is not, is left. */
static int answer_known(struct dwarf *d, struct question *q, const struct index *ix,
			const struct unit_list *units)
{
	size_t known = sort_by_unit(q, ix);
	struct batch *b = q->batch;
	int r = 0;

	b->claimed = ix == &d->claims;
	d->ledger.whole_max = units_of(q, known) < WHOLE_UNITS ? 0 : WHOLE_MAX;
	for (size_t i = 0; r == 0 && i < known;) {
		uint32_t unit = (uint32_t)(q->sorted[i] >> 32);

		b->unit = units->starts.v[unit];
		for (b->cnt = 0; i < known && b->cnt < BATCH_MAX && q->sorted[i] >> 32 == unit;
		     i++) {
			b->numbers[b->cnt] = (uint32_t)q->sorted[i];
			b->addrs[b->cnt++] = q->addrs[(uint32_t)q->sorted[i]];
		}
		r = answer(d, b, q->fn, q->ctx);
		for (size_t k = 0; r == 0 && k < b->cnt; k++)
			q->answered[b->numbers[k]] = true;
		q->left -= r == 0 ? b->cnt : 0;
		r = b->claimed && r == -ESTALE ? 0 : r;
	}
	return r;
}

static int answer_unknown(struct question *q)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < q->cnt; i++) {
		const struct dwarf_place place = { .addr = q->addrs[i], .outcome = DWARF_NONE };

		if (!q->answered[i])
			r = q->fn(q->ctx, i, &place);
	}
	return r;
}

static int answer_claimed(struct dwarf *d, struct question *q)
{
	int r = 0;

	if (!d->unclaimed)
		r = index_build_claims(&d->claims, &d->claimed, &d->readers, &d->main, d->file);
	d->unclaimed = d->unclaimed || (r < 0 && r != -E2BIG);
	if (r == -E2BIG || r == -ENOMEM)
		return r;
	return d->unclaimed ? 0 : answer_known(d, q, &d->claims, &d->claimed);
}

static int answer_all(struct dwarf *d, struct question *q)
{
	int r = d->index.complete ? 0 : answer_claimed(d, q);

	if (r < 0 || q->left == 0)
		return r;
	d->ledger.whole_max = WHOLE_MAX;
	r = index_build(&d->index, &d->readers, &d->main, &d->ledger, d->file);
	if (r < 0)
		return r;
	forget_claims(d);
	r = answer_known(d, q, &d->index, &d->main.units);
	return r < 0 ? r : answer_unknown(q);
}

int dwarf_find(struct dwarf *d, const uint64_t *addrs, size_t cnt, dwarf_place_fn fn, void *ctx)
{
	_cleanup_(question_done) struct question q = {
		.addrs = addrs, .cnt = cnt, .fn = fn, .ctx = ctx
	};
	int r = question_init(&q);

	if (r == 0 && d->supplement)
		r = unit_list_build(&d->readers, d->supplement, &d->ledger);
	if (r == 0)
		r = answer_all(d, &q);
	readers_rest(&d->readers);
	return dwarf_outcome_of(r);
}
