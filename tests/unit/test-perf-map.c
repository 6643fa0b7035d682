/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Perf maps as compilers write them and as nobody should; what overlaps is held against a slow search.
 */

#include "cprof/symtab.h"

#include <sys/mman.h>
#include <time.h>

#include "check.h"
#include "cprof/base/rng.h"

static const struct symtab_limits limits = { .symbols = PERF_MAP_LINES_MAX, .bytes = 64 << 20 };

static struct symtab *load_some(const char *text, size_t sz, const struct symtab_limits *l,
				int outcome)
{
	int fd = memfd_create("map", MFD_CLOEXEC);
	struct symtab *t = NULL;

	CHECK(fd >= 0 && write(fd, text, sz) == (ssize_t)sz);
	CHECK_EQ(symtab_load_perf_map(fd, sz, l, &t), outcome);
	CHECK(t);
	close(fd);
	return t;
}

static struct symtab *load(const char *text)
{
	return load_some(text, strlen(text), &limits, SYMTAB_OK);
}

/* NULL expects no name there. */
static void expect(const struct symtab *t, uint64_t place, const char *name, uint64_t start)
{
	struct symtab_symbol s;

	if (!name) {
		CHECK(!symtab_find(t, place, &s));
		return;
	}
	CHECK(symtab_find(t, place, &s));
	CHECK_STR(s.name, name);
	CHECK_EQ(s.start, start);
	CHECK_EQ(s.module_len, 0);
}

TEST(entries_end_where_they_say)
{
	_cleanup_(symtab_freep) struct symtab *t =
		load("7f0000001000 10 one\n7f0000001010 8 two  with blanks (a.js:1)\n");

	expect(t, 0x7f0000000fff, NULL, 0);
	expect(t, 0x7f0000001000, "one", 0x7f0000001000);
	expect(t, 0x7f000000100f, "one", 0x7f0000001000);
	expect(t, 0x7f0000001010, "two  with blanks (a.js:1)", 0x7f0000001010);
	expect(t, 0x7f0000001017, "two  with blanks (a.js:1)", 0x7f0000001010);
	expect(t, 0x7f0000001018, NULL, 0);
	CHECK(!symtab_info(t)->cut);
}

TEST(addresses_lie_anywhere)
{
	_cleanup_(symtab_freep) struct symtab *t =
		load("7fffffffe000 1000 high\n10000 10 low\n555500000000 10 middle\n");

	expect(t, 0x10005, "low", 0x10000);
	expect(t, 0x555500000009, "middle", 0x555500000000);
	expect(t, 0x7fffffffefff, "high", 0x7fffffffe000);
}

TEST(forms_of_lines)
{
	_cleanup_(symtab_freep) struct symtab *t =
		load("0x1000 0x10 prefixed\r\n0X2000 0XA upper\n  3000\t8\ttabs\t \n4000 8 no_end");

	expect(t, 0x100f, "prefixed", 0x1000);
	expect(t, 0x2009, "upper", 0x2000);
	expect(t, 0x3000, "tabs", 0x3000);
	expect(t, 0x4007, "no_end", 0x4000);
}

TEST(junk_is_passed_over)
{
	_cleanup_(symtab_freep) struct symtab *t = load(
		"\n\n# comment\nzz 10 x\n1000\n1000 \n1000 10\n1000 10 \n1000 0 none\n-1 10 x\n"
		"ffffffffffffffff 10 kernel\n12345678901234567 10 long\n1000 fffffffff x\n"
		"0 10 null\n0x 10 x\n1000 10x y\n2000 10 good\n");

	for (uint64_t place = 0; place < 0x2000; place += 8)
		expect(t, place, NULL, 0);
	expect(t, 0x2000, "good", 0x2000);
	expect(t, UINT64_MAX, NULL, 0);
}

TEST(nothing_usable_is_unnamed)
{
	symtab_free(load_some("", 0, &limits, SYMTAB_UNNAMED));
	symtab_free(load_some("no line of it\n", 14, &limits, SYMTAB_UNNAMED));
	symtab_free(load_some("\0\0\0", 3, &limits, SYMTAB_UNNAMED));
}

TEST(the_later_line_wins_and_what_it_overlaps_is_gone)
{
	_cleanup_(symtab_freep) struct symtab *t =
		load("1000 100 old\n1080 10 inner\n1000 20 newest\n" /* one after the other */
		     "3000 10 same\n3000 10 again\n"
		     "5000 100 a\n50f0 100 b\n51e0 10 c\n"); /* a chain: only its end is alive */

	expect(t, 0x1000, "newest", 0x1000);
	expect(t, 0x1020, NULL, 0);
	expect(t, 0x1080, "inner", 0x1080);
	expect(t, 0x1090, NULL, 0);
	expect(t, 0x3005, "again", 0x3000);
	expect(t, 0x5000, NULL, 0);
	expect(t, 0x5100, NULL, 0);
	expect(t, 0x51e0, "c", 0x51e0);
}

