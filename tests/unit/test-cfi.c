/* SPDX-License-Identifier: Apache-2.0 */

#include "cprof/cfi.h"

#include "cfi-fixture.h"
#include "check.h"
#include "fail.h"

static struct cfi *load(struct cfi_bytes *b, int outcome)
{
	struct cfi_section section = section_of(b);
	struct cfi *t = NULL;

	CHECK_EQ(cfi_load(&section, 1, &CFI_LIMITS_DEFAULT, &t), outcome);
	CHECK_EQ(t != NULL, outcome == CFI_OK || outcome == CFI_LIMIT);
	return t;
}

static const struct cprof_rule *rule_at(const struct cfi *t, uint64_t addr)
{
	int r = cfi_find(t, addr);

	CHECK(r >= 0);
	return cfi_rule(t, (uint16_t)r);
}

static void check_rsp(const struct cfi *t, uint64_t addr, int off)
{
	CHECK_EQ(rule_at(t, addr)->cfa, CPROF_CFA_REG);
	CHECK_EQ(rule_at(t, addr)->cfa_reg, CPROF_REG_RSP);
	CHECK_EQ(rule_at(t, addr)->cfa_off, off);
	CHECK_EQ(rule_at(t, addr)->ra, CPROF_WHERE_CFA);
	CHECK_EQ(rule_at(t, addr)->ra_off, -8);
}

/* push %rbp; ...; pop %rbp; ret; and a cold part behind a jump. */
static void put_function(struct cfi_bytes *b)
{
	put_cie(b, b->debug ? "" : "zR");
	open_fde(b, CODE, 0x40);
	PUT(b, 0x41, 0x0e, 16, 0x86, 2); /* from + 1: CFA rsp + 16, rbp at CFA - 16 */
	PUT(b, 0x02, 0x1f, 0x0a);	 /* + 0x20: remembered */
	PUT(b, 0x0e, 8, 0xc6, 0x41, 0x0b);
	close_entry(b);
}

TEST(a_function)
{
	struct cfi_bytes b = { 0 };
	_cleanup_(cfi_freep) struct cfi *t = NULL;

	put_function(&b);
	t = load(&b, CFI_OK);
	CHECK_EQ(cfi_rows_cnt(t), 5);
	CHECK_EQ(cfi_find(t, CODE - 1), -ENOENT);
	check_rsp(t, CODE, 8);
	CHECK_EQ(rule_at(t, CODE)->fp, CPROF_WHERE_SAME);
	CHECK_EQ(rule_at(t, CODE)->sp, CPROF_WHERE_SAME);
	check_rsp(t, CODE + 1, 16);
	CHECK_EQ(rule_at(t, CODE + 0x1f)->fp, CPROF_WHERE_CFA);
	CHECK_EQ(rule_at(t, CODE + 0x1f)->fp_off, -16);
	check_rsp(t, CODE + 0x20, 8);
	CHECK_EQ(rule_at(t, CODE + 0x20)->fp, CPROF_WHERE_SAME);
	check_rsp(t, CODE + 0x21, 16);
	CHECK_EQ(rule_at(t, CODE + 0x40)->cfa, CPROF_CFA_GAP);
	CHECK_EQ(cfi_facts(t)->cies, 1);
	CHECK_EQ(cfi_facts(t)->fdes, 1);
	CHECK_EQ(cfi_facts(t)->bad, 0);
	CHECK_EQ(cfi_row_after(t, CODE - 1), 0);
	CHECK_EQ(cfi_row_after(t, CODE), 1);
	CHECK_EQ(cfi_row_after(t, CODE + 0x1f), 2);
	CHECK_EQ(cfi_row_after(t, CODE + 0x20), 3);
	CHECK_EQ(cfi_row_after(t, UINT64_MAX), 5);
}

