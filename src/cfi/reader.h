/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reader — a cursor over a section that is read in pieces. Reading past @end, or what cannot be read,
 * makes the cursor fail: it then gives zeros, and the caller asks once, at the end of an entry.
 */

#include <string.h>

#include "cprof/cfi.h"

#define READER_BUF_SZ 8192

struct reader {
	const struct cfi_section *section;
	uint64_t pos;
	uint64_t end;
	bool failed;
	int error;	    /* -errno of the section's read() */
	uint64_t buf_start; /* of the section */
	size_t buf_cnt;
	uint8_t buf[READER_BUF_SZ];
};

void reader_init(struct reader *r, const struct cfi_section *section);
/* Goes to [pos, end) of the section; what was wrong before is forgotten, errors of reading are not. */
void reader_seek(struct reader *r, uint64_t pos, uint64_t end);

static inline bool reader_more(const struct reader *r)
{
	return !r->failed && r->pos < r->end;
}

/* What is not in the buffer, or not there at all. */
uint64_t reader_uint_far(struct reader *r, unsigned int sz);

/* @sz (1, 2, 4 or 8) bytes, little-endian. */
static inline uint64_t reader_uint(struct reader *r, unsigned int sz)
{
	uint64_t at = r->pos - r->buf_start, v = 0;

	if (r->failed || sz > r->end - r->pos || at > r->buf_cnt || sz > r->buf_cnt - at)
		return reader_uint_far(r, sz);
	memcpy(&v, r->buf + at, sz); /* x86-64 is little-endian, as its files are */
	r->pos += sz;
	return v;
}

int64_t reader_sint(struct reader *r, unsigned int sz);
uint64_t reader_uleb(struct reader *r);
int64_t reader_sleb(struct reader *r);
void reader_skip(struct reader *r, uint64_t cnt);

static inline uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_uint(r, 1);
}
