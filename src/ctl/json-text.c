/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One function walks over a value and says whether it is well formed. json_text_check() runs it over
 * everything, and finding something runs it again over what lies before: there, it cannot fail. The NUL
 * behind the text is no character of JSON, so that it ends every loop.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/json.h"
#include "cprof/base/str.h"
#include "json-text.h"

#define JSON_NUMBER_MAX 63
#define JSON_STRING_MAX 4096 /* of a string, as much is ever shown */

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\n\r");
}

static const char *skip_word(const char *p, const char *word)
{
	size_t len = strlen(word);

	return strncmp(p, word, len) == 0 ? p + len : NULL;
}

static const char *skip_digits(const char *p)
{
	size_t n = strspn(p, "0123456789");

	return n > 0 ? p + n : NULL;
}

/* -12.5e+3: no leading zeros, digits on both sides of the point. */
static const char *skip_number(const char *p)
{
	const char *from = p;

	if (*p == '-')
		p++;
	p = *p == '0' ? p + 1 : skip_digits(p);
	if (p && *p == '.')
		p = skip_digits(p + 1);
	if (p && (*p == 'e' || *p == 'E')) {
		p++;
		p = skip_digits(*p == '+' || *p == '-' ? p + 1 : p);
	}
	return p && p - from <= JSON_NUMBER_MAX ? p : NULL;
}

/* @p is behind the backslash. */
static const char *skip_escape(const char *p)
{
	if (*p && strchr("\"\\/bfnrt", *p))
		return p + 1;
	return *p == 'u' && strspn(p + 1, "0123456789abcdefABCDEF") >= 4 ? p + 5 : NULL;
}

static const char *skip_string(const char *p)
{
	assert(*p == '"');
	for (p++; p && *p != '"';) {
		size_t len = (unsigned char)*p < 0x20 ? 0 : json_utf8_len((const unsigned char *)p);

		if (*p == '\\')
			p = skip_escape(p + 1);
		else
			p = len > 0 ? p + len : NULL;
	}
	return p ? p + 1 : NULL;
}

static const char *skip_value(const char *p, unsigned int depth);

/* A key with its colon, up to the value. */
static const char *skip_key(const char *p)
{
	p = *p == '"' ? skip_string(p) : NULL;
	if (!p)
		return NULL;
	p = skip_space(p);
	return *p == ':' ? skip_space(p + 1) : NULL;
}

static const char *skip_container(const char *p, unsigned int depth)
{
	bool object = *p == '{';
	char end = object ? '}' : ']';

	if (depth == 0)
		return NULL;
	p = skip_space(p + 1);
	if (*p == end)
		return p + 1;
	for (;;) {
		p = object ? skip_key(p) : p;
		p = p ? skip_value(p, depth - 1) : NULL;
		if (!p)
			return NULL;
		p = skip_space(p);
		if (*p == end)
			return p + 1;
		if (*p != ',')
			return NULL;
		p = skip_space(p + 1);
	}
}

/* Behind the value at @p, or NULL. */
static const char *skip_value(const char *p, unsigned int depth)
{
	switch (*p) {
	case '{':
	case '[':
		return skip_container(p, depth);
	case '"':
		return skip_string(p);
	case 't':
		return skip_word(p, "true");
	case 'f':
		return skip_word(p, "false");
	case 'n':
		return skip_word(p, "null");
	default:
		return skip_number(p);
	}
}

/* Of a text that was checked. */
static const char *skip(const char *p)
{
	p = skip_value(p, JSON_TEXT_DEPTH_MAX);
	assert(p);
	return p;
}

int json_text_check(const char *text, size_t sz, struct json_value *ret)
{
	const char *from = skip_space(text), *p = skip_value(from, JSON_TEXT_DEPTH_MAX);

	assert(text[sz] == 0);
	if (!p || skip_space(p) != text + sz)
		return -EBADMSG;
	*ret = (struct json_value){ from };
	return 0;
}

enum json_kind json_text_kind(struct json_value v)
{
	if (!v.at)
		return JSON_NONE;
	switch (*v.at) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	default:
		return JSON_NUMBER;
	}
}

/* Behind a bracket or a comma: the element, past its key where it has one. */
static struct json_value element_at(const char *p)
{
	const char *behind;

	p = skip_space(p);
	if (*p == '}' || *p == ']')
		return (struct json_value){ NULL };
	if (*p != '"')
		return (struct json_value){ p };
	behind = skip_space(skip(p));
	return (struct json_value){ *behind == ':' ? skip_space(behind + 1) : p };
}

struct json_value json_text_first(struct json_value container)
{
	enum json_kind kind = json_text_kind(container);

	return kind == JSON_ARRAY || kind == JSON_OBJECT ? element_at(container.at + 1)
							 : (struct json_value){ NULL };
}

