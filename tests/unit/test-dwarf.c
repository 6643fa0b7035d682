/* SPDX-License-Identifier: Apache-2.0 */

/* What a file says, and each way in which it can lie: handmade. Real files: tests/dwarf/oracle.py. */

#include "dwarf-fixture.h"
#include "fail.h"

#define PLACES_MAX 64
#define TEXT_SZ 64

/* A place as it was told, in words: "name@file:line:column+start;..." */
struct told {
	int cnt;
	enum dwarf_outcome outcome;
	uint64_t start;
	char text[512];
};

struct answers {
	size_t cnt;
	struct told told[PLACES_MAX];
	int say;
};

static int take(void *ctx, size_t i, const struct dwarf_place *p)
{
	struct answers *a = ctx;
	struct told *t = &a->told[i];
	size_t len = 0;

	CHECK(i < PLACES_MAX);
	CHECK(p->outcome == DWARF_OK ? p->lines_cnt > 0 : p->lines_cnt == 0);
	CHECK(p->lines_cnt <= DWARF_LINES_MAX);
	t->cnt++;
	t->outcome = p->outcome;
	t->start = p->start;
	t->text[0] = '\0';
	for (uint32_t k = 0; k < p->lines_cnt; k++) {
		const struct dwarf_line *l = &p->lines[k];

		CHECK(strlen(l->name) < DWARF_TEXT_MAX && strlen(l->linkage) < DWARF_TEXT_MAX &&
		      strlen(l->file) < DWARF_TEXT_MAX);
		if (len < sizeof(t->text))
			len += (size_t)snprintf(t->text + len, sizeof(t->text) - len,
						"%s%s@%s:%u:%u+%u", k > 0 ? ";" : "", l->name,
						l->file, l->line, l->column, l->start_line);
	}
	a->cnt++;
	return a->say;
}

static struct dwarf *open_dwarf(const struct elf_file *f, size_t bytes, uint64_t work)
{
	const struct dwarf_limits limits = { .bytes = bytes, .work = work };
	struct dwarf *d = NULL;

	CHECK_EQ(dwarf_open(f, &limits, 1, &d), DWARF_OK);
	return d;
}

#define MEMORY ((size_t)1 << 20)
#define WORK ((uint64_t)1 << 20)

/* One address of a file; frees the image. */
static struct told ask(struct image *m, uint64_t addr)
{
	_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
	_cleanup_(dwarf_closep) struct dwarf *d = open_dwarf(f, MEMORY, WORK);
	struct answers a = { 0 };

	CHECK_EQ(dwarf_find(d, &addr, 1, take, &a), DWARF_OK);
	CHECK_EQ(a.cnt, 1);
	free(m);
	return a.told[0];
}

#define INNER "inner@/inc/b.h:8:5+7;outer@/src/sub/a.c:25:3+20"

static const uint64_t all[] = { 0x1fff, 0x2000, 0x200f, 0x2010, 0x201f,
				0x2020, 0x20ff, 0x2100, 0x21ff, 0x2200 };

static void check_all(const struct answers *a)
{
	CHECK_EQ(a->cnt, 10);
	for (size_t i = 0; i < 10; i++)
		CHECK_EQ(a->told[i].cnt, 1);
	CHECK_EQ(a->told[0].outcome, DWARF_NONE);
	CHECK_STR(a->told[1].text, "outer@/src/sub/a.c:20:0+20");
	CHECK_STR(a->told[2].text, "outer@/src/sub/a.c:20:0+20");
	CHECK_STR(a->told[3].text, INNER);
	CHECK_STR(a->told[4].text, INNER);
	CHECK_STR(a->told[5].text, "outer@/src/sub/a.c:26:0+20");
	CHECK_STR(a->told[6].text, "outer@/src/sub/a.c:26:0+20");
	CHECK_STR(a->told[7].text, "late@/src/sub/a.c:40:0+39");
	CHECK_STR(a->told[8].text, "late@/src/sub/a.c:40:0+39");
	CHECK_EQ(a->told[4].start, 0x2000);
	CHECK_EQ(a->told[8].start, 0x2100);
	CHECK_EQ(a->told[9].outcome, DWARF_NONE);
}

