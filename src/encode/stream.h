/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * stream — parts of a Profile to gzip'd bytes, as they come.
 *
 * Protocol buffers have the property that encoded messages of one type, one after the other, are
 * the encoding of their merge (https://protobuf.dev/programming-guides/encoding/#last-one-wins). So
 * a Profile that holds only one sample, or one mapping, is written as it is: the tree of the whole
 * profile never stands in memory, and no line here knows the wire format.
 */

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "cprof/encode.h"
#include "profile.pb-c.h"

#define STREAM_OUT_SZ 16384

struct stream {
	z_stream z;
	encode_write_fn write;
	void *ctx;
	uint8_t *part; /* one encoded part */
	size_t part_sz;
	uint64_t bytes; /* handed to the writer */
	uint8_t out[STREAM_OUT_SZ];
};

/* 0 or -ENOMEM; stream_done() in either case. */
int stream_init(struct stream *s, encode_write_fn write, void *ctx);
/* No single-valued field may be in more than one part. 0, -ENOMEM or the writer's error. */
int stream_put(struct stream *s, const Perftools__Profiles__Profile *part);
/* The end of the file. */
int stream_finish(struct stream *s);
void stream_done(struct stream *s);
