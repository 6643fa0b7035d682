/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * json — writes one JSON text (RFC 8259) to a stream. The writer places commas and escapes; nesting
 * is the caller's, and closing what was not opened is a fault of the program. Bytes that are not
 * UTF-8 become U+FFFD: a file name may hold anything, JSON may not.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 8

struct json {
	FILE *f;
	unsigned int depth;
	bool more[JSON_DEPTH_MAX]; /* by depth: something stands there already */
};

#define JSON_INIT(stream) ((struct json){ .f = (stream) })

/* @key is NULL in arrays and at the top. */
void json_object(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *key);
void json_array_end(struct json *j);
void json_string(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_double(struct json *j, const char *key, double value);
/* @text is a JSON text itself. */
void json_raw(struct json *j, const char *key, const char *text, size_t sz);

/* Length of the well-formed sequence at @s, which a NUL ends, or 0: there is none. */
size_t json_utf8_len(const unsigned char *s);
