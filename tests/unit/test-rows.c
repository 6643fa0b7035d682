/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "check.h"
#include "cprof/base/rng.h"
#include "cprof/rows.h"
#include "fail.h"
#include "rows-fixture.h"

#define PAGE (1ull << CPROF_PAGE_SHIFT)

static struct cprof_rule rule_of(int n)
{
	return (struct cprof_rule){
		.cfa = CPROF_CFA_REG,
		.cfa_reg = CPROF_REG_RSP,
		.ra = CPROF_WHERE_CFA,
		.cfa_off = n,
		.ra_off = -8,
	};
}

static const struct cprof_rule gap = { .cfa = CPROF_CFA_GAP };

struct block {
	void *bytes;
	size_t sz;
	struct rows_view view;
};

static void block_done(struct block *b)
{
	free(b->bytes);
}

#define _cleanup_block_ _cleanup_(block_done)

static void add(struct rows_builder *b, uint64_t from, uint64_t to, int n)
{
	struct cprof_rule rule = rule_of(n);

	CHECK_EQ(rows_add(b, from, to, &rule), 0);
}

static void finish(struct rows_builder *b, struct block *ret)
{
	CHECK_EQ(rows_finish(b, &ret->bytes, &ret->sz), 0);
	CHECK_EQ(rows_check(ret->bytes, ret->sz, &ret->view), 0);
	CHECK(ret->sz <= ROWS_BYTES_MAX);
}

static bool says(const struct block *b, uint64_t offset, int n)
{
	struct cprof_rule rule = n > 0 ? rule_of(n) : gap;

	return memcmp(rows_find(&b->view, offset), &rule, sizeof(rule)) == 0;
}

TEST(nothing)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	_cleanup_block_ struct block block = { 0 };

	CHECK_EQ(rows_builder_new(&b), 0);
	CHECK_EQ(rows_add(b, 100, 200, &gap), 0);
	finish(b, &block);
	CHECK_EQ(block.view.head->pages_cnt, 0);
	CHECK_EQ(block.view.head->rows_cnt, 0);
	CHECK(says(&block, 150, 0));
}

/* What the rows of a few stretches are, row by row. */
TEST(rows_by_hand)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	_cleanup_block_ struct block block = { 0 };
	const uint32_t pages[] = { 4, 1, 0, 2 };
	const uint32_t rows[] = {
		CPROF_ROW(0, 0), CPROF_ROW(0x10, 1), CPROF_ROW(0x30, 0),   CPROF_ROW(0xfff0, 2),
		CPROF_ROW(0, 2), CPROF_ROW(0, 0),    CPROF_ROW(0xffff, 1),
	};

	CHECK_EQ(rows_builder_new(&b), 0);
	add(b, 2 * PAGE + 0x10, 2 * PAGE + 0x20, 7);
	add(b, 2 * PAGE + 0x20, 2 * PAGE + 0x30, 7); /* joined */
	add(b, 2 * PAGE + 0xfff0, 4 * PAGE, 8);
	add(b, 5 * PAGE + 0xffff, 6 * PAGE, 7);
	finish(b, &block);
	CHECK_EQ(block.view.head->page_first, 2);
	CHECK_EQ(block.view.head->pages_cnt, ELEMENTSOF(pages));
	CHECK(memcmp(block.view.page_rows, pages, sizeof(pages)) == 0);
	CHECK_EQ(block.view.head->rules_cnt, 3);
	CHECK_EQ(block.view.head->rows_cnt, ELEMENTSOF(rows));
	CHECK(memcmp(block.view.rows, rows, sizeof(rows)) == 0);
}

