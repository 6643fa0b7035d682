/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Linear probing over 16-byte slots. The whole hash is kept, so a foreign key is nearly always told
 * apart without touching the caller's memory, and growing never asks for keys.
 *
 * hash_bytes() folds 128-bit products, as in wyhash by Wang Yi (public domain), 16 bytes a step. It
 * differs in one point: both factors are mixed with words derived from the secret seed. In wyhash
 * one factor meets a constant, so input equal to that constant makes the product 0 whatever the
 * seed is: collisions that can be made from outside.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/map.h"

#define MAP_CAP_MIN 16

bool map_find(const struct map *m, uint64_t hash, const void *key, map_eq_fn eq, const void *ctx,
	      uint32_t *ret_value)
{
	if (m->cap == 0)
		return false;
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		const struct map_slot *s = &m->slots[i];

		if (!s->used)
			return false;
		if (s->hash == hash && eq(s->value, key, ctx)) {
			*ret_value = s->value;
			return true;
		}
	}
}

/* There must be room. */
static void insert(struct map_slot *slots, size_t cap, uint64_t hash, uint32_t value)
{
	size_t i = hash & (cap - 1);

	while (slots[i].used)
		i = (i + 1) & (cap - 1);
	slots[i] = (struct map_slot){ .hash = hash, .value = value, .used = 1 };
}

int map_reserve(struct map *m, size_t more)
{
	size_t need, cap = m->cap > 0 ? m->cap : MAP_CAP_MIN;
	struct map_slot *slots;

	if (__builtin_add_overflow(m->cnt, more, &need) || need > PTRDIFF_MAX / sizeof(*slots) / 4)
		return -ENOMEM;
	while (need > cap / 4 * 3)
		cap *= 2;
	if (cap == m->cap)
		return 0;

	slots = calloc(cap, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].used)
			insert(slots, cap, m->slots[i].hash, m->slots[i].value);
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	return 0;
}

int map_add(struct map *m, uint64_t hash, uint32_t value)
{
	int r;

	r = map_reserve(m, 1);
	if (r < 0)
		return r;
	insert(m->slots, m->cap, hash, value);
	m->cnt++;
	return 0;
}

/* Closes the hole at @i: a later slot whose chain begins at or before the hole moves into it. */
static void close_hole(struct map *m, size_t i)
{
	const size_t mask = m->cap - 1;

	for (size_t j = (i + 1) & mask; m->slots[j].used; j = (j + 1) & mask) {
		size_t home = m->slots[j].hash & mask;

		if (((j - home) & mask) < ((j - i) & mask))
			continue; /* it would stand before its home */
		m->slots[i] = m->slots[j];
		i = j;
	}
	m->slots[i].used = 0;
}

bool map_remove(struct map *m, uint64_t hash, uint32_t value)
{
	if (m->cap == 0)
		return false;
	for (size_t i = hash & (m->cap - 1); m->slots[i].used; i = (i + 1) & (m->cap - 1)) {
		if (m->slots[i].hash != hash || m->slots[i].value != value)
			continue;
		close_hole(m, i);
		m->cnt--;
		return true;
	}
	return false;
}

void map_done(struct map *m)
{
	free(m->slots);
	*m = MAP_INIT;
}

static uint64_t fold_product(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t load_word(const unsigned char *p, size_t sz)
{
	uint64_t w = 0;

	memcpy(&w, p, sz);
	return w;
}

uint64_t hash_bytes(const void *p, size_t sz, uint64_t seed)
{
	const unsigned char *b = p;
	size_t left = sz;
	uint64_t k, h;

	/* Two secret words; the odd constants are those of splitmix64 and of the golden ratio. */
	k = fold_product(seed ^ 0xbf58476d1ce4e5b9ULL, 0x9e3779b97f4a7c15ULL) ^ seed;
	h = fold_product(seed ^ 0x94d049bb133111ebULL, 0xd6e8feb86659fd93ULL) ^ sz;
	for (; left >= 16; left -= 16, b += 16)
		h = fold_product(load_word(b, 8) ^ k, load_word(b + 8, 8) ^ h);
	if (left >= 8) {
		h = fold_product(load_word(b, 8) ^ k, load_word(b + 8, left - 8) ^ h);
	} else if (left > 0) {
		h = fold_product(load_word(b, left) ^ k, h ^ 0x9e3779b97f4a7c15ULL);
	}
	return fold_product(h ^ k, 0x9e3779b97f4a7c15ULL) ^ h;
}
