/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names of strangers. The first byte chooses the room for the result. What comes out is judged by a
 * second, naive decoder: it assembles code points by the bits alone and then asks whether they are
 * in range and could have been shorter, where the code under test excludes them by tables.
 */

#include "fuzz.h"

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"

/* Bytes of the character at @s; 0 when it is not a proper one that may stand in a clean text. */
static size_t naive_next(const unsigned char *s, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80       ? 1
		     : s[0] >> 5 == 6  ? 2
		     : s[0] >> 4 == 14 ? 3
		     : s[0] >> 3 == 30 ? 4
				       : 0;
	uint32_t code;

	if (len == 0 || len > left)
		return 0;
	code = len == 1 ? s[0] : s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		code = code * 64 + s[i] % 64;
	}
	if (code < least[len] || code > 0x10ffff || code / 0x800 == 0xd800 / 0x800)
		return 0;
	if (code < ' ' || (code >= 0x7f && code < 0xa0))
		return 0;
	if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
		return 0;
	return len;
}

static void check_clean(const char *s, size_t len)
{
	size_t n;

	FUZZ_CHECK(s[len] == '\0' && strlen(s) == len);
	for (size_t i = 0; i < len; i += n) {
		n = naive_next((const unsigned char *)s + i, len - i);
		FUZZ_CHECK(n > 0);
	}
}

/* A text that the naive decoder likes comes out as it went in, if there was room. */
static void check_faithful(const char *in, size_t in_len, const char *out, bool changed)
{
	size_t len = strnlen(in, in_len), n;

	for (size_t i = 0; i < len; i += n) {
		n = naive_next((const unsigned char *)in + i, len - i);
		if (n == 0) {
			FUZZ_CHECK(changed);
			return;
		}
	}
	if (!changed)
		FUZZ_CHECK(strlen(out) == len && memcmp(in, out, len) == 0);
	else
		FUZZ_CHECK(strlen(out) < len && memcmp(in, out, strlen(out)) == 0);
}

static void check_file_name(const char *text)
{
	char name[64];
	size_t len = str_file_name(name, sizeof(name), text);

	FUZZ_CHECK(len > 0 && len < sizeof(name) && strlen(name) == len && name[0] != '.');
	FUZZ_CHECK(
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_free_ char *in = NULL, *out = NULL, *twice = NULL;
	size_t room, len;
	bool changed;

	if (sz == 0)
		return 0;
	in = fuzz_copy(data + 1, sz - 1);
	room = data[0] < 128 ? 1 + (size_t)data[0] : 3 * sz + 1;
	out = malloc(room);
	twice = malloc(room);
	FUZZ_CHECK(out && twice);
	len = str_clean(out, room, in, sz - 1, &changed);
	FUZZ_CHECK(len < room);
	check_clean(out, len);
	check_faithful(in, sz - 1, out, changed);
	FUZZ_CHECK(str_clean(twice, room, out, len, &changed) == len && !changed);
	FUZZ_CHECK(memcmp(out, twice, len + 1) == 0);
	check_file_name(out);
	return 0;
}