/* Pages that were not asked for are absent, whatever stretches say of them, and the others as ever. */
TEST(rows_by_the_page)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	_cleanup_block_ struct block block = { 0 };
	const uint32_t pages[] = { 0, 3, CPROF_PAGE_ABSENT, 2, CPROF_PAGE_ABSENT };
	const uint32_t rows[] = {
		CPROF_ROW(0, 0), CPROF_ROW(0x10, 1), CPROF_ROW(0x20, 0),
		CPROF_ROW(0, 2), CPROF_ROW(0x40, 0),
	};

	CHECK_EQ(rows_builder_new(&b), 0);
	CHECK_EQ(rows_pages(b, UINT32_MAX, 1), -E2BIG);
	CHECK_EQ(rows_pages(b, 1, ROWS_PAGES_MAX + 1), -E2BIG);
	CHECK_EQ(rows_pages(b, 1, ELEMENTSOF(pages)), 0);
	rows_present(b, 0);
	rows_present(b, 1);
	rows_present(b, 2);
	rows_present(b, 4);
	rows_present(b, 6);
	add(b, 0, 0x80, 7);
	add(b, 2 * PAGE + 0x10, 2 * PAGE + 0x20, 7);
	add(b, 3 * PAGE + 0x10, 4 * PAGE + 0x40, 8);
	add(b, 5 * PAGE, 1ull << 48, 8);
	finish(b, &block);
	CHECK_EQ(block.view.head->page_first, 1);
	CHECK_EQ(block.view.head->pages_cnt, ELEMENTSOF(pages));
	CHECK(memcmp(block.view.page_rows, pages, sizeof(pages)) == 0);
	CHECK_EQ(block.view.head->rows_cnt, ELEMENTSOF(rows));
	CHECK(memcmp(block.view.rows, rows, sizeof(rows)) == 0);
	CHECK(rows_are_part(&block.view));
}

/* What a page that is there says is what it says when all are. */
TEST(a_page_is_as_in_the_whole)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		_cleanup_(rows_builder_freep) struct rows_builder *whole = NULL, *part = NULL;
		_cleanup_block_ struct block all = { 0 }, some = { 0 };
		struct rng rng = { seed };
		uint64_t present = rng_next(&rng) % 64;
		const uint32_t *rows, *at;

		CHECK_EQ(rows_builder_new(&whole), 0);
		CHECK_EQ(rows_builder_new(&part), 0);
		CHECK_EQ(rows_pages(part, 0, 6), 0);
		for (uint32_t i = 0; i < 6; i++)
			if (present >> i & 1)
				rows_present(part, i);
		for (uint64_t pos = 0; pos < 6 * PAGE;) {
			uint64_t end = MIN(pos + rng_next(&rng) % (PAGE + PAGE / 2) + 1, 6 * PAGE);
			int n = 1 + (int)(rng_next(&rng) % 5);

			if (rng_next(&rng) % 4 > 0 || pos == 0) {
				add(whole, pos, end, n);
				add(part, pos, end, n);
			}
			pos = end;
		}
		finish(whole, &all);
		finish(part, &some);
		CHECK_EQ(rows_are_part(&some.view), present != 63);
		CHECK(!rows_are_part(&all.view));
		rows = all.view.rows;
		at = some.view.rows;
		for (uint32_t i = 0; i < 6; i++) {
			uint32_t cnt = i < all.view.head->pages_cnt ? all.view.page_rows[i] : 0;

			if (present >> i & 1) {
				CHECK_EQ(some.view.page_rows[i], cnt);
				CHECK(memcmp(at, rows, cnt * sizeof(*rows)) == 0);
				at += cnt;
			} else {
				CHECK_EQ(some.view.page_rows[i], CPROF_PAGE_ABSENT);
			}
			rows += cnt;
		}
	}
}

#define MODEL_SZ (6 * PAGE)

/* Mostly short, often up to an edge of a page, now and then over several. */
static uint64_t some_length(struct rng *rng, uint64_t from)
{
	switch (rng_next(rng) % 8) {
	case 0:
		return PAGE - from % PAGE;
	case 1:
		return rng_next(rng) % (2 * PAGE) + 1;
	default:
		return rng_next(rng) % 3000 + 1;
	}
}

static void fill(struct rng *rng, struct rows_builder *b, uint64_t at, uint8_t *model)
{
	for (uint64_t pos = 0; pos < MODEL_SZ;) {
		uint64_t len = some_length(rng, pos), end = MIN(pos + len, (uint64_t)MODEL_SZ);
		int n = (int)(rng_next(rng) % 5);

		if (n > 0)
			add(b, at + pos, at + end, n);
		memset(model + pos, n, end - pos);
		pos = end;
	}
}