struct json_value json_text_next(struct json_value element)
{
	const char *p = element.at ? skip_space(skip(element.at)) : NULL;

	return p && *p == ',' ? element_at(p + 1) : (struct json_value){ NULL };
}

size_t json_text_count(struct json_value container)
{
	size_t cnt = 0;

	for (struct json_value v = json_text_first(container); v.at; v = json_text_next(v))
		cnt++;
	return cnt;
}

/* The key at @p, behind a bracket or a comma, or NULL at the end of the object. */
static const char *key_at(const char *p)
{
	p = skip_space(p);
	return *p == '"' ? p : NULL;
}

static const char *next_key(struct json_value v)
{
	const char *p = skip_space(skip(v.at));

	return *p == ',' ? key_at(p + 1) : NULL;
}

struct json_value json_text_member(struct json_value object, const char *key)
{
	size_t len = strlen(key);
	const char *p;

	if (json_text_kind(object) != JSON_OBJECT)
		return (struct json_value){ NULL };
	for (p = key_at(object.at + 1); p;) {
		struct json_value v = { skip_key(p) };

		if (strncmp(p + 1, key, len) == 0 && p[len + 1] == '"')
			return v;
		p = next_key(v);
	}
	return (struct json_value){ NULL };
}

static bool entry_at(const char *p, struct json_entry *ret)
{
	if (!p)
		return false;
	(void)json_text_string((struct json_value){ p }, ret->key, sizeof(ret->key));
	ret->value = (struct json_value){ skip_key(p) };
	return true;
}

bool json_text_first_entry(struct json_value object, struct json_entry *ret)
{
	return json_text_kind(object) == JSON_OBJECT && entry_at(key_at(object.at + 1), ret);
}

bool json_text_next_entry(struct json_entry *entry)
{
	return entry_at(next_key(entry->value), entry);
}

double json_text_double(struct json_value v)
{
	return json_text_kind(v) == JSON_NUMBER ? strtod(v.at, NULL) : 0;
}

uint64_t json_text_u64(struct json_value v)
{
	uint64_t n;
	char *end;
	double d;

	if (json_text_kind(v) != JSON_NUMBER || *v.at == '-')
		return 0;
	errno = 0;
	n = strtoull(v.at, &end, 10);
	if (*end != '.' && *end != 'e' && *end != 'E')
		return errno == 0 ? n : 0;
	/* 2^64 itself does not fit. */
	d = json_text_double(v);
	return d < 18446744073709551616.0 ? (uint64_t)d : 0;
}

bool json_text_bool(struct json_value v)
{
	return json_text_kind(v) == JSON_BOOL && *v.at == 't';
}

static uint32_t hex4(const char *p)
{
	char digits[5] = { p[0], p[1], p[2], p[3], 0 };

	return (uint32_t)strtoul(digits, NULL, 16);
}

/* Of any code below 0x110000; a lone surrogate becomes bytes that str_clean() replaces. */
static size_t put_utf8(char *dst, uint32_t code)
{
	size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = len - 1; i > 0; i--) {
		dst[i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	dst[0] = (char)(leads[len] | code);
	return len;
}

/* What an escape means, at @p behind the backslash; *ret_len bytes of it. */
static size_t put_escape(char *dst, const char *p, size_t *ret_len)
{
	static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
	const char *name = strchr(names, *p);
	uint32_t code, low;

	*ret_len = 1;
	if (*p != 'u') {
		dst[0] = name ? values[name - names] : *p;
		return 1;
	}
	code = hex4(p + 1);
	*ret_len = 5;
	if (code >> 10 == 0xd800 >> 10 && p[5] == '\\' && p[6] == 'u') {
		low = hex4(p + 7);
		if (low >> 10 == 0xdc00 >> 10) {
			code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
			*ret_len = 11;
		}
	}
	return put_utf8(dst, code);
}

const char *json_text_string(struct json_value v, char *dst, size_t dst_sz)
{
	char raw[JSON_STRING_MAX];
	size_t len = 0;
	const char *p;

	*dst = 0;
	if (json_text_kind(v) != JSON_STRING)
		return dst;
	/* Room for the longest character; a NUL is shown as what it is, no character. */
	for (p = v.at + 1; *p != '"' && len < sizeof(raw) - 4;) {
		size_t taken = 1, put = 1;

		if (*p == '\\')
			put = put_escape(raw + len, ++p, &taken);
		else
			raw[len] = *p;
		if (raw[len] == 0)
			raw[len] = 1;
		len += put;
		p += taken;
	}
	(void)str_clean(dst, dst_sz, raw, len, NULL);
	return dst;
}

size_t json_text_size(struct json_value v)
{
	return v.at ? (size_t)(skip(v.at) - v.at) : 0;
}