TEST(says_what_is_there)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
	_cleanup_(dwarf_closep) struct dwarf *d = open_dwarf(f, MEMORY, WORK);
	struct answers a = { 0 };

	CHECK_EQ(dwarf_find(d, all, 10, take, &a), DWARF_OK);
	check_all(&a);
	/* What was remembered is the same, and what was let go of. */
	dwarf_rest(d);
	a = (struct answers){ 0 };
	CHECK_EQ(dwarf_find(d, all, 10, take, &a), DWARF_OK);
	check_all(&a);
	CHECK(dwarf_bytes(d) < MEMORY);
}

TEST(linkage_name_and_converted_offsets)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
	uint64_t addr = 0;

	CHECK(elf_file_address(f, 7, &addr));
	CHECK_EQ(addr, CODE + 7);
	CHECK(!elf_file_address(f, 64, &addr));
	CHECK(elf_file_has_code(f, CODE) && elf_file_has_code(f, CODE_END - 1));
	CHECK(!elf_file_has_code(f, CODE - 1) && !elf_file_has_code(f, CODE_END));
}

TEST(no_information)
{
	const struct section_of one = { ".data", "x", 1 };
	const struct dwarf_limits limits = DWARF_LIMITS_DEFAULT;
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	struct dwarf *d = NULL;
	int fd = make_elf(&one, 1);

	CHECK_EQ(elf_file_open(fd, (uint64_t)lseek(fd, 0, SEEK_END), &f), 0);
	CHECK_EQ(dwarf_open(f, &limits, 1, &d), DWARF_NONE);
	CHECK(!d);
}

TEST(what_the_callback_says_ends_it)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
	_cleanup_(dwarf_closep) struct dwarf *d = open_dwarf(f, MEMORY, WORK);
	struct answers a = { .say = -ECANCELED };

	CHECK_EQ(dwarf_find(d, all, 10, take, &a), -ECANCELED);
	CHECK_EQ(a.cnt, 1);
}

/* Each allowance is used up some day; what was not answered then comes later, and nothing twice. */
TEST(work_is_bounded_and_goes_on)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
	int limited = 0, large = 0, whole = 0;

	for (uint64_t work = 0; work < 8000; work += 7) {
		_cleanup_(dwarf_closep) struct dwarf *d = open_dwarf(f, MEMORY, work);
		struct answers a = { 0 };
		int r = dwarf_find(d, all, 10, take, &a), tries = 0;

		while (r == DWARF_LIMIT && tries++ < 5) {
			limited++;
			CHECK(dwarf_work_left(d) == 0);
			CHECK_EQ(a.cnt, 0);
			dwarf_allow(d, work);
			r = dwarf_find(d, all, 10, take, &a);
		}
		if (r == DWARF_LIMIT)
			continue;
		CHECK_EQ(r, DWARF_OK);
		CHECK_EQ(a.cnt, 10);
		if (a.told[1].outcome == DWARF_TOO_LARGE) {
			large++;
			continue;
		}
		check_all(&a);
		whole++;
	}
	CHECK(limited > 0 && large > 0 && whole > 0);
}

TEST(memory_is_bounded)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
	int large = 0, whole = 0;

	for (size_t bytes = 0; bytes < 100000; bytes += 499) {
		_cleanup_(dwarf_closep) struct dwarf *d = open_dwarf(f, bytes, WORK);
		struct answers a = { 0 };
		int r = dwarf_find(d, all, 10, take, &a);

		CHECK(r == DWARF_OK || r == DWARF_TOO_LARGE);
		if (r == DWARF_TOO_LARGE || a.told[1].outcome == DWARF_TOO_LARGE) {
			large++;
		} else {
			check_all(&a);
			whole++;
		}
	}
	CHECK(large > 0 && whole > 0);
}

static int try_once(const struct elf_file *f, struct answers *a)
{
	const struct dwarf_limits limits = { .bytes = MEMORY, .work = WORK };
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	int r = dwarf_open(f, &limits, 1, &d);

	return r == DWARF_OK ? dwarf_find(d, all, 10, take, a) : r;
}

