/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * map — a hash index from a caller's key to a 32-bit value.
 *
 * The map keeps (hash, value) pairs only; the keys live where the caller has them, and the caller's
 * eq() says whether the key it looks for is the one behind a value. Open addressing, linear
 * probing, at most 3/4 full.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t hash;
	uint32_t value;
	uint32_t used;
};

struct map {
	struct map_slot *slots;
	size_t cnt;
	size_t cap; /* a power of two, or 0 */
};

#define MAP_INIT ((struct map){ 0 })

typedef bool (*map_eq_fn)(uint32_t value, const void *key, const void *ctx);

/* True and *ret_value when there is one with this hash for which eq() holds. */
bool map_find(const struct map *m, uint64_t hash, const void *key, map_eq_fn eq, const void *ctx,
	      uint32_t *ret_value);
/* Adds without looking for an equal one; 0 or -ENOMEM. */
int map_add(struct map *m, uint64_t hash, uint32_t value);
/* Makes room: the next @more map_add() cannot fail. 0 or -ENOMEM. */
int map_reserve(struct map *m, size_t more);
/* Takes out the pair; false when it is not there. Never fails for want of memory, never shrinks. */
bool map_remove(struct map *m, uint64_t hash, uint32_t value);
void map_done(struct map *m);

/* 64-bit hash of bytes; with a random @seed it cannot be flooded from outside. */
uint64_t hash_bytes(const void *p, size_t sz, uint64_t seed);
