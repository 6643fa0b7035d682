/* SPDX-License-Identifier: Apache-2.0 */

/* str: what str_clean() lets through and replaces, cuts, file names; strtab: ids, equality, growth. */

#include "check.h"
#include "fail.h"

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"

#define FFFD "\xef\xbf\xbd"

struct clean_case {
	const char *what, *in, *out;
};

static const struct clean_case clean_cases[] = {
	{ "plain", "nginx: worker", "nginx: worker" },
	{ "empty", "", "" },
	{ "two bytes", "\xc3\xa9", "\xc3\xa9" },
	{ "three bytes", "\xe2\x82\xac", "\xe2\x82\xac" },
	{ "four bytes", "\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7" },
	{ "smallest of two", "\xc2\xa0", "\xc2\xa0" },
	{ "smallest of three", "\xe0\xa0\x80", "\xe0\xa0\x80" },
	{ "smallest of four", "\xf0\x90\x80\x80", "\xf0\x90\x80\x80" },
	{ "largest", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
	{ "below surrogates", "\xed\x9f\xbf", "\xed\x9f\xbf" },
	{ "above surrogates", "\xee\x80\x80", "\xee\x80\x80" },
	{ "U+FFFD itself", FFFD, FFFD },
	{ "newline", "a\nb", "a" FFFD "b" },
	{ "escape", "\x1b[31m", FFFD "[31m" },
	{ "DEL", "\x7f", FFFD },
	{ "C1", "\xc2\x80\xc2\x9f", FFFD FFFD },
	{ "overlong slash, 2", "\xc0\xaf", FFFD FFFD },
	{ "overlong slash, 3", "\xe0\x80\xaf", FFFD FFFD FFFD },
	{ "overlong slash, 4", "\xf0\x80\x80\xaf", FFFD FFFD FFFD FFFD },
	{ "overlong 7f", "\xc1\xbf", FFFD FFFD },
	{ "first surrogate", "\xed\xa0\x80", FFFD FFFD FFFD },
	{ "last surrogate", "\xed\xbf\xbf", FFFD FFFD FFFD },
	{ "above U+10FFFF", "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD },
	{ "lead f5", "\xf5\x80\x80\x80", FFFD FFFD FFFD FFFD },
	{ "ff", "\xff", FFFD },
	{ "lone continuation", "a\x80z", "a" FFFD "z" },
	{ "cut character of three", "a\xe2\x82", "a" FFFD },
	{ "cut character of four", "a\xf0\x9f\x90", "a" FFFD },
	{ "lead, then text", "\xe2xy", FFFD "xy" },
	{ "lead, then lead", "\xe2\xe2\x82\xac", FFFD "\xe2\x82\xac" },
	{ "right to left override",
	  "a\xe2\x80\xae"
	  "b",
	  "a" FFFD "b" },
	{ "embedding", "\xe2\x80\xaa", FFFD },
	{ "isolate", "\xe2\x81\xa6", FFFD },
	{ "end of isolate", "\xe2\x81\xa9", FFFD },
	{ "just before, just after", "\xe2\x80\xa9\xe2\x80\xaf", "\xe2\x80\xa9\xe2\x80\xaf" },
};

TEST(clean_table)
{
	for (size_t i = 0; i < sizeof(clean_cases) / sizeof(clean_cases[0]); i++) {
		const struct clean_case *c = &clean_cases[i];
		bool changed = false;
		char out[64];
		size_t len;

		len = str_clean(out, sizeof(out), c->in, strlen(c->in), &changed);
		if (strcmp(out, c->out) != 0)
			CHECK_FAIL("%s: \"%s\" is not \"%s\"", c->what, out, c->out);
		CHECK_EQ(len, strlen(c->out));
		CHECK_EQ(changed, strcmp(c->in, c->out) != 0);
	}
}

TEST(clean_stops_at_nul_and_length)
{
	bool changed = true;
	char out[64];

	CHECK_EQ(str_clean(out, sizeof(out), "ab\0cd", 5, &changed), 2);
	CHECK_STR(out, "ab");
	CHECK(!changed);
	CHECK_EQ(str_clean(out, sizeof(out), "abcd", 3, NULL), 3);
	CHECK_STR(out, "abc");
	CHECK_EQ(str_clean(out, sizeof(out), NULL, 0, NULL), 0);
	CHECK_STR(out, "");
	/* The character goes on behind the length given. */
	CHECK_EQ(str_clean(out, sizeof(out), "\xe2\x82\xac", 2, &changed), 3);
	CHECK_STR(out, FFFD);
	CHECK(changed);
}

TEST(clean_cuts_between_characters)
{
	bool changed;
	char out[8];

	for (size_t sz = 1; sz <= sizeof(out); sz++) {
		memset(out, 'X', sizeof(out));
		CHECK_EQ(str_clean(out, sz, "\xe2\x82\xac\xe2\x82\xac", 6, &changed),
			 (sz - 1) / 3 * 3);
		CHECK_EQ(changed, sz < 7);
		CHECK_EQ(strlen(out), (sz - 1) / 3 * 3);
	}
	/* No half of a replacement either. */
	CHECK_EQ(str_clean(out, 4, "a\xff", 2, &changed), 1);
	CHECK_STR(out, "a");
}

/* Whatever goes in, what comes out passes unchanged: 64 bytes of all values, shifted. */
TEST(clean_is_idempotent)
{
	char in[64], once[200], twice[200];
	bool changed;

	for (unsigned int k = 0; k < 20000; k++) {
		uint32_t x = k * 2654435761u;

		for (size_t i = 0; i < sizeof(in); i++) {
			x = x * 1664525u + 1013904223u;
			in[i] = (char)((x >> 24) | (k % 3 ? 0x80 : 0x01));
		}
		str_clean(once, sizeof(once), in, sizeof(in), NULL);
		str_clean(twice, sizeof(twice), once, strlen(once), &changed);
		CHECK_STR(twice, once);
		CHECK(!changed);
	}
}

TEST(file_name)
{
	static const char *const cases[][2] = {
		{ "nginx", "nginx" },
		{ "", "_" },
		{ ".", "_" },
		{ "..", "_." },
		{ ".bashrc", "_bashrc" },
		{ "../../etc/passwd", "_._.._etc_passwd" },
		{ "kworker/0:1", "kworker_0_1" },
		{ "-rf", "_rf" },
		{ "a b\tc", "a_b_c" },
		{ "\xc3\xa9", "__" },
		{ "A-Z_0.9", "A-Z_0.9" },
	};
	char out[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_EQ(str_file_name(out, sizeof(out), cases[i][0]), strlen(cases[i][1]));
		CHECK_STR(out, cases[i][1]);
	}
	CHECK_EQ(str_file_name(out, 4, "abcdef"), 3);
	CHECK_STR(out, "abc");
}

TEST(strtab_ids)
{
	struct strtab t;
	uint32_t a, b, c, d;

	CHECK_EQ(strtab_init(&t, 5), 0);
	CHECK_STR(strtab_get(&t, 0), "");
	CHECK_EQ(strtab_add(&t, "main", 4, &a), 0);
	CHECK_EQ(strtab_add(&t, "mainly", 6, &b), 0);
	CHECK_EQ(strtab_add(&t, "mainly", 4, &c), 0);
	CHECK_EQ(strtab_add(&t, "", 0, &d), 0);
	CHECK_EQ(a, 1);
	CHECK_EQ(b, 2);
	CHECK_EQ(c, a);
	CHECK_EQ(d, 0);
	CHECK_STR(strtab_get(&t, a), "main");
	strtab_done(&t);
}

TEST(strtab_grows)
{
	const char *first = NULL;
	struct strtab t;
	char s[32];
	uint32_t id;

	CHECK_EQ(strtab_init(&t, 5), 0);
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 20000; i++) {
			int len = snprintf(s, sizeof(s), "function_%u", i);

			CHECK_EQ(strtab_add(&t, s, (size_t)len, &id), 0);
			CHECK_EQ(id, i + 1);
			CHECK_STR(strtab_get(&t, id), s);
			if (round == 0 && i == 0)
				first = strtab_get(&t, id);
		}
	CHECK_EQ(t.cnt, 20001);
	CHECK(strtab_get(&t, 1) == first);
	strtab_done(&t);
	CHECK_EQ(t.cnt, 0);
}

TEST(strtab_no_memory)
{
	struct strtab t;
	uint32_t failed = 0;

	for (long n = 0;; n++) {
		int r;

		fail_at(n);
		r = strtab_init(&t, 5);
		if (fail_over()) {
			CHECK_EQ(r, 0);
			break;
		}
		CHECK_EQ(r, -ENOMEM);
	}
	for (uint32_t i = 1; i < 3000; i++) {
		char s[32];
		uint32_t id = 0;
		size_t len = (size_t)snprintf(s, sizeof(s), "a_long_function_%u", i);

		for (long n = 0;; n++) {
			int r;

			fail_at(n);
			r = strtab_add(&t, s, len, &id);
			if (fail_over()) {
				CHECK_EQ(r, 0);
				break;
			}
			CHECK_EQ(r, -ENOMEM);
			CHECK_EQ(id, 0);
			CHECK_EQ(t.cnt, i);
			failed++;
		}
		CHECK_EQ(id, i);
		CHECK_STR(strtab_get(&t, id), s);
	}
	CHECK(failed > 10);
	strtab_done(&t);
}

TEST(numbers)
{
	static const char *const bad[] = { "",
					   "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "01",
					   "00",
					   "0x1",
					   "1.",
					   "18446744073709551616",
					   "184467440737095516150" };
	uint64_t v = 7;

	for (size_t i = 0; i < ELEMENTSOF(bad); i++)
		CHECK(!str_parse_number(bad[i], strlen(bad[i]), &v));
	CHECK_EQ(v, 7);
	CHECK(str_parse_number("0", 1, &v) && v == 0);
	CHECK(str_parse_number("123456", 3, &v) && v == 123);
	CHECK(str_parse_number("18446744073709551615", 20, &v) && v == UINT64_MAX);
}

TEST(nearness)
{
	static const struct {
		const char *word, *name;
		size_t expected;
	} cases[] = {
		{ "record", "record", 0 },
		{ "RECORD", "record", 0 },
		{ "recrod", "record", 2 },
		{ "recor", "record", 1 },
		{ "records", "record", 1 },
		{ "node", "nodecount", 2 },	  /* its beginning */
		{ "nod", "nodecount", SIZE_MAX }, /* too short for one */
		{ "ls", "ps", 1 },
		{ "xy", "ps", SIZE_MAX }, /* all of it is wrong */
		{ "", "ps", SIZE_MAX },
		{ "rcdord", "record", 2 },
		{ "abcdef", "record", SIZE_MAX },
		{ "0123456789012345678901234567890123456789", "record", SIZE_MAX },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		CHECK_EQ(str_nearness(cases[i].word, cases[i].name), cases[i].expected);
}

CHECK_MAIN
