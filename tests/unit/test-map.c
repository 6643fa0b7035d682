/* SPDX-License-Identifier: Apache-2.0 */

/* map: found and not found, growth, equal hashes, wrap-around; hash_bytes: spread, seeds, tails. */

#include "check.h"

#include <errno.h>

#include "cprof/base/map.h"

static bool eq_value(uint32_t value, const void *key, const void *ctx)
{
	const uint32_t *k = key;

	return value == *k;
}

static bool eq_never(uint32_t value, const void *key, const void *ctx)
{
	return false;
}

TEST(empty_finds_nothing)
{
	struct map m = MAP_INIT;
	uint32_t k = 1, v = 77;

	CHECK(!map_find(&m, 5, &k, eq_value, NULL, &v));
	CHECK_EQ(v, 77);
	map_done(&m);
}

TEST(many)
{
	struct map m = MAP_INIT;
	uint32_t v;

	for (uint32_t i = 0; i < 50000; i++)
		CHECK_EQ(map_add(&m, hash_bytes(&i, sizeof(i), 1), i), 0);
	CHECK_EQ(m.cnt, 50000);
	CHECK(m.cnt <= m.cap / 4 * 3);
	for (uint32_t i = 0; i < 60000; i++) {
		bool found = map_find(&m, hash_bytes(&i, sizeof(i), 1), &i, eq_value, NULL, &v);

		CHECK_EQ(found, i < 50000);
		if (found)
			CHECK_EQ(v, i);
	}
	map_done(&m);
	CHECK_EQ(m.cap, 0);
}

/* All in one chain, which begins in the last slot and wraps around. */
TEST(equal_hashes)
{
	struct map m = MAP_INIT;
	uint32_t v;

	for (uint32_t i = 0; i < 100; i++)
		CHECK_EQ(map_add(&m, UINT64_MAX, i), 0);
	for (uint32_t i = 0; i < 100; i++) {
		CHECK(map_find(&m, UINT64_MAX, &i, eq_value, NULL, &v));
		CHECK_EQ(v, i);
	}
	CHECK(!map_find(&m, UINT64_MAX, NULL, eq_never, NULL, &v));
	CHECK(!map_find(&m, UINT64_MAX - m.cap, NULL, eq_value, NULL, &v));
	map_done(&m);
}

/* Against a plain list, with hashes that crowd around the wrap so that chains join. */
TEST(removal)
{
	enum { CNT = 40 };
	struct map m = MAP_INIT;
	bool there[CNT] = { false };
	uint64_t state = 1;
	size_t cnt = 0;

	CHECK(!map_remove(&m, 1, 1));
	CHECK_EQ(map_reserve(&m, CNT), 0);
	for (int round = 0; round < 100000; round++) {
		uint32_t i, v;

		state = hash_bytes(&state, sizeof(state), 7);
		i = (uint32_t)(state % CNT);
		if (!there[i])
			CHECK_EQ(map_add(&m, (uint64_t)0 - 4 + i / 5, i), 0);
		else
			CHECK(map_remove(&m, (uint64_t)0 - 4 + i / 5, i));
		there[i] = !there[i];
		cnt += there[i] ? 1 : (size_t)-1;
		CHECK_EQ(m.cnt, cnt);
		for (uint32_t k = 0; k < CNT; k++) {
			CHECK_EQ(map_find(&m, (uint64_t)0 - 4 + k / 5, &k, eq_value, NULL, &v),
				 there[k]);
			if (!there[k])
				CHECK(!map_remove(&m, (uint64_t)0 - 4 + k / 5, k));
		}
	}
	map_done(&m);
}

TEST(reserve)
{
	struct map m = MAP_INIT;
	struct map_slot *slots;
	uint32_t k = 3, v;

	CHECK_EQ(map_add(&m, 3, 3), 0);
	CHECK_EQ(map_reserve(&m, 1000), 0);
	slots = m.slots;
	for (uint32_t i = 0; i < 1000; i++)
		CHECK_EQ(map_add(&m, i * 64, 1000 + i), 0);
	CHECK(m.slots == slots);
	CHECK(map_find(&m, 3, &k, eq_value, NULL, &v));
	CHECK_EQ(map_reserve(&m, SIZE_MAX), -ENOMEM);
	CHECK_EQ(map_reserve(&m, SIZE_MAX / 8), -ENOMEM);
	CHECK_EQ(m.cnt, 1001);
	map_done(&m);
}

/* Each flipped bit, at every length around the block sizes, changes about half of the hash. */
TEST(hash_avalanche)
{
	unsigned char b[80] = { 0 };

	for (size_t sz = 1; sz <= sizeof(b); sz++) {
		uint64_t base = hash_bytes(b, sz, 42);
		int flips = 0;

		for (size_t bit = 0; bit < sz * 8; bit++) {
			int n;

			b[bit / 8] ^= (unsigned char)(1u << (bit % 8));
			n = __builtin_popcountll(base ^ hash_bytes(b, sz, 42));
			b[bit / 8] ^= (unsigned char)(1u << (bit % 8));
			CHECK(n >= 8 && n <= 56);
			flips += n;
		}
		CHECK(flips / (int)(sz * 8) >= 26 && flips / (int)(sz * 8) <= 38);
	}
}

TEST(hash_length_counts)
{
	static const unsigned char zero[64];

	for (size_t a = 0; a <= sizeof(zero); a++)
		for (size_t b = 0; b < a; b++)
			CHECK(hash_bytes(zero, a, 7) != hash_bytes(zero, b, 7));
}

TEST(hash_seed_counts)
{
	static const char text[] = "a stack of some length, longer than one block";

	CHECK(hash_bytes(text, sizeof(text), 1) != hash_bytes(text, sizeof(text), 2));
	CHECK(hash_bytes(text, sizeof(text), 0) != hash_bytes(text, sizeof(text), UINT64_MAX));
	CHECK_EQ(hash_bytes(text, sizeof(text), 9), hash_bytes(text, sizeof(text), 9));
	CHECK(hash_bytes(NULL, 0, 1) != hash_bytes(NULL, 0, 2));
}

/* The low bits are the map's index: counters as keys must fill it evenly. */
TEST(hash_low_bits_spread)
{
	unsigned int buckets[256] = { 0 };

	for (uint64_t i = 0; i < 256 * 100; i++)
		buckets[hash_bytes(&i, sizeof(i), 3) & 255]++;
	for (int i = 0; i < 256; i++)
		CHECK(buckets[i] > 50 && buckets[i] < 170);
}

TEST(hash_reads_unaligned)
{
	unsigned char b[64], c[64];

	for (int i = 0; i < 64; i++)
		b[i] = (unsigned char)i;
	memcpy(c + 1, b, 50);
	CHECK_EQ(hash_bytes(b, 50, 1), hash_bytes(c + 1, 50, 1));
}

CHECK_MAIN
