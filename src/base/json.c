/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The JSON writer. UTF-8 is checked by the table of well-formed sequences of the Unicode standard
 * (3.9, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
 */

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cprof/base/json.h"

size_t json_utf8_len(const unsigned char *s)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	return len;
}

static void json_quoted(struct json *j, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', j->f);
	while (*s) {
		size_t len = json_utf8_len(s);

		if (len == 0) {
			fputs("\\ufffd", j->f);
			len = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(j->f, "\\%c", *s);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(j->f, "\\u%04x", *s);
		} else {
			(void)fwrite(s, 1, len, j->f);
		}
		s += len;
	}
	fputc('"', j->f);
}

static void json_place(struct json *j, const char *key)
{
	if (j->more[j->depth])
		fputs(", ", j->f);
	j->more[j->depth] = true;
	if (key) {
		json_quoted(j, key);
		fputs(": ", j->f);
	}
}

static void json_open(struct json *j, const char *key, char bracket)
{
	json_place(j, key);
	fputc(bracket, j->f);
	assert(j->depth + 1 < JSON_DEPTH_MAX);
	j->more[++j->depth] = false;
}

static void json_close(struct json *j, char bracket)
{
	assert(j->depth > 0);
	j->depth--;
	fputc(bracket, j->f);
}

void json_object(struct json *j, const char *key)
{
	json_open(j, key, '{');
}

void json_object_end(struct json *j)
{
	json_close(j, '}');
}

void json_array(struct json *j, const char *key)
{
	json_open(j, key, '[');
}

void json_array_end(struct json *j)
{
	json_close(j, ']');
}

void json_string(struct json *j, const char *key, const char *value)
{
	json_place(j, key);
	json_quoted(j, value);
}

void json_raw(struct json *j, const char *key, const char *text, size_t sz)
{
	json_place(j, key);
	(void)fwrite(text, 1, sz, j->f);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	json_place(j, key);
	fprintf(j->f, "%" PRIu64, value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	json_place(j, key);
	fprintf(j->f, "%" PRId64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	json_place(j, key);
	fputs(value ? "true" : "false", j->f);
}

void json_double(struct json *j, const char *key, double value)
{
	json_place(j, key);
	if (isfinite(value))
		fprintf(j->f, "%.9g", value);
	else
		fputs("null", j->f);
}
