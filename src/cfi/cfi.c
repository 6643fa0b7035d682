/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a section to rows. The section is read from front to back; the CIE of an entry is mostly the one
 * before it, and a few of the last are kept with the state that their instructions left, or else a
 * hostile file had them run for each of its entries. What is run in all is bounded by the section's
 * size.
 */

#include "cprof/cfi.h"

#include <errno.h>
#include <string.h>

#include "entry.h"

#define CIES_KEPT 16
/* Instructions for each byte: one in the section itself, the others for CIEs that are read again. */
#define WORK_PER_BYTE 4
/* Instructions of entries that are asked for by themselves: of all, and for each of them. */
#define ENTRIES_WORK (1u << 20)
#define ENTRY_WORK 128

struct cfi {
	struct cfi_rows rows;
	struct cfi_facts facts;
};

struct loader {
	struct cfi *table;
	struct reader reader;
	struct program program;
	uint64_t work;
	uint64_t turn;
	size_t cies_cnt;
	struct cie cies[CIES_KEPT];
};

struct cfi *cfi_free(struct cfi *t)
{
	if (!t)
		return NULL;
	cfi_rows_done(&t->rows);
	free(t);
	return NULL;
}

/* The state after the instructions of a CIE, which the reader stands at. */
static int run_cie(struct loader *l, struct cie *cie)
{
	struct program *p = &l->program;
	int r;

	p->r = &l->reader;
	p->cie = &cie->program;
	p->rows = NULL;
	p->pc = 0;
	p->end = 0;
	p->work = &l->work;
	p->depth = 0;
	p->state = (struct state){ .cfa_reg = UINT32_MAX };
	r = program_run(p);
	cie->program.initial = p->state;
	return r;
}

static struct cie *cie_slot(struct loader *l)
{
	struct cie *oldest = l->cies;

	if (l->cies_cnt < CIES_KEPT)
		return &l->cies[l->cies_cnt++];
	for (size_t i = 1; i < CIES_KEPT; i++) {
		if (l->cies[i].used < oldest->used)
			oldest = &l->cies[i];
	}
	return oldest;
}

static int load_cie(struct loader *l, uint64_t offset, const struct cie **ret)
{
	struct cie cie, *slot;
	struct entry e;
	int r;

	for (size_t i = 0; i < l->cies_cnt; i++) {
		if (l->cies[i].offset == offset) {
			l->cies[i].used = ++l->turn;
			*ret = &l->cies[i];
			return 0;
		}
	}
	r = entry_read(&l->reader, offset, &e);
	if (r <= 0 || !e.is_cie)
		return -EBADMSG;
	r = entry_cie(&l->reader, &e, &cie);
	if (r < 0)
		return r;
	r = run_cie(l, &cie);
	if (r < 0)
		return r;
	slot = cie_slot(l);
	*slot = cie;
	slot->used = ++l->turn;
	*ret = slot;
	return 0;
}

static int load_fde(struct loader *l, const struct entry *e)
{
	struct cfi_rows *rows = &l->table->rows;
	struct program *p = &l->program;
	const struct cie *cie;
	uint64_t start, end;
	int r, r2;

	r = load_cie(l, e->cie, &cie);
	if (r < 0)
		return r;
	r = entry_fde(&l->reader, e, cie, &start, &end);
	if (r < 0 || start == end)
		return r;
	p->cie = &cie->program;
	p->rows = rows;
	p->pc = start;
	p->end = end;
	p->depth = 0;
	p->state = cie->program.initial;
	cfi_rows_begin(rows, start);
	r = program_run(p);
	if (r == -EBADMSG && p->pc < end) {
		r2 = cfi_rows_add(rows, p->pc,
				  &(struct cprof_rule){ .cfa = CPROF_CFA_UNSUPPORTED });
		if (r2 < 0)
			return r2;
	}
	/* Beyond the limits nothing is known from there on. */
	r2 = cfi_rows_add_gap(rows, r == -E2BIG ? MIN(p->pc, end) : end);
	return r < 0 ? r : r2;
}

/* What is wrong with one costs that one. 0; -E2BIG: beyond the limits; or -errno. */
static int count_fde(struct loader *l, int r)
{
	struct cfi_facts *facts = &l->table->facts;

	facts->fdes++;
	if (l->reader.error < 0)
		return l->reader.error;
	facts->bad += r == -EBADMSG;
	return r == -EBADMSG ? 0 : r;
}

static int load_entries(struct loader *l)
{
	struct cfi_facts *facts = &l->table->facts;
	uint64_t offset = 0;
	struct entry e;
	int r;

	while ((r = entry_read(&l->reader, offset, &e)) > 0) {
		offset = e.end;
		if (e.body == e.end)
			continue;
		if (e.is_cie) {
			facts->cies++;
			continue;
		}
		r = count_fde(l, load_fde(l, &e));
		if (r < 0)
			return r;
	}
	if (r < 0)
		facts->bad++;
	return l->reader.error;
}

static uint64_t work_of(const struct cfi_section *section)
{
	return section->size > UINT64_MAX / WORK_PER_BYTE ? UINT64_MAX
							  : section->size * WORK_PER_BYTE;
}

static void begin_section(struct loader *l, const struct cfi_section *section, uint64_t work)
{
	reader_init(&l->reader, section);
	l->program.r = &l->reader;
	l->program.work = &l->work;
	l->cies_cnt = 0;
	l->work = work;
}

