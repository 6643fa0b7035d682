/* SPDX-License-Identifier: Apache-2.0 */

/*
 * net/http/pprof answers for an idle process with a profile without samples, and so do we: a scraper
 * wants a file each time, and "nothing" is an answer. It is the message of docs/formats/profile.md with
 * types, period and times alone, in a gzip file (RFC 1952) of one stored block (RFC 1951, 3.2.4), which
 * needs no library: this program reads and compresses no profiles.
 */

#include "empty.h"

#include <assert.h>
#include <string.h>

#include "cprof/base/clock.h"

struct bytes {
	unsigned char *at;
	size_t sz;
};

static void put(struct bytes *b, uint64_t v, size_t sz)
{
	for (size_t i = 0; i < sz; i++)
		b->at[b->sz++] = (unsigned char)(v >> 8 * i);
}

static void put_varint(struct bytes *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		put(b, v | 0x80, 1);
	put(b, v, 1);
}

static void put_number(struct bytes *b, unsigned int field, uint64_t v)
{
	put_varint(b, field << 3);
	put_varint(b, v);
}

static void put_text(struct bytes *b, unsigned int field, const char *s)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, strlen(s));
	memcpy(b->at + b->sz, s, strlen(s));
	b->sz += strlen(s);
}

/* ValueType { type = 1, unit = 2 }, both below 128. */
static void put_type(struct bytes *b, unsigned int field, unsigned int type, unsigned int unit)
{
	const char text[] = { 1 << 3, (char)type, 2 << 3, (char)unit, '\0' };

	put_text(b, field, text);
}

static size_t put_profile(unsigned char *dst, uint64_t from_real_ns, uint64_t duration_ns,
			  uint32_t hz)
{
	static const char *const strings[] = { "",    "samples",     "count",
					       "cpu", "nanoseconds", "#cprofd samples=0" };
	struct bytes b = { .at = dst };

	put_type(&b, 1, 1, 2);
	put_type(&b, 1, 3, 4);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		put_text(&b, 6, strings[i]);
	put_number(&b, 9, from_real_ns);
	put_number(&b, 10, duration_ns);
	put_type(&b, 11, 3, 4);
	put_number(&b, 12, hz > 0 ? NSEC_PER_SEC / hz : 0);
	put_number(&b, 13, 5); /* comment */
	put_number(&b, 14, 3); /* default_sample_type */
	return b.sz;
}

static uint32_t crc32_of(const unsigned char *p, size_t sz)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < sz; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

size_t empty_profile(uint64_t from_real_ns, uint64_t duration_ns, uint32_t hz,
		     unsigned char dst[static EMPTY_PROFILE_MAX])
{
	static const unsigned char head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255 };
	unsigned char profile[EMPTY_PROFILE_MAX];
	size_t sz = put_profile(profile, from_real_ns, duration_ns, hz);
	struct bytes b = { .at = dst };

	assert(sizeof(head) + 5 + sz + 8 <= EMPTY_PROFILE_MAX);

	memcpy(dst, head, sizeof(head));
	b.sz = sizeof(head);
	put(&b, 1, 1); /* the last block, stored */
	put(&b, sz, 2);
	put(&b, ~sz, 2);
	memcpy(dst + b.sz, profile, sz);
	b.sz += sz;
	put(&b, crc32_of(profile, sz), 4);
	put(&b, sz, 4);
	return b.sz;
}
