/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A list of chunks, the newest first, filled from the front. Chunks double from 16 KiB to 1 MiB: a
 * quiet window stays small, a busy one asks the system rarely. What does not fit into such a chunk
 * gets one of its own, linked behind the head, so that the room left in the head is not wasted.
 * Memory comes from calloc(), which hands out large chunks as untouched zero pages; nothing is used
 * twice, so nothing has to be cleared.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/arena.h"
#include "cprof/base/cleanup.h"

#define ARENA_ALIGN 8
#define ARENA_CHUNK_MIN ((size_t)16 << 10)
#define ARENA_CHUNK_MAX ((size_t)1 << 20)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used;
	size_t cap;
	_Alignas(ARENA_ALIGN) unsigned char bytes[];
};

static struct arena_chunk *chunk_new(struct arena *a, size_t cap)
{
	struct arena_chunk *c;

	c = calloc(1, sizeof(*c) + cap);
	if (!c)
		return NULL;
	c->cap = cap;
	a->bytes += sizeof(*c) + cap;
	return c;
}

/* A chunk with room for @sz, linked in. */
static struct arena_chunk *arena_more(struct arena *a, size_t sz)
{
	size_t cap = a->head ? MIN(a->head->cap * 2, ARENA_CHUNK_MAX) : ARENA_CHUNK_MIN;
	struct arena_chunk *c;

	/* An own chunk; but never the head, whose size the next one is derived from. */
	if (sz > cap / 2 && a->head) {
		c = chunk_new(a, sz);
		if (!c)
			return NULL;
		c->next = a->head->next;
		a->head->next = c;
		return c;
	}
	c = chunk_new(a, MAX(cap, sz));
	if (!c)
		return NULL;
	c->next = a->head;
	a->head = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t sz)
{
	struct arena_chunk *c = a->head;
	void *p;

	if (sz > PTRDIFF_MAX - sizeof(*c) - ARENA_ALIGN)
		return NULL;
	/* Nothing is an allocation too: every pointer is one of its own. */
	sz = (MAX(sz, (size_t)1) + ARENA_ALIGN - 1) & ~((size_t)ARENA_ALIGN - 1);
	if (!c || sz > c->cap - c->used) {
		c = arena_more(a, sz);
		if (!c)
			return NULL;
	}
	p = c->bytes + c->used;
	c->used += sz;
	return p;
}

void *arena_dup(struct arena *a, const void *src, size_t sz)
{
	void *p;

	p = arena_alloc(a, sz);
	if (p && sz > 0)
		memcpy(p, src, sz);
	return p;
}

char *arena_strndup(struct arena *a, const char *src, size_t len)
{
	char *s;

	if (len == SIZE_MAX)
		return NULL;
	s = arena_alloc(a, len + 1);
	if (s && len > 0)
		memcpy(s, src, len);
	return s;
}

void arena_done(struct arena *a)
{
	while (a->head) {
		struct arena_chunk *c = a->head;

		a->head = c->next;
		free(c);
	}
	*a = ARENA_INIT;
}
