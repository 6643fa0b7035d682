/* SPDX-License-Identifier: Apache-2.0 */

/* Jitdumps as compilers write them and as nobody should. */

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "cprof/symtab.h"
#include "fail.h"
#include "jitdump-fixture.h"

static const struct symtab_limits limits = { .symbols = PERF_MAP_LINES_MAX, .bytes = 64 << 20 };

#define A 0x7f0000001000ULL
#define B 0x7f0000002000ULL
#define C 0x7f0000003000ULL

static struct symtab *load_with(const struct fake_dump *d, const struct symtab_limits *l,
				int outcome)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);
	struct symtab *t = NULL;

	CHECK(fd >= 0 && write(fd, d->v, d->cnt) == (ssize_t)d->cnt);
	CHECK_EQ(symtab_load_jit(fd, d->cnt, l, &t), outcome);
	CHECK((t != NULL) == (outcome == SYMTAB_OK || outcome == SYMTAB_UNNAMED));
	close(fd);
	return t;
}

static struct symtab *load(const struct fake_dump *d)
{
	return load_with(d, &limits, SYMTAB_OK);
}

/* "name", or "name file:line"; NULL expects nothing there. */
static void expect(const struct symtab *t, uint64_t place, const char *what)
{
	struct symtab_symbol s;
	char told[256];

	if (!what) {
		CHECK(!symtab_find(t, place, &s));
		return;
	}
	CHECK(symtab_find(t, place, &s));
	CHECK_EQ(s.module_len, 0);
	if (s.file)
		snprintf(told, sizeof(told), "%s %s:%u", s.name, s.file, s.line);
	else
		snprintf(told, sizeof(told), "%s", s.name);
	CHECK_STR(told, what);
}

static struct fake_dump dump; /* large */

TEST(code_is_where_it_was_loaded)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	struct symtab_symbol s;

	fake_dump(&dump);
	fake_dump_load(&dump, 1, B, 0x100, "two with blanks");
	fake_dump_load(&dump, 2, A, 0x10, "one");
	t = load(&dump);
	expect(t, A - 1, NULL);
	expect(t, A, "one");
	expect(t, A + 0xf, "one");
	expect(t, A + 0x10, NULL);
	expect(t, B + 0xff, "two with blanks");
	expect(t, B + 0x100, NULL);
	CHECK(symtab_find(t, B + 7, &s));
	CHECK_EQ(s.start, B);
	CHECK(!symtab_info(t)->cut);
}

TEST(memory_is_used_again)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;

	fake_dump(&dump);
	fake_dump_load(&dump, 1, A, 0x100, "old");
	fake_dump_load(&dump, 2, A + 0x80, 0x100, "new");
	fake_dump_load(&dump, 3, B, 0x100, "gone");
	fake_dump_load(&dump, 4, B + 0x20, 0x10, ""); /* nobody says what */
	t = load(&dump);
	expect(t, A, NULL);
	expect(t, A + 0x80, "new");
	expect(t, B, NULL);
	expect(t, B + 0x20, NULL);
}

TEST(code_moves)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;

	fake_dump(&dump);
	fake_dump_debug(&dump, A, 1);
	fake_dump_line(&dump, A + 4, 30, "a.js");
	fake_dump_load(&dump, 1, A, 0x100, "moves");
	fake_dump_load(&dump, 2, C, 0x100, "overrun");
	fake_dump_move(&dump, 1, A, B, 0x100);
	fake_dump_move(&dump, 1, B, C, 0x80);
	fake_dump_load(&dump, 3, B, 0x10, "later");
	t = load(&dump);
	expect(t, A, NULL);
	expect(t, B, "later");
	expect(t, B + 0x10, NULL);
	expect(t, C, "moves");
	expect(t, C + 4, "moves a.js:30");
	expect(t, C + 0x80, NULL);
	symtab_free(t);
	fake_dump(&dump);
	fake_dump_load(&dump, 1, A, 0x100, "moves");
	fake_dump_move(&dump, 1, A, B, 0x100);
	fake_dump_load(&dump, 2, C, 0x100, "ends");
	fake_dump_move(&dump, 7, B + 0x800, C + 0x10, 4); /* nobody's, over another */
	fake_dump_move(&dump, 1, A, C + 0x800, 4);	  /* it is not there any more */
	t = load(&dump);
	expect(t, A, NULL);
	expect(t, B, "moves");
	expect(t, C, NULL);
	expect(t, C + 0x10, NULL);
	expect(t, C + 0x800, NULL);
	symtab_free(t);
	fake_dump_load(&dump, 8, C, 0x100, "again");
	fake_dump_move(&dump, 9, C, C + 0x1000, 0x100); /* another's */
	t = load(&dump);
	expect(t, C, "again");
	expect(t, C + 0x1000, NULL);
}