/* @r: what reading said. -E2BIG, when the limits are reached, leaves a good table. */
static int end_section(struct loader *l, int r)
{
	int r2;

	if (r < 0 && r != -E2BIG)
		return r;
	r2 = cfi_rows_settle(&l->table->rows);
	return r2 < 0 ? r2 : r;
}

static int load_section(struct loader *l, const struct cfi_section *section)
{
	begin_section(l, section, work_of(section));
	return end_section(l, load_entries(l));
}

static int load_sections(struct loader *l, const struct cfi_section *sections, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		int r = load_section(l, &sections[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static struct loader *loader_free(struct loader *l)
{
	if (l)
		cfi_free(l->table);
	free(l);
	return NULL;
}
DEFINE_CLEANUP(struct loader *, loader_free);

/* With an empty table. 0 or -ENOMEM. */
static int loader_new(const struct cfi_limits *limits, struct loader **ret)
{
	_cleanup_(loader_freep) struct loader *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->table = calloc(1, sizeof(*l->table));
	if (!l->table)
		return -ENOMEM;
	r = cfi_rows_init(&l->table->rows, limits);
	if (r == 0)
		*ret = TAKE_PTR(l);
	return r;
}

/* @r: what end_section() said last. An outcome, and for most of them the table; or -errno. */
static int loader_give(struct loader *l, int r, struct cfi **ret)
{
	struct cfi *t = l->table;

	if (r < 0 && r != -E2BIG)
		return r;
	t->facts.unsupported = t->rows.unsupported;
	if (r == 0 && t->rows.rows.cnt == 0)
		return CFI_NONE;
	*ret = TAKE_PTR(l->table);
	return r == 0 ? CFI_OK : CFI_LIMIT;
}

int cfi_load(const struct cfi_section *sections, size_t cnt, const struct cfi_limits *limits,
	     struct cfi **ret)
{
	_cleanup_(loader_freep) struct loader *l = NULL;
	int r = loader_new(limits, &l);

	return r < 0 ? r : loader_give(l, load_sections(l, sections, cnt), ret);
}

/* 1: it is an entry of code; 0: it is none; or -errno. */
static int read_one(struct loader *l, uint64_t offset, struct entry *ret)
{
	int r = offset < l->reader.section->size ? entry_read(&l->reader, offset, ret) : 0;

	if (l->reader.error < 0)
		return l->reader.error;
	return r > 0 && ret->body < ret->end && !ret->is_cie;
}

static int load_these(struct loader *l, const uint64_t *offsets, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		struct entry e;
		int r = read_one(l, offsets[i], &e);

		if (r < 0)
			return r;
		r = count_fde(l, r == 0 ? -EBADMSG : load_fde(l, &e));
		if (r < 0)
			return r;
	}
	return 0;
}

int cfi_load_entries(const struct cfi_section *section, const uint64_t *offsets, size_t cnt,
		     const struct cfi_limits *limits, struct cfi **ret)
{
	_cleanup_(loader_freep) struct loader *l = NULL;
	int r = loader_new(limits, &l);

	if (r < 0)
		return r;
	begin_section(l, section, MIN(work_of(section), ENTRIES_WORK + cnt * ENTRY_WORK));
	return loader_give(l, end_section(l, load_these(l, offsets, cnt)), ret);
}

int cfi_ranges(const struct cfi_section *section, const uint64_t *offsets, size_t cnt,
	       struct cfi_range *ret)
{
	_cleanup_free_ struct loader *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	begin_section(l, section, MIN(work_of(section), ENTRIES_WORK));
	for (size_t i = 0; i < cnt; i++) {
		const struct cie *cie;
		struct entry e;
		int r = read_one(l, offsets[i], &e);

		ret[i] = (struct cfi_range){ 0 };
		if (r < 0)
			return r;
		if (r > 0 && load_cie(l, e.cie, &cie) == 0 &&
		    entry_fde(&l->reader, &e, cie, &ret[i].start, &ret[i].end) < 0)
			ret[i] = (struct cfi_range){ 0 };
		if (l->reader.error < 0)
			return l->reader.error;
	}
	return 0;
}

size_t cfi_rows_cnt(const struct cfi *t)
{
	return t->rows.rows.cnt;
}

struct cfi_row cfi_row(const struct cfi *t, size_t i)
{
	uint64_t row = t->rows.rows.v[i];

	return (struct cfi_row){ .addr = row >> ROWS_RULE_BITS, .rule = (uint16_t)row };
}

size_t cfi_rules_cnt(const struct cfi *t)
{
	return t->rows.ruleset.rules.cnt;
}

const struct cprof_rule *cfi_rule(const struct cfi *t, uint16_t i)
{
	return &t->rows.ruleset.rules.v[i];
}

const struct cfi_facts *cfi_facts(const struct cfi *t)
{
	return &t->facts;
}

struct cfi_view cfi_view(const struct cfi *t)
{
	if (!t)
		return (struct cfi_view){ 0 };
	return (struct cfi_view){
		.rows = t->rows.rows.v,
		.rows_cnt = t->rows.rows.cnt,
		.rules = t->rows.ruleset.rules.v,
		.rules_cnt = t->rows.ruleset.rules.cnt,
	};
}

size_t cfi_row_after(const struct cfi *t, uint64_t addr)
{
	size_t low = 0, high = t->rows.rows.cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (cfi_row(t, mid).addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int cfi_find(const struct cfi *t, uint64_t addr)
{
	size_t after = cfi_row_after(t, addr);

	return after == 0 ? -ENOENT : cfi_row(t, after - 1).rule;
}