static void check_tidy(const struct rows_view *v, const uint8_t *model, uint64_t at)
{
	const uint32_t *rows = v->rows;

	for (uint32_t i = 0; i < v->head->pages_cnt; i++) {
		uint64_t page = ((uint64_t)v->head->page_first + i) * PAGE - at;
		bool covered = false;

		for (uint64_t k = 0; k < PAGE; k++)
			covered |= model[page + k] > 0;
		CHECK_EQ(v->page_rows[i] > 0, covered);
		for (uint32_t k = 1; k < v->page_rows[i]; k++)
			CHECK(CPROF_ROW_RULE(rows[k]) != CPROF_ROW_RULE(rows[k - 1]));
		rows += v->page_rows[i];
	}
}

TEST(as_a_model)
{
	uint8_t *model = malloc(MODEL_SZ);

	CHECK(model);
	for (uint64_t seed = 1; seed <= 60; seed++) {
		_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
		_cleanup_block_ struct block block = { 0 };
		struct rng rng = { seed };
		uint64_t at = rng_next(&rng) % 1000 * PAGE, probe;

		CHECK_EQ(rows_builder_new(&b), 0);
		fill(&rng, b, at, model);
		finish(b, &block);
		check_tidy(&block.view, model, at);
		for (uint64_t pos = 0; pos < MODEL_SZ; pos += rng_next(&rng) % 40 + 1)
			CHECK(says(&block, at + pos, model[pos]));
		/* All edges, too. */
		for (probe = 1; probe < MODEL_SZ; probe++) {
			if (model[probe] == model[probe - 1])
				continue;
			CHECK(says(&block, at + probe, model[probe]));
			CHECK(says(&block, at + probe - 1, model[probe - 1]));
		}
		CHECK(says(&block, at + MODEL_SZ, 0));
		CHECK(at == 0 || says(&block, at - 1, 0));
	}
	free(model);
}

TEST(order)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	_cleanup_block_ struct block block = { 0 };
	struct cprof_rule rule = rule_of(1), strange = rule_of(1);

	CHECK_EQ(rows_builder_new(&b), 0);
	add(b, 100, 200, 1);
	CHECK_EQ(rows_add(b, 199, 300, &rule), -EINVAL);
	CHECK_EQ(rows_add(b, 300, 300, &rule), -EINVAL);
	CHECK_EQ(rows_add(b, 300, 299, &rule), -EINVAL);
	strange.cfa = CPROF_CFA_MAX;
	CHECK_EQ(rows_add(b, 300, 400, &strange), -EINVAL);
	add(b, 200, 201, 2);
	finish(b, &block);
	CHECK_EQ(block.view.head->rows_cnt, 4);
}

/* A stretch that is too much leaves no trace, and a smaller one behind it has room. */
TEST(limits)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	_cleanup_block_ struct block block = { 0 };
	struct cprof_rule rule = rule_of(1);

	CHECK_EQ(rows_builder_new(&b), 0);
	CHECK_EQ(rows_add(b, 1ull << 48, (1ull << 48) + 1, &rule), -E2BIG);
	add(b, PAGE + 1, PAGE + 2, 1);
	CHECK_EQ(rows_add(b, PAGE + 2, (ROWS_PAGES_MAX + 1) * PAGE + 1, &rule), -E2BIG);
	CHECK_EQ(rows_add(b, (ROWS_PAGES_MAX + 1) * PAGE, (ROWS_PAGES_MAX + 2) * PAGE, &rule),
		 -E2BIG);
	add(b, 3 * PAGE, (ROWS_PAGES_MAX + 1) * PAGE, 1);
	finish(b, &block);
	CHECK_EQ(block.view.head->pages_cnt, ROWS_PAGES_MAX);
	CHECK_EQ(block.view.head->rows_cnt, 3 + ROWS_PAGES_MAX - 2);
	CHECK(says(&block, 2 * PAGE, 0));
	CHECK(says(&block, (ROWS_PAGES_MAX + 1) * PAGE - 1, 1));
}

TEST(limit_of_rules)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	_cleanup_block_ struct block block = { 0 };
	struct cprof_rule rule = rule_of(ROWS_RULES_MAX);
	const uint64_t end = (ROWS_RULES_MAX - 1) * 16;

	CHECK_EQ(rows_builder_new(&b), 0);
	for (int i = 1; i < (int)ROWS_RULES_MAX; i++)
		add(b, (uint64_t)(i - 1) * 16, (uint64_t)i * 16, i);
	CHECK_EQ(rows_add(b, end, end + 1, &rule), -E2BIG);
	add(b, end + 1, end + 2, 1);
	finish(b, &block);
	CHECK_EQ(block.view.head->rules_cnt, ROWS_RULES_MAX);
	CHECK(says(&block, end - 1, ROWS_RULES_MAX - 1));
	CHECK(says(&block, end, 0));
	CHECK(says(&block, end + 1, 1));
}

