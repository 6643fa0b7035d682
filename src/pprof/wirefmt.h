/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * wirefmt — walks an encoded protocol buffers message, field by field, where it lies
 * (https://protobuf.dev/programming-guides/encoding/).
 *
 * The reader's counterpart of what protobuf-c does for the writer: its unpack would build a tree of
 * many times the file's size out of a hostile file. Nothing is allocated or copied here.
 */

#include "cprof/pprof.h"

struct wirefmt_field {
	uint32_t number;
	uint64_t value;		   /* varint */
	struct pprof_bytes bytes;  /* length-delimited; p is NULL for a varint */
	struct pprof_bytes varint; /* the varint as it stands */
};

/* 1 and *ret, 0 at the end, -EBADMSG. Fixed-size fields, which profile.proto has none of, are skipped. */
int wirefmt_next(struct pprof_bytes *w, struct wirefmt_field *ret);
/* Walks the numbers of a repeated field, packed or not: see wirefmt_next_varint(). */
struct pprof_bytes wirefmt_numbers(const struct wirefmt_field *f);
/* 1 and *ret_value, 0 at the end, -EBADMSG. */
int wirefmt_next_varint(struct pprof_bytes *w, uint64_t *ret_value);
