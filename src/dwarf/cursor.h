/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cursor — goes through a section in pieces. Reading past the end, or what cannot be read, makes it fail: it
 * then gives zeros and has no more, and the caller asks at the end of an entry what was wrong.
 */

#include <string.h>

#include "section.h"

struct cursor {
	const uint8_t *p;
	const uint8_t *limit; /* what is here of what may be read */
	uint64_t limit_pos;   /* in the section */
	uint64_t end;
	struct section *section;
	int error;
	uint64_t buf_start;
	size_t buf_cnt;
	size_t buf_cap;
	size_t piece; /* what was read at once last */
	uint8_t *buf; /* NULL: none yet */
};

/* With a buffer of @cap bytes, when it is needed: what is read at once at most. */
void cursor_init(struct cursor *c, size_t cap);
/* Without it until it is needed again. */
void cursor_rest(struct cursor *c);

/* Goes to [@pos, @end) of the section; what was wrong before is forgotten. */
void cursor_seek(struct cursor *c, struct section *s, uint64_t pos, uint64_t end);

static inline uint64_t cursor_pos(const struct cursor *c)
{
	return c->limit_pos - (uint64_t)(c->limit - c->p);
}

static inline bool cursor_more(const struct cursor *c)
{
	return c->p < c->limit || c->limit_pos < c->end;
}

/* It fails, for a reason of the caller's. */
void cursor_fail(struct cursor *c, int error);
void cursor_skip(struct cursor *c, uint64_t cnt);
/* Copies @sz bytes; zeros when it fails. */
void cursor_take(struct cursor *c, void *dst, size_t sz);
/* Up to and with the next NUL. */
void cursor_skip_text(struct cursor *c);
/* The same, copied up to @sz - 1 bytes and terminated; its length. */
size_t cursor_text(struct cursor *c, char *dst, size_t sz);

static inline uint8_t cursor_u8(struct cursor *c)
{
	uint8_t v;

	if (c->p < c->limit)
		return *c->p++;
	cursor_take(c, &v, 1);
	return v;
}

/* @sz at most 8 bytes, little-endian. */
static inline uint64_t cursor_uint(struct cursor *c, unsigned int sz)
{
	uint64_t v = 0;

	if (c->limit - c->p >= 8 && sz > 0) {
		memcpy(&v, c->p, sizeof(v));
		c->p += sz;
		return v << (64 - 8 * sz) >> (64 - 8 * sz);
	}
	cursor_take(c, &v, sz);
	return v;
}

/* Of more than ten bytes it is none. */
uint64_t cursor_uleb_long(struct cursor *c, uint8_t first);
int64_t cursor_sleb(struct cursor *c);

static inline uint64_t cursor_uleb(struct cursor *c)
{
	uint8_t first = cursor_u8(c);

	return first < 0x80 ? first : cursor_uleb_long(c, first);
}