TEST(lines)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;

	fake_dump(&dump);
	fake_dump_debug(&dump, A, 4);
	fake_dump_line(&dump, A + 4, 30, "a.js");
	fake_dump_line(&dump, A + 8, 31, "\xff");
	fake_dump_line(&dump, A + 8, 32, "a.js");
	fake_dump_line(&dump, A + 0x10, 7, "b.js");
	fake_dump_load(&dump, 1, A, 0x20, "one");
	fake_dump_load(&dump, 2, B, 0x20, "two");
	fake_dump_debug(&dump, C, 1);
	fake_dump_line(&dump, C, 5, "c.js");
	fake_dump_put(&dump, 0, 4); /* filled up */
	fake_dump_end(&dump);
	fake_dump_load(&dump, 3, C, 0x20, "three");
	t = load(&dump);
	expect(t, A + 3, "one");
	expect(t, A + 4, "one a.js:30");
	expect(t, A + 7, "one a.js:30");
	expect(t, A + 8, "one a.js:32");
	expect(t, A + 0x1f, "one b.js:7");
	expect(t, B, "two");
	expect(t, C, "three c.js:5");
}

/* They count from an ELF head that would be before the code, if all of the file do. */
TEST(lines_behind_an_elf_head)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;

	fake_dump(&dump);
	fake_dump_debug(&dump, A, 2);
	fake_dump_line(&dump, A + 0x40, 1, "a.js");
	fake_dump_line(&dump, A + 0x5f, 2, "a.js");
	fake_dump_load(&dump, 1, A, 0x20, "one");
	fake_dump_debug(&dump, B, 1);
	fake_dump_line(&dump, B + 0x50, 3, "a.js");
	fake_dump_load(&dump, 2, B, 0x20, "two");
	t = load(&dump);
	expect(t, A, "one a.js:1");
	expect(t, A + 0x1e, "one a.js:1");
	expect(t, A + 0x1f, "one a.js:2");
	expect(t, B + 0xf, "two");
	expect(t, B + 0x10, "two a.js:3");
	fake_dump_debug(&dump, C, 1);
	fake_dump_line(&dump, C + 0x3f, 9, "a.js");
	fake_dump_load(&dump, 3, C, 0x60, "three");
	symtab_free(t);
	t = load(&dump);
	expect(t, A, "one");
	expect(t, C + 0x3f, "three a.js:9");
}

/* What one record of lines says that cannot be costs its lines. */
TEST(lies_about_lines)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;

	fake_dump(&dump);
	fake_dump_debug(&dump, A, 2); /* one too few */
	fake_dump_line(&dump, A, 1, "a.js");
	fake_dump_load(&dump, 1, A, 0x20, "few");
	fake_dump_debug(&dump, B, 1); /* more than is said */
	fake_dump_line(&dump, B, 1, "a.js");
	fake_dump_line(&dump, B + 1, 2, "a.js");
	fake_dump_load(&dump, 2, B, 0x20, "many");
	fake_dump_debug(&dump, C, 2); /* goes back */
	fake_dump_line(&dump, C + 4, 1, "a.js");
	fake_dump_line(&dump, C + 3, 2, "a.js");
	fake_dump_load(&dump, 3, C, 0x20, "back");
	fake_dump_debug(&dump, C + 0x100, 1); /* before its code */
	fake_dump_line(&dump, C + 0xff, 1, "a.js");
	fake_dump_load(&dump, 4, C + 0x100, 0x20, "before");
	fake_dump_debug(&dump, C + 0x200, 2); /* behind its code, also with an ELF head */
	fake_dump_line(&dump, C + 0x200, 1, "a.js");
	fake_dump_line(&dump, C + 0x200 + 0x60, 1, "a.js");
	fake_dump_load(&dump, 5, C + 0x200, 0x20, "behind");
	fake_dump_debug(&dump, C + 0x300, 1); /* of another */
	fake_dump_line(&dump, C + 0x300, 1, "a.js");
	fake_dump_load(&dump, 6, C + 0x400, 0x20, "other");
	fake_dump_load(&dump, 7, C + 0x300, 0x20, "too late");
	fake_dump_debug(&dump, C + 0x500, 1); /* the same as none */
	fake_dump_line(&dump, C + 0x500, 1, "\xff");
	fake_dump_load(&dump, 8, C + 0x500, 0x20, "same");
	fake_dump_debug(&dump, C + 0x600, 1); /* a name without an end */
	fake_dump_line(&dump, C + 0x600, 1, "a.js");
	dump.cnt--;
	fake_dump_end(&dump);
	fake_dump_load(&dump, 9, C + 0x600, 0x20, "endless");
	fake_dump_debug(&dump, C + 0x700, 0);
	fake_dump_load(&dump, 10, C + 0x700, 0x20, "none");
	fake_dump_debug(&dump, C + 0x800, 1ULL << 60);
	fake_dump_line(&dump, C + 0x800, 1, "a.js");
	fake_dump_load(&dump, 11, C + 0x800, 0x20, "very many");
	fake_dump_debug(&dump, C + 0x900, 1); /* the last of them is believed */
	fake_dump_line(&dump, C + 0x900, 5, "a.js");
	fake_dump_load(&dump, 12, C + 0x900, 0x20, "good");
	t = load(&dump);
	expect(t, A, "few");
	expect(t, B, "many");
	expect(t, C + 4, "back");
	expect(t, C + 0x100, "before");
	expect(t, C + 0x21f, "behind");
	expect(t, C + 0x300, "too late");
	expect(t, C + 0x400, "other");
	expect(t, C + 0x500, "same");
	expect(t, C + 0x600, "endless");
	expect(t, C + 0x700, "none");
	expect(t, C + 0x800, "very many");
	expect(t, C + 0x900, "good a.js:5");
}

