/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * check — the smallest test frame that says what went wrong. A test program is
 *
 *	TEST(name) { CHECK_EQ(1 + 1, 2); }
 *	CHECK_MAIN
 *
 * TEST() registers itself. A failed check prints place and values and ends the program with 1;
 * check_skip() ends it with 77, which meson shows as SKIP, and prints the reason.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_TESTS_MAX 128

struct check_test {
	const char *name;
	void (*fn)(void);
};

__attribute__((unused)) static struct check_test check_tests[CHECK_TESTS_MAX];
__attribute__((unused)) static int check_tests_cnt;

#define TEST(test)                                                               \
	static void test_##test(void);                                           \
	__attribute__((constructor)) static void check_register_##test(void)     \
	{                                                                        \
		if (check_tests_cnt == CHECK_TESTS_MAX)                          \
			abort();                                                 \
		check_tests[check_tests_cnt++] =                                 \
			(struct check_test){ .name = #test, .fn = test_##test }; \
	}                                                                        \
	static void test_##test(void)

#define CHECK_FAIL(...)                                                 \
	do {                                                            \
		fprintf(stderr, "%s:%d: failed: ", __FILE__, __LINE__); \
		fprintf(stderr, __VA_ARGS__);                           \
		fputc('\n', stderr);                                    \
		exit(1);                                                \
	} while (0)

#define CHECK(cond)                              \
	do {                                     \
		if (!(cond))                     \
			CHECK_FAIL("%s", #cond); \
	} while (0)

#define CHECK_EQ(a, b)                                                                         \
	do {                                                                                   \
		long long _a = (long long)(a), _b = (long long)(b);                            \
		if (_a != _b)                                                                  \
			CHECK_FAIL("%s == %s: %lld (0x%llx) is not %lld (0x%llx)", #a, #b, _a, \
				   (unsigned long long)_a, _b, (unsigned long long)_b);        \
	} while (0)

#define CHECK_STR(a, b)                                                                          \
	do {                                                                                     \
		const char *_a = (a), *_b = (b);                                                 \
		if (!_a || !_b || strcmp(_a, _b) != 0)                                           \
			CHECK_FAIL("%s == %s: \"%s\" is not \"%s\"", #a, #b, _a ? _a : "(null)", \
				   _b ? _b : "(null)");                                          \
	} while (0)

__attribute__((unused, noreturn)) static void check_skip(const char *why)
{
	fprintf(stderr, "SKIP: %s\n", why);
	exit(77);
}

#define CHECK_MAIN                                                    \
	int main(void)                                                \
	{                                                             \
		for (int i = 0; i < check_tests_cnt; i++) {           \
			fprintf(stderr, "%s\n", check_tests[i].name); \
			check_tests[i].fn();                          \
		}                                                     \
		return check_tests_cnt > 0 ? 0 : 1;                   \
	}
