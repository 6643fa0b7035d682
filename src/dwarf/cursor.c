/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What lies within one piece is read inline (cursor.h), since a tree has millions of bytes that mean nothing to
 * us; here is what goes on in the next piece. A jump within the piece reads nothing.
 */

#include "cursor.h"

#define LEB_BYTES_MAX 10
#define PIECE_FIRST ((size_t)4 << 10)
#define GROWTH 4

void cursor_init(struct cursor *c, size_t cap)
{
	*c = (struct cursor){ .buf_cap = cap };
}

void cursor_rest(struct cursor *c)
{
	free(c->buf);
	cursor_init(c, c->buf_cap);
}

/* Stands at @pos, of which nothing is here. */
static void stand(struct cursor *c, uint64_t pos)
{
	c->p = c->limit = c->buf;
	c->limit_pos = pos;
}

void cursor_seek(struct cursor *c, struct section *s, uint64_t pos, uint64_t end)
{
	if (c->section != s) {
		c->section = s;
		c->buf_cnt = 0;
	}
	c->error = 0;
	c->end = MIN(end, s->size);
	if (pos > c->end) {
		cursor_fail(c, -EBADMSG);
		return;
	}
	if (pos < c->buf_start || pos - c->buf_start >= c->buf_cnt) {
		stand(c, pos);
		return;
	}
	c->limit_pos = MIN(c->end, c->buf_start + c->buf_cnt);
	c->limit = c->buf + (c->limit_pos - c->buf_start);
	c->p = c->buf + (pos - c->buf_start);
}

void cursor_fail(struct cursor *c, int error)
{
	if (c->error == 0)
		c->error = error;
	stand(c, c->end);
}

/* Who jumps to and fro needs little of each place; who goes on needs more of it. */
static size_t next_piece(const struct cursor *c, uint64_t pos)
{
	if (c->buf_cnt > 0 && pos == c->buf_start + c->buf_cnt)
		return MIN(GROWTH * c->piece, c->buf_cap);
	return MIN(PIECE_FIRST, c->buf_cap);
}

/* There is nothing left here: the next piece, of which at least a byte is here then. */
static bool fill(struct cursor *c)
{
	uint64_t pos = c->limit_pos;
	size_t cnt;
	int r;

	if (pos >= c->end) {
		cursor_fail(c, -EBADMSG);
		return false;
	}
	c->buf = c->buf ? c->buf : malloc(c->buf_cap);
	if (!c->buf) {
		cursor_fail(c, -ENOMEM);
		return false;
	}
	c->piece = next_piece(c, pos);
	/* Also what lies behind the end: the next unit's head. */
	cnt = (size_t)MIN(c->section->size - pos, (uint64_t)c->piece);
	c->buf_cnt = 0;
	r = section_read(c->section, pos, c->buf, cnt);
	if (r < 0) {
		cursor_fail(c, r);
		return false;
	}
	c->buf_start = pos;
	c->buf_cnt = cnt;
	c->limit_pos = MIN(c->end, pos + cnt);
	c->limit = c->buf + (c->limit_pos - pos);
	c->p = c->buf;
	return true;
}

void cursor_take(struct cursor *c, void *dst, size_t sz)
{
	size_t done = 0;

	while (done < sz) {
		size_t n;

		if (c->p == c->limit && !fill(c)) {
			memset(dst, 0, sz);
			return;
		}
		n = MIN(sz - done, (size_t)(c->limit - c->p));
		memcpy((char *)dst + done, c->p, n);
		c->p += n;
		done += n;
	}
}

void cursor_skip(struct cursor *c, uint64_t cnt)
{
	uint64_t pos = cursor_pos(c);

	if (cnt <= (uint64_t)(c->limit - c->p))
		c->p += cnt;
	else if (cnt > c->end - pos)
		cursor_fail(c, -EBADMSG);
	else
		stand(c, pos + cnt);
}

void cursor_skip_text(struct cursor *c)
{
	while (c->p < c->limit || fill(c)) {
		const uint8_t *nul = memchr(c->p, 0, (size_t)(c->limit - c->p));

		c->p = nul ? nul + 1 : c->limit;
		if (nul)
			return;
	}
}

size_t cursor_text(struct cursor *c, char *dst, size_t sz)
{
	size_t len = 0;

	while (c->p < c->limit || fill(c)) {
		size_t here = (size_t)(c->limit - c->p);
		const uint8_t *nul = memchr(c->p, 0, here);
		size_t n = nul ? (size_t)(nul - c->p) : here, copied = MIN(n, sz - 1 - len);

		memcpy(dst + len, c->p, copied);
		len += copied;
		c->p += nul ? n + 1 : n;
		if (nul)
			break;
	}
	dst[len] = '\0';
	return len;
}

uint64_t cursor_uleb_long(struct cursor *c, uint8_t first)
{
	uint64_t v = first & 0x7f;
	uint8_t byte = first;

	for (unsigned int i = 1; (byte & 0x80) && i < LEB_BYTES_MAX; i++) {
		byte = cursor_u8(c);
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
	}
	if (byte & 0x80)
		cursor_fail(c, -EBADMSG);
	return v;
}

int64_t cursor_sleb(struct cursor *c)
{
	unsigned int shift = 0;
	uint64_t v = 0;
	uint8_t byte;

	do {
		byte = cursor_u8(c);
		v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) && shift < 7 * LEB_BYTES_MAX);
	if (byte & 0x80)
		cursor_fail(c, -EBADMSG);
	if (shift < 64 && (byte & 0x40))
		v |= UINT64_MAX << shift;
	return (int64_t)v;
}
