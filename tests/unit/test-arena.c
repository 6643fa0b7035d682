/* SPDX-License-Identifier: Apache-2.0 */

/* arena: alignment, zeroes, chunks of their own for large pieces, accounting, refusal of nonsense. */

#include "check.h"

#include "cprof/base/arena.h"

TEST(zeroed_and_aligned)
{
	struct arena a = ARENA_INIT;

	for (size_t sz = 0; sz < 300; sz++) {
		unsigned char *p = arena_alloc(&a, sz);

		CHECK(p);
		CHECK_EQ((uintptr_t)p % 8, 0);
		for (size_t i = 0; i < sz; i++)
			CHECK_EQ(p[i], 0);
		memset(p, 0xff, sz);
	}
	arena_done(&a);
	CHECK_EQ(a.bytes, 0);
	CHECK(!a.head);
}

TEST(pieces_do_not_overlap)
{
	struct arena a = ARENA_INIT;
	unsigned char *p[2000];

	for (size_t i = 0; i < 2000; i++) {
		p[i] = arena_alloc(&a, 1 + i % 777);
		CHECK(p[i]);
		memset(p[i], (int)(i % 251), 1 + i % 777);
	}
	for (size_t i = 0; i < 2000; i++)
		for (size_t j = 0; j < 1 + i % 777; j++)
			CHECK_EQ(p[i][j], i % 251);
	arena_done(&a);
}

TEST(empty_pieces_are_distinct)
{
	struct arena a = ARENA_INIT;
	void *p = arena_alloc(&a, 0), *q = arena_alloc(&a, 0);

	CHECK(p && q && p != q);
	arena_done(&a);
}

TEST(large_piece_does_not_waste_the_head)
{
	struct arena a = ARENA_INIT;
	char *p = arena_alloc(&a, 16), *big, *q;
	size_t bytes = a.bytes;

	big = arena_alloc(&a, 5 << 20);
	CHECK(big);
	CHECK(a.bytes >= bytes + (5 << 20));
	big[(5 << 20) - 1] = 1;
	q = arena_alloc(&a, 16);
	CHECK(q == p + 16);
	arena_done(&a);
}

TEST(large_piece_first)
{
	struct arena a = ARENA_INIT;
	char *p = arena_alloc(&a, 3 << 20);

	CHECK(p);
	memset(p, 1, 3 << 20);
	p = arena_alloc(&a, 8);
	CHECK(p);
	CHECK_EQ(*p, 0);
	arena_done(&a);
}

TEST(absurd_size_is_refused)
{
	struct arena a = ARENA_INIT;

	CHECK(!arena_alloc(&a, SIZE_MAX));
	CHECK(!arena_alloc(&a, SIZE_MAX - 7));
	CHECK(!arena_alloc(&a, (size_t)PTRDIFF_MAX));
	CHECK(!arena_strndup(&a, "x", SIZE_MAX));
	CHECK(arena_alloc(&a, 8));
	arena_done(&a);
}

TEST(copies)
{
	struct arena a = ARENA_INIT;
	char *s = arena_strndup(&a, "hello world", 5);

	CHECK_STR(s, "hello");
	CHECK_STR(arena_strndup(&a, NULL, 0), "");
	s = arena_dup(&a, "ab\0cd", 5);
	CHECK(s && memcmp(s, "ab\0cd", 5) == 0);
	CHECK(arena_dup(&a, NULL, 0));
	arena_done(&a);
}

CHECK_MAIN