TEST(memory_runs_out)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
	int n = 0;

	for (;; n++) {
		struct answers a = { 0 };
		int r;

		fail_at(n);
		r = try_once(f, &a);
		if (fail_over()) {
			CHECK_EQ(r, DWARF_OK);
			check_all(&a);
			break;
		}
		/* Sorting only takes longer without memory. */
		CHECK(r == -ENOMEM || r == DWARF_OK);
	}
	CHECK(n > 20);
}

/* An origin that is its own origin, and two that are each other's. */
TEST(origins_in_circles)
{
	uint32_t abstract;

	for (uint32_t other = 0; other < 2; other++) {
		struct image *m = new_image(&abstract);
		struct told t;
		uint32_t at;

		m->info.cnt = 0;
		(void)begin_unit(&m->info, 0x2000, 0x200);
		at = (uint32_t)m->info.cnt;
		for (uint32_t i = 0; i < 2; i++) {
			PUT(&m->info, INSTANCE);
			/* An entry is 17 bytes. */
			put_uint(&m->info, other ? at + 17 * (1 - i) : at + 17 * i, 4);
			put_uint(&m->info, 0x2000 + 0x100 * i, 8);
			put_uint(&m->info, 0x100, 4);
		}
		end_unit(&m->info, 0);
		t = ask(m, 0x2100);
		CHECK_EQ(t.outcome, DWARF_OK);
		CHECK_STR(t.text, "@/src/sub/a.c:40:0+0");
	}
}

/* Siblings before and behind everything, and at the entry itself. */
TEST(siblings_in_circles)
{
	static const int32_t to[] = { 0, 11, -1, -6, 100000, INT32_MAX, 6 };
	uint32_t abstract;

	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		struct image *m = new_image(&abstract);
		struct told t;

		m->info.cnt = 0;
		(void)begin_unit(&m->info, 0x2000, 0x200);
		PUT(&m->info, SIBLING);
		put_uint(&m->info, (uint64_t)((int64_t)m->info.cnt - 1 + to[i]), 4);
		PUT(&m->info, 0);
		put_function(&m->info, 0x2000, 0x100, "outer", 20);
		PUT(&m->info, 0);
		end_unit(&m->info, 0);
		t = ask(m, 0x2000);
		/* 6 is right; what leads nowhere is not followed. */
		CHECK_EQ(t.outcome, DWARF_OK);
		if (to[i] != 11)
			CHECK_STR(t.text, "outer@/src/sub/a.c:20:0+20");
	}
}

TEST(deep_trees)
{
	uint32_t abstract;
	struct image *m = new_image(&abstract);
	struct told t;

	m->info.cnt = 0;
	(void)begin_unit(&m->info, 0x2000, 0x200);
	for (int i = 0; i < 60000; i++)
		PUT(&m->info, NESTED);
	put_function(&m->info, 0x2000, 0x100, "outer", 20);
	set_size(&m->info, 0);
	t = ask(m, 0x2000);
	CHECK_STR(t.text, "outer@/src/sub/a.c:20:0+20");

	/* Functions within each other for ever: the outermost stays. */
	m = new_image(&abstract);
	m->info.cnt = 0;
	(void)begin_unit(&m->info, 0x2000, 0x200);
	for (int i = 0; i < 2000; i++)
		put_function(&m->info, 0x2000, 0x100, i == 0 ? "outer" : "again", 20);
	set_size(&m->info, 0);
	t = ask(m, 0x2000);
	CHECK(t.outcome == DWARF_OK || t.outcome == DWARF_BAD);
}

/* Entries of a byte whose attributes take none cost what they are worked at. */
TEST(attributes_without_bytes)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	struct answers a = { 0 };
	uint64_t addr = 0x2000;

	m->info.cnt = 0;
	(void)begin_unit(&m->info, 0x2000, 0x200);
	for (int i = 0; i < 60000; i++)
		PUT(&m->info, HEAVY);
	end_unit(&m->info, 0);
	{
		_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
		_cleanup_(dwarf_closep) struct dwarf *d = open_dwarf(f, MEMORY, 2000000);

		CHECK_EQ(dwarf_find(d, &addr, 1, take, &a), DWARF_LIMIT);
		dwarf_allow(d, 2000000);
		CHECK_EQ(dwarf_find(d, &addr, 1, take, &a), DWARF_OK);
		CHECK_EQ(a.told[0].outcome, DWARF_TOO_LARGE);
		/* It is known now, and costs nothing. */
		dwarf_allow(d, 2000000);
		CHECK_EQ(dwarf_find(d, &addr, 1, take, &a), DWARF_OK);
		CHECK_EQ(dwarf_work_left(d), 2000000);
	}
}

