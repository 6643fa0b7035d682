/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * json-text — looks up values in a JSON text (RFC 8259) that somebody else wrote.
 *
 * The text is checked once, whole; from then on a value is a place in it, and looking something up
 * walks over what stands before. No tree is built, so that a text of any size takes no memory, and a
 * part of it can be copied as it is. A value that is not there is a value too (JSON_NONE), of which
 * every question has an answer, so that nobody needs to ask at each step.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_TEXT_DEPTH_MAX 16

enum json_kind {
	JSON_NONE, /* not there */
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_value {
	const char *at; /* its first byte; NULL: not there */
};

/*
 * @text[@sz] must be a NUL, which is not part of it. 0 and the outermost value, or -EBADMSG: it is no
 * JSON, nests deeper than JSON_TEXT_DEPTH_MAX, or has a number of more than 63 bytes. The values live as
 * long as the text.
 */
int json_text_check(const char *text, size_t sz, struct json_value *ret);

enum json_kind json_text_kind(struct json_value v);

/* Of an object; the first of that name. @key has nothing in it that JSON would escape. */
struct json_value json_text_member(struct json_value object, const char *key);

/* The elements of an array, or the values of an object, one after the other. */
struct json_value json_text_first(struct json_value container);
struct json_value json_text_next(struct json_value element);
size_t json_text_count(struct json_value container);

/* The key of an object's value that json_text_first() or _next() gave; clean, as json_text_string(). */
struct json_entry {
	char key[64];
	struct json_value value;
};
bool json_text_first_entry(struct json_value object, struct json_entry *ret);
bool json_text_next_entry(struct json_entry *entry);

/* 0 where it is no number, or none that fits: a count is never negative. */
uint64_t json_text_u64(struct json_value v);
double json_text_double(struct json_value v);
bool json_text_bool(struct json_value v);

/* Clean text (str_clean()), cut to fit; "" where it is no string. Returns dst. */
const char *json_text_string(struct json_value v, char *dst, size_t dst_sz);

/* The bytes of the value as they stand there: their number, from v.at on. */
size_t json_text_size(struct json_value v);