TEST(limit_of_rows)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	_cleanup_block_ struct block block = { 0 };
	struct cprof_rule rules[2] = { rule_of(1), rule_of(2) };
	uint64_t at = 0;
	int r = 0;

	CHECK_EQ(rows_builder_new(&b), 0);
	while (r == 0) {
		r = rows_add(b, at, at + 1, &rules[at & 1]);
		at++;
	}
	CHECK_EQ(r, -E2BIG);
	finish(b, &block);
	CHECK(block.view.head->rows_cnt <= ROWS_CNT_MAX);
	CHECK(block.view.head->rows_cnt > ROWS_CNT_MAX - 4);
}

TEST(no_memory)
{
	struct cprof_rule rules[2] = { rule_of(1), rule_of(2) };

	for (long n = 0;; n++) {
		_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
		_cleanup_block_ struct block block = { 0 };
		int r = 0;

		fail_at(n);
		if (rows_builder_new(&b) < 0) {
			CHECK(!fail_over() && !b);
			continue;
		}
		for (uint64_t i = 0; i < 100 && r == 0; i++)
			r = rows_add(b, i, i + 1, &rules[i & 1]);
		if (r == 0)
			r = rows_finish(b, &block.bytes, &block.sz);
		if (fail_over()) {
			CHECK_EQ(r, 0);
			break;
		}
		CHECK_EQ(r, -ENOMEM);
		if (!block.bytes)
			finish(b, &block);
	}
}

/* One word of a good block is changed. */
static bool passes(const struct block *b, size_t offset, uint32_t value)
{
	char *copy = malloc(b->sz);
	struct rows_view v;
	bool good;

	CHECK(copy);
	memcpy(copy, b->bytes, b->sz);
	memcpy(copy + offset, &value, sizeof(value));
	good = rows_check(copy, b->sz, &v) == 0;
	free(copy);
	return good;
}

static size_t at_of(const struct block *b, const void *p)
{
	return (size_t)((const char *)p - (const char *)b->bytes);
}

static void make_block(struct block *ret)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;

	CHECK_EQ(rows_builder_new(&b), 0);
	add(b, PAGE + 16, PAGE + 32, 1);
	add(b, PAGE + 32, 2 * PAGE + 64, 2);
	finish(b, ret);
}

TEST(heads_that_lie)
{
	_cleanup_block_ struct block b = { 0 };
	struct rows_view v;
	const struct rows_head *h;

	make_block(&b);
	h = b.view.head;
	CHECK(passes(&b, 0, ROWS_MAGIC));
	CHECK(!passes(&b, 0, ROWS_MAGIC + 1));
	CHECK(!passes(&b, at_of(&b, &h->version), ROWS_VERSION + 1));
	CHECK(passes(&b, at_of(&b, &h->page_first), UINT32_MAX - h->pages_cnt));
	CHECK(!passes(&b, at_of(&b, &h->page_first), UINT32_MAX));
	CHECK(!passes(&b, at_of(&b, &h->pages_cnt), h->pages_cnt - 1));
	CHECK(!passes(&b, at_of(&b, &h->pages_cnt), UINT32_MAX));
	CHECK(!passes(&b, at_of(&b, &h->rules_cnt), 0));
	CHECK(!passes(&b, at_of(&b, &h->rules_cnt), h->rules_cnt - 1));
	CHECK(!passes(&b, at_of(&b, &h->rules_cnt), UINT32_MAX));
	CHECK(!passes(&b, at_of(&b, &h->rows_cnt), h->rows_cnt + 1));
	CHECK(!passes(&b, at_of(&b, &h->rows_cnt), UINT32_MAX));
	for (size_t sz = 0; sz < b.sz; sz++)
		CHECK_EQ(rows_check(b.bytes, sz, &v), -EBADMSG);
}

/* Nothing but a head: rule 0 is missed. */
TEST(no_rules)
{
	struct rows_head bytes[4] = { { .magic = ROWS_MAGIC, .version = ROWS_VERSION } };
	struct rows_view v;

	CHECK_EQ(rows_check(bytes, sizeof(bytes[0]), &v), -EBADMSG);
	bytes[0].rules_cnt = 1;
	CHECK_EQ(rows_check(bytes, sizeof(bytes[0]), &v), -EBADMSG);
}