/* Functions that all claim all addresses, of which one is nobody's, cost as much as they are compared. */
TEST(claims_cost)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	struct answers a = { 0 };
	uint64_t addrs[PLACES_MAX];

	m->info.cnt = 0;
	(void)begin_unit(&m->info, 0x2000, 0x200);
	for (int i = 0; i < 1000; i++) {
		put_function(&m->info, 0x2000, 0x100, "f", 1);
		PUT(&m->info, 0);
	}
	end_unit(&m->info, 0);
	for (size_t i = 0; i < PLACES_MAX; i++)
		addrs[i] = i + 1 < PLACES_MAX ? 0x2000 + i : 0x21f0;
	f = open_image(m);
	d = open_dwarf(f, MEMORY, WORK);
	CHECK_EQ(dwarf_find(d, addrs, PLACES_MAX, take, &a), DWARF_OK);
	CHECK(WORK - dwarf_work_left(d) > 1000 * PLACES_MAX);
}

/* Two units claim an address: the first in the file has it. And what a linker threw away claims nothing. */
TEST(claims)
{
	uint32_t abstract;
	struct image *m = new_image(&abstract);
	struct bytes_of whole = m->info;
	size_t at;

	m->info.cnt = 0;
	at = begin_unit(&m->info, 0, 0x8000);
	put_function(&m->info, 0, 0x8000, "thrown away", 1);
	PUT(&m->info, 0);
	end_unit(&m->info, at);
	put(&m->info, whole.v, whole.cnt);
	at = begin_unit(&m->info, 0x1f00, 0x200);
	put_function(&m->info, 0x1f00, 0x200, "second", 1);
	PUT(&m->info, 0);
	end_unit(&m->info, at);
	{
		_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
		_cleanup_(dwarf_closep) struct dwarf *d = open_dwarf(f, MEMORY, WORK);
		static const uint64_t addrs[] = { 0x1f00, 0x1fff, 0x2000, 0x20ff, 0x2200 };
		struct answers a = { 0 };

		CHECK_EQ(dwarf_find(d, addrs, 5, take, &a), DWARF_OK);
		CHECK(strncmp(a.told[0].text, "second@", 7) == 0);
		CHECK(strncmp(a.told[1].text, "second@", 7) == 0);
		CHECK(strncmp(a.told[2].text, "outer@", 6) == 0);
		CHECK(strncmp(a.told[3].text, "outer@", 6) == 0);
		CHECK_EQ(a.told[4].outcome, DWARF_NONE);
	}
	free(m);
}

/* The same within a unit, whatever else is asked for. */
TEST(claims_within_a_unit)
{
	static const uint64_t addrs[] = { 0x2000, 0x2110 };
	uint32_t abstract;

	for (size_t cnt = 1; cnt <= 2; cnt++) {
		_cleanup_free_ struct image *m = new_image(&abstract);
		struct answers a = { 0 };

		m->info.cnt = 0;
		(void)begin_unit(&m->info, 0x2000, 0x200);
		put_function(&m->info, 0, 0x8000, "thrown away", 1);
		PUT(&m->info, 0);
		put_function(&m->info, 0x2000, 0x100, "first", 20);
		PUT(&m->info, 0);
		put_function(&m->info, 0x2000, 0x120, "second", 21);
		PUT(&m->info, 0);
		end_unit(&m->info, 0);
		{
			_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
			_cleanup_(dwarf_closep) struct dwarf *d = open_dwarf(f, MEMORY, WORK);

			CHECK_EQ(dwarf_find(d, addrs, cnt, take, &a), DWARF_OK);
			CHECK(strncmp(a.told[0].text, "first@", 6) == 0);
			CHECK(cnt == 1 || strncmp(a.told[1].text, "second@", 7) == 0);
		}
	}
}