TEST(lies_about_code)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;

	fake_dump(&dump);
	fake_dump_load(&dump, 1, 0, 0x10, "nowhere");
	fake_dump_load(&dump, 1, 1ULL << 56, 0x10, "the kernel's");
	fake_dump_load(&dump, 1, A, 0, "nothing");
	fake_dump_load(&dump, 1, A, (1ULL << 30) + 1, "everything");
	fake_dump_move(&dump, 1, A, A, 0);
	fake_dump_move(&dump, 1, 0, A, 8);
	fake_dump_begin(&dump, 0); /* too short */
	fake_dump_put(&dump, 1, 8);
	fake_dump_end(&dump);
	fake_dump_begin(&dump, 1);
	fake_dump_put(&dump, 1, 8);
	fake_dump_end(&dump);
	fake_dump_begin(&dump, 99);
	fake_dump_end(&dump);
	t = load_with(&dump, &limits, SYMTAB_UNNAMED);
	symtab_free(t);
	fake_dump_load(&dump, 1, B, 0x10, "one");
	fake_dump_move(&dump, 9, A, B + 4, 0);
	fake_dump_move(&dump, 9, 0, B + 4, 4);
	fake_dump_begin(&dump, 1); /* too short, and what is behind would do */
	fake_dump_put(&dump, 1, 8);
	fake_dump_end(&dump);
	fake_dump_begin(&dump, 99);
	fake_dump_put(&dump, B + 4, 8);
	fake_dump_put(&dump, 4, 8);
	fake_dump_put(&dump, 9, 8);
	fake_dump_end(&dump);
	t = load(&dump);
	expect(t, B, "one");
	expect(t, A, NULL);
}

/* What is behind the first record that cannot be, or is not whole, is not read. */
TEST(the_end)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	size_t whole;

	fake_dump(&dump);
	t = load_with(&dump, &limits, SYMTAB_UNNAMED);
	symtab_free(t);
	fake_dump_load(&dump, 1, A, 0x10, "one");
	whole = dump.cnt;
	fake_dump_load(&dump, 2, B, 0x10, "two");
	for (size_t cut = 1; cut < dump.cnt - whole; cut++) {
		struct fake_dump *d = &dump;

		d->cnt -= cut;
		t = load(d);
		expect(t, A, "one");
		expect(t, B, NULL);
		symtab_free(t);
		d->cnt += cut;
	}
	dump.cnt = whole;
	fake_dump_begin(&dump, 3); /* closed */
	fake_dump_end(&dump);
	fake_dump_load(&dump, 2, B, 0x10, "two");
	t = load(&dump);
	expect(t, B, NULL);
	symtab_free(t);
	dump.cnt = whole;
	fake_dump_begin(&dump, 99); /* of no size */
	fake_dump_load(&dump, 2, B, 0x10, "two");
	t = load(&dump);
	expect(t, B, NULL);
}