TEST(neighbours_in_any_order)
{
	struct cfi_bytes b = { 0 };
	_cleanup_(cfi_freep) struct cfi *t = NULL;

	put_cie(&b, "zR");
	for (int i = 2; i >= 0; i--) {
		open_fde(&b, CODE + 0x10 * (uint64_t)i, 0x10);
		close_entry(&b);
	}
	open_fde(&b, CODE + 0x100, 0x10);
	close_entry(&b);
	t = load(&b, CFI_OK);
	CHECK_EQ(cfi_rows_cnt(t), 4); /* one stretch of 0x30, a gap, another, a gap */
	check_rsp(t, CODE + 0x2f, 8);
	CHECK_EQ(cfi_row(t, 1).addr, CODE + 0x30);
	CHECK_EQ(rule_at(t, CODE + 0x30)->cfa, CPROF_CFA_GAP);
	check_rsp(t, CODE + 0x100, 8);
}

#define ORDERED 48

/* Every third with a hole behind it, in this order; "off" tells which one it is. */
static struct cfi *load_in_order(const unsigned int *order)
{
	struct cfi_bytes b = { 0 };

	put_cie(&b, "zR");
	for (unsigned int i = 0; i < ORDERED; i++) {
		open_fde(&b, CODE + order[i] * 0x10ull, order[i] % 3 == 0 ? 8 : 0x10);
		PUT(&b, 0x0e, (uint8_t)(8 + order[i]), 0x44, 0x0e, (uint8_t)(order[i] + 9));
		close_entry(&b);
	}
	return load(&b, CFI_OK);
}

static void check_same(const struct cfi *a, const struct cfi *b)
{
	CHECK_EQ(cfi_rows_cnt(a), cfi_rows_cnt(b));
	for (size_t i = 0; i < cfi_rows_cnt(a); i++) {
		CHECK_EQ(cfi_row(a, i).addr, cfi_row(b, i).addr);
		CHECK_EQ(memcmp(cfi_rule(a, cfi_row(a, i).rule), cfi_rule(b, cfi_row(b, i).rule),
				sizeof(struct cprof_rule)),
			 0);
	}
}

/* As linkers have them, as nobody has them, and the wrong way round: more runs than there may be. */
TEST(any_order_comes_to_the_same)
{
	unsigned int order[ORDERED];
	_cleanup_(cfi_freep) struct cfi *ascending = NULL;
	uint32_t x = 1;

	for (unsigned int i = 0; i < ORDERED; i++)
		order[i] = i;
	ascending = load_in_order(order);
	for (unsigned int stride = 1; stride <= ORDERED; stride++) {
		_cleanup_(cfi_freep) struct cfi *strided = NULL, *any = NULL;
		unsigned int n = 0;

		for (unsigned int from = stride; from-- > 0;) {
			for (unsigned int i = from; i < ORDERED; i += stride)
				order[n++] = i;
		}
		strided = load_in_order(order);
		check_same(strided, ascending);
		for (unsigned int i = ORDERED; i-- > 1;) {
			unsigned int k, swapped = order[i];

			x = x * 1664525 + 1013904223;
			k = (x >> 8) % (i + 1);
			order[i] = order[k];
			order[k] = swapped;
		}
		any = load_in_order(order);
		check_same(any, ascending);
	}
}

TEST(debug_frame_fills_gaps)
{
	struct cfi_bytes eh = { 0 }, debug = { .debug = true };
	struct cfi_section sections[2];
	_cleanup_(cfi_freep) struct cfi *t = NULL;

	put_cie(&eh, "zR");
	open_fde(&eh, CODE + 0x10, 0x10);
	PUT(&eh, 0x0e, 64);
	close_entry(&eh);
	put_cie(&debug, "");
	open_fde(&debug, CODE, 0x40);
	PUT(&debug, 0x0e, 32);
	close_entry(&debug);
	sections[0] = section_of(&eh);
	sections[1] = section_of(&debug);
	CHECK_EQ(cfi_load(sections, 2, &CFI_LIMITS_DEFAULT, &t), CFI_OK);
	check_rsp(t, CODE, 32);
	check_rsp(t, CODE + 0x10, 64);
	check_rsp(t, CODE + 0x1f, 64);
	check_rsp(t, CODE + 0x20, 32);
	CHECK_EQ(rule_at(t, CODE + 0x40)->cfa, CPROF_CFA_GAP);
}

/* The rule of code whose CFA is this expression. */
static struct cprof_rule cfa_of(const char *augmentation, const uint8_t *expression, size_t sz)
{
	struct cfi_bytes b = { 0 };
	struct cfi *t;
	struct cprof_rule rule;