/* What has the address was inlined in what does not say that it has: it was nevertheless. */
TEST(inlined_in_what_does_not_cover)
{
	uint32_t abstract;
	struct image *m = new_image(&abstract);
	struct told t;

	m->info.cnt = 0;
	m->abbrev.cnt--;
	/* As INLINED, with children. */
	PUT(&m->abbrev, 9, 0x1d, 1, 0x31, 0x13, 0x11, 0x01, 0x12, 0x06, 0x58, 0x0b, 0x59, 0x0b,
	    0x57, 0x0b, 0, 0, 0);
	(void)begin_unit(&m->info, 0x2000, 0x200);
	abstract = (uint32_t)m->info.cnt;
	PUT(&m->info, ABSTRACT);
	put_text(&m->info, "inner");
	PUT(&m->info, 7);
	put_text(&m->info, "");
	put_function(&m->info, 0x2000, 0x100, "outer", 20);
	PUT(&m->info, 9);
	put_uint(&m->info, abstract, 4);
	put_uint(&m->info, 0x2080, 8);
	put_uint(&m->info, 0, 4);
	PUT(&m->info, 1, 30, 4);
	put_inlined(&m->info, abstract, 0x2010, 0x10);
	PUT(&m->info, 0, 0);
	end_unit(&m->info, 0);
	t = ask(m, 0x2010);
	CHECK_STR(t.text,
		  "inner@/inc/b.h:8:5+7;inner@/src/sub/a.c:25:3+7;outer@/src/sub/a.c:30:4+20");
}

/* One unit's of .debug_aranges. */
static void put_set(struct image *m, size_t unit, uint64_t start, uint64_t sz)
{
	struct bytes_of *b = &m->aranges;
	size_t at = b->cnt;

	m->aranges_too = true;
	put_uint(b, 0, 4);
	put_uint(b, 2, 2);
	put_uint(b, unit, 4);
	PUT(b, 8, 0, 0, 0, 0, 0);
	put_uint(b, start, 8);
	put_uint(b, sz, 8);
	put_uint(b, 0, 8);
	put_uint(b, 0, 8);
	set_size(b, at);
}

/* A root that does not say where its code is, and a section that does; another unit's is not touched. */
TEST(aranges_fill_in)
{
	uint32_t abstract;

	for (int lie = 0; lie < 2; lie++) {
		struct image *m = new_image(&abstract);
		struct told t;
		size_t at;

		m->info.cnt = 0;
		end_unit(&m->info, begin_unit(&m->info, 0x2000, 0));
		at = begin_unit(&m->info, 0x2000, 0);
		put_function(&m->info, 0x2000, 0x100, "outer", 20);
		PUT(&m->info, 0);
		end_unit(&m->info, at);
		put_set(m, lie ? at - 1 : at, 0x2000, 0x200);
		t = ask(m, 0x2010);
		if (lie)
			CHECK_EQ(t.outcome, DWARF_NONE);
		else
			CHECK_STR(t.text, "outer@/inc/b.h:8:5+20");
	}
}

static size_t put_unit(struct image *m, uint64_t start, const char *name)
{
	size_t at = begin_unit(&m->info, start, 0x100);

	put_function(&m->info, start, 0x100, name, 20);
	PUT(&m->info, 0);
	end_unit(&m->info, at);
	return at;
}

/* What is claimed of the program by the section is found without the units before it: one without an end. */
TEST(aranges_come_first)
{
	uint32_t abstract;
	struct image *m = new_image(&abstract);
	struct told t;
	size_t at;

	m->info.cnt = 0;
	put_uint(&m->info, 0xfffffff0, 4);
	at = put_unit(m, 0x2000, "outer");
	put_set(m, at, 0x2000, 0x100);
	t = ask(m, 0x2010);
	CHECK_STR(t.text, "outer@/inc/b.h:8:5+20");
}

