/* SPDX-License-Identifier: Apache-2.0 */

/* cleanup: the smaller and the larger of two take each of them once. */

#include "check.h"
#include "cprof/base/cleanup.h"

TEST(min_and_max)
{
	CHECK_EQ(MIN(1, 2), 1);
	CHECK_EQ(MIN(2, 1), 1);
	CHECK_EQ(MAX(1, 2), 2);
	CHECK_EQ(MAX(2, 1), 2);
	CHECK_EQ(MIN(-1, 0), -1);
	CHECK_EQ(MAX(3, MIN(7, MAX(5, 4))), 5);
}

TEST(each_is_taken_once)
{
	int calls = 0;

	CHECK_EQ(MIN(++calls, 5), 1);
	CHECK_EQ(MIN(5, ++calls), 2);
	CHECK_EQ(MAX(++calls, 0), 3);
	CHECK_EQ(MAX(0, ++calls), 4);
	CHECK_EQ(MIN(MAX(++calls, 0), MAX(0, ++calls)), 5);
	CHECK_EQ(calls, 6);
}

/* As a comparison has them, and nothing is cut off on the way. */
TEST(types)
{
	const uint64_t large = UINT64_MAX - 1;
	const uint8_t small = 200;

	CHECK_EQ(MIN(large, UINT64_MAX), large);
	CHECK_EQ(MAX(small, large), large);
	CHECK_EQ(MIN(large, small), 200);
	CHECK_EQ(sizeof(MAX(small, small)), sizeof(int));
	CHECK_EQ(sizeof(MIN(1, large)), sizeof(uint64_t));
}

CHECK_MAIN
