/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * arena — memory that is given back all at once.
 *
 * A window owns everything of its interval in one arena. Allocation is zeroed and aligned to 8
 * bytes; nothing is freed singly. Not thread safe. All functions that allocate return NULL when
 * memory is short; the arena stays usable.
 */

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *head;
	size_t bytes; /* reserved from the system */
};

#define ARENA_INIT ((struct arena){ 0 })

void *arena_alloc(struct arena *a, size_t sz);
void *arena_dup(struct arena *a, const void *src, size_t sz);
char *arena_strndup(struct arena *a, const char *src, size_t len);
void arena_done(struct arena *a);
