/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bytes of a section through a small buffer. Sections of 10 MB and more are read once, in order, with
 * jumps back to shared entries; 8 KiB serve both without a system call for each.
 */

#include "reader.h"

#include <string.h>

void reader_init(struct reader *r, const struct cfi_section *section)
{
	r->section = section;
	r->error = 0;
	r->buf_start = 0;
	r->buf_cnt = 0;
	reader_seek(r, 0, section->size);
}

void reader_seek(struct reader *r, uint64_t pos, uint64_t end)
{
	r->end = MIN(end, r->section->size);
	r->pos = MIN(pos, r->end);
	r->failed = r->error < 0 || pos > r->section->size;
}

static bool reader_fail(struct reader *r)
{
	r->failed = true;
	r->pos = r->end;
	return false;
}

static bool reader_fill(struct reader *r)
{
	size_t cnt = (size_t)MIN(r->section->size - r->pos, (uint64_t)READER_BUF_SZ);
	int error = r->section->read(r->section->ctx, r->pos, r->buf, cnt);

	if (error < 0) {
		r->error = error;
		r->buf_cnt = 0;
		return reader_fail(r);
	}
	r->buf_start = r->pos;
	r->buf_cnt = cnt;
	return true;
}

uint64_t reader_uint_far(struct reader *r, unsigned int sz)
{
	uint64_t v = 0;

	if (r->failed || sz > r->end - r->pos)
		(void)reader_fail(r);
	else if (reader_fill(r)) {
		memcpy(&v, r->buf, sz);
		r->pos += sz;
	}
	return v;
}

int64_t reader_sint(struct reader *r, unsigned int sz)
{
	unsigned int shift = 64 - 8 * sz;

	return (int64_t)(reader_uint(r, sz) << shift) >> shift;
}

/* Bits beyond 64 are dropped; an encoding of more than 10 bytes is none. */
static uint64_t reader_leb(struct reader *r, unsigned int *ret_bits, uint8_t *ret_last)
{
	unsigned int shift = 0;
	uint64_t v = 0;
	uint8_t byte;

	do {
		byte = reader_u8(r);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) && shift < 70);
	if (byte & 0x80)
		(void)reader_fail(r);
	*ret_bits = shift;
	*ret_last = byte;
	return v;
}

uint64_t reader_uleb(struct reader *r)
{
	unsigned int bits;
	uint8_t last;

	return reader_leb(r, &bits, &last);
}

int64_t reader_sleb(struct reader *r)
{
	unsigned int bits;
	uint8_t last;
	uint64_t v = reader_leb(r, &bits, &last);

	if (bits < 64 && (last & 0x40))
		v |= UINT64_MAX << bits;
	return (int64_t)v;
}

void reader_skip(struct reader *r, uint64_t cnt)
{
	if (cnt > r->end - r->pos)
		(void)reader_fail(r);
	else
		r->pos += cnt;
}
