/* SPDX-License-Identifier: Apache-2.0 */

/* vec: growth keeps contents, structs as elements, sizes that overflow are refused. */

#include "check.h"

#include <errno.h>

#include "cprof/base/vec.h"

struct pair {
	uint64_t a;
	uint32_t b;
};

TEST(push_many)
{
	VEC(struct pair) v = { 0 };

	for (uint32_t i = 0; i < 10000; i++)
		CHECK_EQ(vec_push(&v, (struct pair){ .a = i, .b = ~i }), 0);
	CHECK_EQ(v.cnt, 10000);
	CHECK(v.cap >= v.cnt);
	for (uint32_t i = 0; i < 10000; i++) {
		CHECK_EQ(v.v[i].a, i);
		CHECK_EQ(v.v[i].b, ~i);
	}
	vec_done(&v);
	CHECK(!v.v);
	CHECK_EQ(v.cnt, 0);
	CHECK_EQ(v.cap, 0);
}

TEST(reserve_does_not_count)
{
	VEC(int) v = { 0 };
	int *before;

	CHECK_EQ(vec_reserve(&v, 100), 0);
	CHECK_EQ(v.cnt, 0);
	CHECK(v.cap >= 100);
	before = v.v;
	for (int i = 0; i < 100; i++)
		CHECK_EQ(vec_push(&v, i), 0);
	CHECK(v.v == before);
	CHECK_EQ(vec_reserve(&v, 0), 0);
	vec_done(&v);
}

TEST(overflow_is_refused)
{
	VEC(uint64_t) v = { 0 };

	CHECK_EQ(vec_push(&v, 7), 0);
	CHECK_EQ(vec_reserve(&v, SIZE_MAX), -ENOMEM);
	CHECK_EQ(vec_reserve(&v, SIZE_MAX - 1), -ENOMEM);
	CHECK_EQ(vec_reserve(&v, SIZE_MAX / 8), -ENOMEM);
	CHECK_EQ(v.cnt, 1);
	CHECK_EQ(v.v[0], 7);
	vec_done(&v);
}

CHECK_MAIN
