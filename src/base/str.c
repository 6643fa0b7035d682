/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The UTF-8 decoder follows table 3-7 of the Unicode standard ("well-formed UTF-8 byte sequences"):
 * overlong forms, surrogates and everything above U+10FFFF are excluded by the range of the second
 * byte alone. An ill-formed sequence is replaced by one U+FFFD per maximal subpart (3.9, D93b), so
 * that a name the kernel cut in the middle of a character ends in one replacement, not three.
 */

#include <assert.h>
#include <string.h>

#include "cprof/base/str.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define REPLACEMENT_LEN 3

struct utf8_lead {
	unsigned char first, last; /* lead bytes of this row */
	unsigned char low, high;   /* range of the second byte */
	unsigned char len;
};

static const struct utf8_lead utf8_leads[] = {
	{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static const struct utf8_lead *utf8_lead_of(unsigned char c)
{
	for (size_t i = 0; i < sizeof(utf8_leads) / sizeof(utf8_leads[0]); i++)
		if (c >= utf8_leads[i].first && c <= utf8_leads[i].last)
			return &utf8_leads[i];
	return NULL;
}

/*
 * Length of the character at @s, at most @left bytes; *ret_code is its code point, or UINT32_MAX
 * for an ill-formed sequence (then the length is that of its maximal subpart).
 */
static size_t utf8_next(const unsigned char *s, size_t left, uint32_t *ret_code)
{
	const struct utf8_lead *lead;
	uint32_t code;
	size_t i;

	*ret_code = s[0];
	if (s[0] < 0x80)
		return 1;
	lead = utf8_lead_of(s[0]);
	if (!lead) {
		*ret_code = UINT32_MAX;
		return 1;
	}
	code = s[0] & (0xffu >> (lead->len + 1));
	for (i = 1; i < lead->len && i < left; i++) {
		if (s[i] < (i == 1 ? lead->low : 0x80) || s[i] > (i == 1 ? lead->high : 0xbf))
			break;
		code = code << 6 | (s[i] & 0x3f);
	}
	*ret_code = i == lead->len ? code : UINT32_MAX;
	return i;
}

/* Terminals and readers act on these instead of showing them. */
static bool is_harmful(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
	       (code >= 0x202a && code <= 0x202e) || /* bidirectional embeddings, overrides */
	       (code >= 0x2066 && code <= 0x2069) || /* and isolates */
	       code == UINT32_MAX;
}

size_t str_clean(char *dst, size_t dst_sz, const char *src, size_t src_len, bool *ret_changed)
{
	size_t in = 0, out = 0;
	bool changed = false;

	assert(dst_sz > 0);

	while (in < src_len && src[in] != '\0') {
		const char *from = src + in;
		uint32_t code;
		size_t len, put;

		len = utf8_next((const unsigned char *)from, src_len - in, &code);
		put = len;
		if (is_harmful(code)) {
			from = REPLACEMENT;
			put = REPLACEMENT_LEN;
			changed = true;
		}
		if (put >= dst_sz - out) {
			changed = true;
			break;
		}
		memcpy(dst + out, from, put);
		in += len;
		out += put;
	}
	dst[out] = '\0';
	if (ret_changed)
		*ret_changed = changed;
	return out;
}

static bool is_file_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

size_t str_file_name(char *dst, size_t dst_sz, const char *src)
{
	size_t len = 0;

	assert(dst_sz > 1);

	for (; src[len] != '\0' && len < dst_sz - 1; len++)
		dst[len] = is_file_name_char(src[len]) ? src[len] : '_';
	if (len == 0)
		dst[len++] = '_';
	if (dst[0] == '.' || dst[0] == '-')
		dst[0] = '_';
	dst[len] = '\0';
	return len;
}

bool str_parse_number(const char *s, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0 || (s[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return false;
	}
	*ret = v;
	return true;
}