/* What is claimed for a unit that says otherwise, or in no order, is what the units say. */
TEST(aranges_that_lie)
{
	uint32_t abstract;

	for (int way = 0; way < 3; way++) {
		struct image *m = new_image(&abstract);
		struct told t;
		size_t other, own;

		m->info.cnt = 0;
		other = put_unit(m, 0x3000, "other");
		own = put_unit(m, 0x2000, "own");
		put_set(m, way == 2 ? own : other, 0x2000, 0x100);
		if (way == 1)
			put_set(m, own, 0x2000, 0x100);
		if (way == 2)
			put_set(m, other, 0x2000, 0x100);
		t = ask(m, 0x2010);
		CHECK_STR(t.text, "own@/inc/b.h:8:5+20");
	}
}

/* A name in another unit: which has it is known when all are. */
TEST(aranges_and_a_name_elsewhere)
{
	uint32_t abstract;
	struct image *m = new_image(&abstract);
	struct told t;
	size_t at, name;

	m->info.cnt = 0;
	m->abbrev.cnt--;
	PUT(&m->abbrev, 9, 0x2e, 0, 0x31, 0x10, 0x11, 0x01, 0x12, 0x06, 0, 0, 0);
	at = begin_unit(&m->info, 0x4000, 0);
	name = m->info.cnt;
	PUT(&m->info, ABSTRACT);
	put_text(&m->info, "far");
	PUT(&m->info, 7);
	put_text(&m->info, "");
	end_unit(&m->info, at);
	at = begin_unit(&m->info, 0x2000, 0x100);
	PUT(&m->info, 9);
	put_uint(&m->info, name, 4);
	put_uint(&m->info, 0x2000, 8);
	put_uint(&m->info, 0x100, 4);
	end_unit(&m->info, at);
	put_set(m, at, 0x2000, 0x100);
	t = ask(m, 0x2010);
	CHECK_STR(t.text, "far@/inc/b.h:8:5+7");
}

static void find_all(const struct image *m)
{
	_cleanup_(elf_file_closep) struct elf_file *f = open_image(m);
	const struct dwarf_limits limits = { .bytes = MEMORY, .work = WORK };
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	struct answers a = { 0 };
	int r = dwarf_open(f, &limits, 1, &d);

	CHECK(r == DWARF_OK || r == DWARF_NONE || r == DWARF_BAD);
	if (r != DWARF_OK)
		return;
	CHECK_EQ(dwarf_find(d, all, 10, take, &a), DWARF_OK);
	CHECK_EQ(a.cnt, 10);
}

/* Each section ends at each of its bytes. */
TEST(cut_at_each_byte)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	struct bytes_of *sections[] = { &m->info, &m->abbrev, &m->line };

	for (int i = 0; i < 3; i++) {
		size_t cnt = sections[i]->cnt;

		for (sections[i]->cnt = 0; sections[i]->cnt < cnt; sections[i]->cnt++)
			find_all(m);
	}
}

/* And each of its bytes is another one. */
TEST(each_byte_lies)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	struct bytes_of *sections[] = { &m->info, &m->abbrev, &m->line };

	for (int i = 0; i < 3; i++) {
		for (size_t at = 0; at < sections[i]->cnt; at++) {
			uint8_t was = sections[i]->v[at];

			for (size_t k = 0; k < sizeof(values); k++) {
				sections[i]->v[at] = values[k];
				find_all(m);
			}
			sections[i]->v[at] = was;
		}
	}
}

/* The file ends while it is read. */
TEST(cut_meanwhile)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);

	for (off_t sz = 0; sz < 1200; sz += 9) {
		const struct section_of sections[] = {
			{ ".debug_info", m->info.v, m->info.cnt },
			{ ".debug_abbrev", m->abbrev.v, m->abbrev.cnt },
			{ ".debug_line", m->line.v, m->line.cnt },
		};
		int fd = make_elf(sections, 3);
		_cleanup_(elf_file_closep) struct elf_file *f = NULL;
		_cleanup_(dwarf_closep) struct dwarf *d = NULL;
		struct answers a = { 0 };

		CHECK_EQ(elf_file_open(fd, (uint64_t)lseek(fd, 0, SEEK_END), &f), 0);
		d = open_dwarf(f, MEMORY, WORK);
		CHECK_EQ(ftruncate(fd, sz), 0);
		CHECK_EQ(dwarf_find(d, all, 10, take, &a), DWARF_OK);
		CHECK_EQ(a.cnt, 10);
	}
}

CHECK_MAIN
