/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * wirefmt — walks an encoded protocol buffers message, field by field, where it lies
 * (https://protobuf.dev/programming-guides/encoding/).
 *
 * The reader's counterpart of what protobuf-c does for the writer: its unpack would build a tree of
 * many times the file's size out of a hostile file. Nothing is allocated or copied here.
 */

#include <stddef.h>
#include <stdint.h>

struct wirefmt {
	const uint8_t *p, *end;
};

struct wirefmt_field {
	uint32_t number;
	uint64_t value;	       /* varint */
	struct wirefmt bytes;  /* length-delimited; p is NULL for a varint */
	struct wirefmt varint; /* the varint as it stands */
};

/* 1 and *ret, 0 at the end, -EBADMSG. Fixed-size fields, which profile.proto has none of, are skipped. */
int wirefmt_next(struct wirefmt *w, struct wirefmt_field *ret);
/* Walks the numbers of a repeated field, packed or not: see wirefmt_next_varint(). */
struct wirefmt wirefmt_numbers(const struct wirefmt_field *f);
/* 1 and *ret_value, 0 at the end, -EBADMSG. */
int wirefmt_next_varint(struct wirefmt *w, uint64_t *ret_value);