TEST(overlaps_as_a_slow_search_says)
{
	enum { LINES = 300, SPACE = 4096 };
	struct rng rng = { .state = 5 };

	for (int round = 0; round < 30; round++) {
		uint64_t from[LINES], to[LINES];
		static char text[LINES * 32];
		size_t sz = 0;
		struct symtab *t;

		for (int i = 0; i < LINES; i++) {
			from[i] = 1 + rng_next(&rng) % SPACE;
			to[i] = from[i] + 1 + rng_next(&rng) % (1u << rng_next(&rng) % 10);
			sz += (size_t)snprintf(text + sz, sizeof(text) - sz,
					       "%" PRIx64 " %" PRIx64 " f%d\n", from[i],
					       to[i] - from[i], i);
		}
		t = load_some(text, sz, &limits, SYMTAB_OK);
		for (int i = 0; i < LINES; i++) {
			bool alive = true;
			char name[16];

			for (int k = i + 1; k < LINES; k++)
				alive = alive && (from[k] >= to[i] || to[k] <= from[i]);
			(void)snprintf(name, sizeof(name), "f%d", i);
			for (uint64_t place = from[i]; place < to[i]; place++) {
				struct symtab_symbol s;
				bool found = symtab_find(t, place, &s) && strcmp(s.name, name) == 0;

				CHECK_EQ(found, alive);
			}
		}
		symtab_free(t);
	}
}

TEST(a_line_that_is_being_written_is_not_believed)
{
	char text[4096];

	memset(text, 'x', sizeof(text));
	memcpy(text, "1000 10 whole\n2000 10 ha", 24);
	/* A file that ends at a block's border: the rest of its last line is still in a buffer. */
	struct symtab *t = load_some(text, sizeof(text), &limits, SYMTAB_OK);

	expect(t, 0x1000, "whole", 0x1000);
	expect(t, 0x2000, NULL, 0);
	symtab_free(t);
	t = load_some(text, sizeof(text) - 1, &limits, SYMTAB_OK);
	CHECK(t);
	symtab_free(t);
}

TEST(long_names_are_cut_and_lines_go_on)
{
	size_t sz = 300000;
	char *text = malloc(sz);
	struct symtab_symbol s;
	struct symtab *t;

	CHECK(text);
	memset(text, 'n', sz);
	memcpy(text, "1000 10 ", 8);
	memcpy(text + sz - 20, "\n2000 10 after_that\n", 20);
	t = load_some(text, sz, &limits, SYMTAB_OK);
	CHECK(symtab_find(t, 0x1000, &s));
	CHECK_EQ(strlen(s.name), SYMTAB_NAME_MAX);
	expect(t, 0x2000, "after_that", 0x2000);
	symtab_free(t);
	free(text);
}

TEST(limits_cut)
{
	struct symtab_limits few = { .symbols = 2, .bytes = 1 << 20 };
	struct symtab_limits small = { .symbols = 100, .bytes = 64 };
	const char *text = "1000 10 a\n2000 10 b\n3000 10 c\n4000 10 d\n";
	struct symtab *t = load_some(text, strlen(text), &few, SYMTAB_OK);

	expect(t, 0x2000, NULL, 0);
	expect(t, 0x3000, NULL, 0); /* half of the file began in the line break before it */
	expect(t, 0x4000, "d", 0x4000);
	CHECK(symtab_info(t)->cut);
	symtab_free(t);
	few.symbols = 3;
	text = "1000 10 old\n2000 10 b\n3000 10 c\n1008 10 new\n";
	t = load_some(text, strlen(text), &few, SYMTAB_OK);
	expect(t, 0x1000, NULL, 0); /* overlapped by a line beyond the limit */
	expect(t, 0x1008, "new", 0x1008);
	symtab_free(t);
	text = "1000 10 a\n2000 10 b\n3000 10 c\n4000 10 d\n";
	t = load_some(text, strlen(text), &small, SYMTAB_OK);
	CHECK(symtab_info(t)->cut);
	expect(t, 0x1000, NULL, 0);
	expect(t, 0x4000, "d", 0x4000);
	symtab_free(t);
}

/* 4 GiB without a block behind them, and ten million lines: neither takes long, nor much memory. */
TEST(giants_are_cut)
{
	int fd = memfd_create("giant", MFD_CLOEXEC);
	struct symtab *t = NULL;
	clock_t begun = clock();

	CHECK(fd >= 0 && ftruncate(fd, 4LL << 30) == 0);
	CHECK(pwrite(fd, "\n1000 10 last\n", 14, (4LL << 30) - 14) == 14);
	CHECK_EQ(symtab_load_perf_map(fd, 4ULL << 30, &limits, &t), SYMTAB_OK);
	CHECK(symtab_info(t)->cut);
	expect(t, 0x1000, "last", 0x1000);
	t = symtab_free(t);

	CHECK(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	FILE *f = fdopen(fd, "w");

	CHECK(f);
	for (unsigned int i = 0; i < 10000000; i++)
		fprintf(f, "%x 10 f\n", 0x10000000 + (i * 2654435761u) % 10000000 * 16);
	CHECK(fflush(f) == 0);
	begun = clock();
	CHECK_EQ(symtab_load_perf_map(fd, (uint64_t)ftell(f), &limits, &t), SYMTAB_OK);
	CHECK(clock() - begun < 5 * CLOCKS_PER_SEC);
	CHECK(symtab_info(t)->cut);
	CHECK(symtab_bytes(t) <= limits.bytes + 4096);
	symtab_free(t);
	fclose(f);
}

CHECK_MAIN