TEST(other_files)
{
	static const struct {
		size_t at;
		uint32_t v;
	} lies[] = {
		{ 0, 0x4454694a }, /* of the other byte order */
		{ 4, 2 },	   /* version */
		{ 8, 39 },	   /* size of the head */
		{ 12, 183 },	   /* machine */
	};

	for (size_t i = 0; i < ELEMENTSOF(lies); i++) {
		fake_dump(&dump);
		fake_dump_load(&dump, 1, A, 0x10, "one");
		memcpy(dump.v + lies[i].at, &lies[i].v, 4);
		CHECK(!load_with(&dump, &limits, SYMTAB_BAD));
	}
	fake_dump(&dump);
	dump.cnt = 39;
	CHECK(!load_with(&dump, &limits, SYMTAB_BAD));
	dump.cnt = 3;
	symtab_free(load_with(&dump, &limits, SYMTAB_UNNAMED)); /* a perf map without a line */
	fake_dump(&dump);
	dump.v[8] = 48; /* a longer head */
	fake_dump_put(&dump, 0, 8);
	fake_dump_load(&dump, 1, A, 0x10, "one");
	symtab_free(load(&dump));
}

TEST(too_large)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);
	struct symtab *t = NULL;

	fake_dump(&dump);
	CHECK(write(fd, dump.v, dump.cnt) == (ssize_t)dump.cnt);
	CHECK_EQ(symtab_load_jitdump(fd, JITDUMP_BYTES_MAX + 1, &limits, &t), SYMTAB_LIMIT);
	/* It says that it is larger than it is. */
	CHECK_EQ(symtab_load_jitdump(fd, JITDUMP_BYTES_MAX, &limits, &t), SYMTAB_UNNAMED);
	symtab_free(t);
	close(fd);
}

/* First lines go, then what came first. */
TEST(limits_hold)
{
	struct symtab_limits l = { .symbols = PERF_MAP_LINES_MAX, .bytes = 1 << 20 };

	fake_dump(&dump);
	for (uint64_t i = 0; i < 1000; i++) {
		fake_dump_debug(&dump, A + 64 * i, 2);
		fake_dump_line(&dump, A + 64 * i, 1, "a.js");
		fake_dump_line(&dump, A + 64 * i + 9, 2, "a.js");
		fake_dump_load(&dump, i, A + 64 * i, 1 + i % 60, "function");
	}
	for (; l.bytes > 256; l.bytes = l.bytes * 9 / 10) {
		_cleanup_(symtab_freep) struct symtab *t = load_with(&dump, &l, SYMTAB_OK);
		struct symtab_symbol s;
		bool has_lines;

		CHECK(symtab_bytes(t) <= l.bytes + 1024);
		CHECK(symtab_find(t, A + 64 * 999, &s));
		has_lines = s.file != NULL;
		CHECK_EQ(symtab_find(t, A, &s), !symtab_info(t)->cut);
		CHECK(!has_lines || !symtab_info(t)->cut);
		CHECK_EQ(has_lines, l.bytes > 85000);
		CHECK_EQ(symtab_info(t)->cut, l.bytes < 49000);
	}
	l = (struct symtab_limits){ .symbols = 10, .bytes = 1 << 20 };
	symtab_free(load_with(&dump, &l, SYMTAB_OK));
	l.symbols = 0;
	symtab_free(load_with(&dump, &l, SYMTAB_UNNAMED));
}

TEST(no_memory)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);
	long n;

	fake_dump(&dump);
	fake_dump_debug(&dump, A, 1);
	fake_dump_line(&dump, A + 4, 30, "a.js");
	fake_dump_load(&dump, 1, A, 0x100, "moves");
	fake_dump_move(&dump, 1, A, C, 0x100);
	fake_dump_load(&dump, 2, B, 0x100, "one");
	CHECK(write(fd, dump.v, dump.cnt) == (ssize_t)dump.cnt);
	for (n = 0;; n++) {
		struct symtab *t = NULL;
		int r;

		fail_at(n);
		r = symtab_load_jit(fd, dump.cnt, &limits, &t);
		if (r == 0) {
			expect(t, C + 4, "moves a.js:30");
			symtab_free(t);
		} else {
			CHECK_EQ(r, -ENOMEM);
			CHECK(!t);
		}
		if (fail_over())
			break;
	}
	CHECK(n > 6);
	close(fd);
}

CHECK_MAIN