/* Sizes fit, and there is more of it than may be. */
TEST(blocks_beyond_the_limits)
{
	const struct rows_head heads[] = {
		{ ROWS_MAGIC, ROWS_VERSION, 0, ROWS_PAGES_MAX + 1, 1, 0 },
		{ ROWS_MAGIC, ROWS_VERSION, 0, 0, ROWS_RULES_MAX + 1, 0 },
	};

	for (size_t i = 0; i < ELEMENTSOF(heads); i++) {
		size_t sz = sizeof(heads[i]) + heads[i].rules_cnt * sizeof(struct cprof_rule) +
			    heads[i].pages_cnt * sizeof(uint32_t);
		struct rows_head *bytes = calloc(1, sz);
		struct rows_view v;

		CHECK(bytes);
		*bytes = heads[i];
		CHECK_EQ(rows_check(bytes, sz, &v), -EBADMSG);
		if (bytes->pages_cnt > 0) {
			bytes->pages_cnt--;
			CHECK_EQ(rows_check(bytes, sz - sizeof(uint32_t), &v), 0);
		} else {
			bytes->rules_cnt--;
			CHECK_EQ(rows_check(bytes, sz - sizeof(struct cprof_rule), &v), 0);
		}
		free(bytes);
	}
}

TEST(rows_that_lie)
{
	_cleanup_block_ struct block b = { 0 };
	const uint32_t *rows;
	size_t at;

	make_block(&b);
	rows = b.view.rows;
	at = at_of(&b, rows);
	CHECK_EQ(b.view.page_rows[0], 3);
	CHECK_EQ(b.view.page_rows[1], 2);
	CHECK(!passes(&b, at, CPROF_ROW(1, 0)));      /* a page begins behind 0 */
	CHECK(!passes(&b, at + 12, CPROF_ROW(1, 2))); /* the second, too */
	CHECK(!passes(&b, at + 8, CPROF_ROW(16, 2))); /* two for one place */
	CHECK(!passes(&b, at + 8, CPROF_ROW(15, 2))); /* backwards */
	CHECK(!passes(&b, at + 8, CPROF_ROW(32, 3))); /* there is no such rule */
	CHECK(!passes(&b, at + 8, CPROF_ROW(32, 0xffff)));
	CHECK(passes(&b, at + 8, CPROF_ROW(17, 1)));
	CHECK(!passes(&b, at_of(&b, b.view.page_rows), 2)); /* one belongs to no page */
	CHECK(!passes(&b, at_of(&b, b.view.page_rows), 4));
	CHECK(!passes(&b, at_of(&b, b.view.page_rows + 1), 1)); /* the last one, too */
	CHECK(!passes(&b, at_of(&b, b.view.page_rows), UINT32_MAX));
}

TEST(rules_that_lie)
{
	_cleanup_block_ struct block b = { 0 };
	const struct cprof_rule *rule;
	struct cprof_rule bad;
	uint8_t *fields = (uint8_t *)&bad;
	const uint8_t ends[] = { CPROF_CFA_MAX,	  CPROF_REGS_CNT, CPROF_WHERE_MAX, CPROF_REGS_CNT,
				 CPROF_WHERE_MAX, CPROF_REGS_CNT, CPROF_WHERE_MAX, CPROF_REGS_CNT };

	make_block(&b);
	rule = &b.view.rules[2];
	for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
		bad = *rule;
		fields[i] = (uint8_t)(ends[i] - 1);
		CHECK(rows_check_rule(&bad));
		fields[i] = ends[i];
		CHECK(!rows_check_rule(&bad));
	}
	CHECK(passes(&b, at_of(&b, &rule->flags), CPROF_RULE_EXACT));
	CHECK(passes(&b, at_of(&b, &rule->flags), CPROF_RULE_SWITCH));
	CHECK(!passes(&b, at_of(&b, &rule->flags), CPROF_RULE_FLAGS + 1));
	CHECK(!passes(&b, at_of(&b, rule), UINT32_MAX));
	CHECK(!passes(&b, at_of(&b, &b.view.rules[0].cfa_off),
		      1)); /* rule 0 is a GAP, and no more */
}

CHECK_MAIN