	put_cie(&b, augmentation);
	open_fde(&b, CODE, 0x10);
	PUT(&b, 0x0f, (uint8_t)sz);
	put_bytes(&b, expression, sz);
	close_entry(&b);
	t = load(&b, CFI_OK);
	rule = *rule_at(t, CODE);
	cfi_free(t);
	return rule;
}

#define CFA_OF(augmentation, ...) \
	cfa_of(augmentation, (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static void check_cfa(struct cprof_rule rule, enum cprof_cfa cfa, int reg, int off, int add)
{
	CHECK_EQ(rule.cfa, cfa);
	CHECK_EQ(rule.cfa_reg, reg);
	CHECK_EQ(rule.cfa_off, off);
	CHECK_EQ(rule.cfa_add, add);
}

TEST(shapes_of_expressions)
{
	check_cfa(CFA_OF("zR", 0x77, 8), CPROF_CFA_REG, CPROF_REG_RSP, 8, 0);
	check_cfa(CFA_OF("zR", 0x76, 0x78, 0x06), CPROF_CFA_DEREF, CPROF_REG_RBP, -8, 0);
	check_cfa(CFA_OF("zR", 0x77, 40, 0x06, 0x23, 8), CPROF_CFA_DEREF, CPROF_REG_RSP, 40, 8);
	check_cfa(CFA_OF("zR", 0x77, 40, 0x06, 0x09, 0xf8, 0x22), CPROF_CFA_DEREF, CPROF_REG_RSP,
		  40, -8);
	check_cfa(CFA_OF("zR", 0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8), CPROF_CFA_INDEX,
		  9, 8, 8);
	check_cfa(CFA_OF("zR", 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22),
		  CPROF_CFA_PLT, CPROF_REG_RSP, 11, 0);
	check_cfa(CFA_OF("zRS", 0x77, 0xa0, 1, 0x06), CPROF_CFA_SIGNAL, 0, 0, 0);
	/* Without the mark it is an expression like others; with another shape no signal frame. */
	check_cfa(CFA_OF("zR", 0x77, 0xa0, 1, 0x06), CPROF_CFA_DEREF, CPROF_REG_RSP, 160, 0);
	CHECK_EQ(CFA_OF("zRS", 0x77, 8).flags, CPROF_RULE_EXACT);
	/* Cut, longer, of unknown registers, deeper: unsupported. */
	CHECK_EQ(CFA_OF("zR", 0x77).cfa, CPROF_CFA_UNSUPPORTED);
	CHECK_EQ(CFA_OF("zR", 0x77, 8, 0x06, 0x06).cfa, CPROF_CFA_UNSUPPORTED);
	CHECK_EQ(CFA_OF("zR", 0x77, 8, 0x06, 0x23, 8, 0x06).cfa, CPROF_CFA_UNSUPPORTED);
	CHECK_EQ(CFA_OF("zR", 0x92, 17, 8).cfa, CPROF_CFA_UNSUPPORTED);
	CHECK_EQ(CFA_OF("zR", 0x03, 8).cfa, CPROF_CFA_UNSUPPORTED);
}

TEST(where_registers_are)
{
	struct cfi_bytes b = { 0 };
	_cleanup_(cfi_freep) struct cfi *t = NULL;

	put_cie(&b, "zR");
	open_fde(&b, CODE, 0x60);
	PUT(&b, 0x07, 16, 0x50);		  /* _start: no return address */
	PUT(&b, 0x09, 16, 5, 0x50);		  /* vfork: in rdi */
	PUT(&b, 0x10, 6, 2, 0x76, 0, 0x50);	  /* rbp at *rbp */
	PUT(&b, 0x16, 6, 2, 0x76, 0, 0x50);	  /* rbp is a value that is told by an expression */
	PUT(&b, 0x14, 6, 2, 0x09, 7, 8, 0x50);	  /* rbp is CFA - 16; rsp in r8 */
	PUT(&b, 0x05, 33, 9, 0x0e, 24, 0x2e, 16); /* a register that nobody asks about; args_size */
	close_entry(&b);
	t = load(&b, CFI_OK);
	CHECK_EQ(rule_at(t, CODE)->ra, CPROF_WHERE_UNDEFINED);
	CHECK_EQ(rule_at(t, CODE + 0x10)->ra, CPROF_WHERE_REG);
	CHECK_EQ(rule_at(t, CODE + 0x10)->ra_reg, 5);
	CHECK_EQ(rule_at(t, CODE + 0x20)->fp, CPROF_WHERE_DEREF);
	CHECK_EQ(rule_at(t, CODE + 0x20)->fp_reg, CPROF_REG_RBP);
	CHECK_EQ(rule_at(t, CODE + 0x30)->fp, CPROF_WHERE_UNSUPPORTED);
	CHECK_EQ(rule_at(t, CODE + 0x40)->fp, CPROF_WHERE_CFA_VALUE);
	CHECK_EQ(rule_at(t, CODE + 0x40)->fp_off, -16);
	CHECK_EQ(rule_at(t, CODE + 0x40)->sp, CPROF_WHERE_REG);
	CHECK_EQ(rule_at(t, CODE + 0x50)->cfa_off, 24);
	CHECK_EQ(cfi_facts(t)->unsupported, 1);
}

/* libgcrypt has it: an expression, then only another register; the offset before it still counts. */
TEST(an_offset_outlives_an_expression)
{
	struct cfi_bytes b = { 0 };
	_cleanup_(cfi_freep) struct cfi *t = NULL;

	put_cie(&b, "zR");
	open_fde(&b, CODE, 0x40);
	PUT(&b, 0x0e, 56, 0x0f, 3, 0x77, 40, 0x06, 0x50, 0x0d, 7);
	close_entry(&b);
	t = load(&b, CFI_OK);
	CHECK_EQ(rule_at(t, CODE)->cfa, CPROF_CFA_DEREF);
	check_rsp(t, CODE + 0x10, 56);
}

/* What is wrong with one entry is not the others' business. */
TEST(bad_entries)
{
	static const struct {
		uint8_t bytes[8];
		size_t sz;
	} bad[] = {
		{ { 0x0b }, 1 },		     /* nothing was remembered */
		{ { 0x3f }, 1 },		     /* unknown */
		{ { 0x0c, 7 }, 2 },		     /* cut */
		{ { 0x0f, 0x7f, 0x77 }, 3 },	     /* an expression beyond the end */
		{ { 0x0d, 0x80, 0x80, 0x80 }, 4 },   /* a number without an end */
		{ { 0x1d, 255, 255, 255, 255 }, 5 }, /* half a distance */
	};

	for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
		struct cfi_bytes b = { 0 };
		_cleanup_(cfi_freep) struct cfi *t = NULL;

		put_cie(&b, "zR");
		open_fde(&b, CODE, 0x10);
		PUT(&b, 0x44);
		put_bytes(&b, bad[i].bytes, bad[i].sz);
		close_entry(&b);
		open_fde(&b, CODE + 0x10, 0x10);
		close_entry(&b);
		t = load(&b, CFI_OK);
		CHECK_EQ(cfi_facts(t)->bad, 1);
		check_rsp(t, CODE, 8); /* up to where it was good */
		CHECK_EQ(rule_at(t, CODE + 4)->cfa, CPROF_CFA_UNSUPPORTED);
		check_rsp(t, CODE + 0x10, 8);
	}
}

TEST(bad_heads)
{
	struct cfi_bytes b = { 0 };
	_cleanup_(cfi_freep) struct cfi *t = NULL;
	uint64_t good;

	open_cie(&b, "zXYZ"); /* unknown letters, whose length is told */
	PUT(&b, 3, 1, 2, 3, 0x0c, 7, 8, 0x90, 1);
	close_entry(&b);
	open_cie(&b, "armcc+"); /* unknown, and nobody knows what follows */
	close_entry(&b);
	open_fde(&b, CODE, 0x10);
	close_entry(&b);
	b.cie = b.cnt + 100; /* beyond the section's beginning */
	open_fde(&b, CODE, 0x10);
	close_entry(&b);
	b.cie = b.cnt; /* itself */
	open_fde(&b, CODE, 0x10);
	close_entry(&b);
	put_cie(&b, "zR");
	open_fde(&b, CODE + 0x20, 0x10);
	close_entry(&b);
	good = b.cnt;
	put(&b, 0x7fffffff, 4); /* longer than the section */
	put(&b, 0, 4);
	t = load(&b, CFI_OK);
	CHECK_EQ(cfi_facts(t)->bad, 4);
	check_rsp(t, CODE + 0x20, 8);
	CHECK_EQ(cfi_find(t, CODE), -ENOENT);
	CHECK(good < b.cnt);
}

TEST(nothing)
{
	struct cfi_bytes b = { 0 };

	CHECK(!load(&b, CFI_NONE));
	put(&b, 0, 4);
	CHECK(!load(&b, CFI_NONE));
	b.cnt = 3;
	CHECK(!load(&b, CFI_NONE));
}

TEST(limits)
{
	struct cfi_limits rows = { .rows = 100, .rules = 100 },
			  rules = { .rows = 1000, .rules = 10 };
	struct cfi_bytes b = { 0 };
	struct cfi_section section;
	struct cfi *t = NULL;

	put_cie(&b, "zR");
	open_fde(&b, CODE, 0x1000);
	for (uint8_t i = 0; i < 200; i++)
		PUT(&b, 0x0e, (uint8_t)(i & 0x3f), 0x41);
	close_entry(&b);
	section = section_of(&b);
	CHECK_EQ(cfi_load(&section, 1, &rows, &t), CFI_LIMIT);
	CHECK_EQ(cfi_rows_cnt(t), 100);
	check_rsp(t, CODE + 98, 98 & 0x3f);
	CHECK_EQ(cfi_rule(t, (uint16_t)cfi_find(t, CODE + 99))->cfa, CPROF_CFA_GAP);
	t = cfi_free(t);
	CHECK_EQ(cfi_load(&section, 1, &rules, &t), CFI_LIMIT);
	CHECK_EQ(cfi_rules_cnt(t), 10);
	check_rsp(t, CODE + 8, 8);
	CHECK_EQ(cfi_rule(t, (uint16_t)cfi_find(t, CODE + 9))->cfa, CPROF_CFA_GAP);
	t = cfi_free(t);
}

/* 400 instructions in each of more CIEs than are kept, for entries that use them by turns. */
TEST(work_is_bounded)
{
	struct cfi_bytes b = { 0 };
	size_t cies[20], entries = 0;
	_cleanup_(cfi_freep) struct cfi *t = NULL;

	for (size_t i = 0; i < ELEMENTSOF(cies); i++) {
		open_cie(&b, "zR");
		cies[i] = b.cie;
		PUT(&b, 0x0c, 7, 8, 0x90, 1);
		for (int j = 0; j < 200; j++)
			PUT(&b, 0x0a, 0x0b);
		close_entry(&b);
	}
	for (unsigned int i = 0; b.cnt + 32 < sizeof(b.v); i++) {
		b.cie = cies[i % ELEMENTSOF(cies)];
		open_fde(&b, CODE + i * 0x10ULL, 0x10);
		close_entry(&b);
		entries++;
	}
	CHECK(entries * 400 > 4 * b.cnt); /* it would take more than there may be */
	t = load(&b, CFI_LIMIT);
	check_rsp(t, CODE, 8);
}

TEST(reading_fails)
{
	struct cfi_bytes b = { 0 };
	struct cfi_section section;
	struct cfi *t = NULL;

	put_function(&b);
	section = section_of(&b);
	section.size = b.cnt + 1000; /* more than there is to be read */
	CHECK_EQ(cfi_load(&section, 1, &CFI_LIMITS_DEFAULT, &t), -EIO);
	CHECK(!t);
}

TEST(no_memory)
{
	struct cfi_bytes eh = { 0 }, debug = { .debug = true };
	struct cfi_section sections[2];
	bool done = false;

	put_function(&eh);
	put_function(&debug);
	sections[0] = section_of(&eh);
	sections[1] = section_of(&debug);
	for (long n = 0; !done; n++) {
		struct cfi *t = NULL;
		int r;

		fail_at(n);
		r = cfi_load(sections, 2, &CFI_LIMITS_DEFAULT, &t);
		done = fail_over();
		CHECK_EQ(r, done ? CFI_OK : -ENOMEM);
		CHECK_EQ(t != NULL, done);
		cfi_free(t);
		CHECK(n < 100);
	}
}

CHECK_MAIN
