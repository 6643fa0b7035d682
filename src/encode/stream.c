/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream — see stream.h. The level of compression is measured, not guessed: figures are in
 * docs/formats/profile.md.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "stream.h"

#define STREAM_LEVEL 4
#define STREAM_WINDOW_BITS_GZIP (15 + 16) /* zlib.h: 16 more asks for a gzip header */
#define STREAM_MEM_LEVEL 8

int stream_init(struct stream *s, encode_write_fn write, void *ctx)
{
	*s = (struct stream){ .write = write, .ctx = ctx };

	if (deflateInit2(&s->z, STREAM_LEVEL, Z_DEFLATED, STREAM_WINDOW_BITS_GZIP, STREAM_MEM_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	return 0;
}

/* Feeds what is in z.next_in; with Z_FINISH until the end of the stream. */
static int stream_deflate(struct stream *s, int flush)
{
	int r, status;

	do {
		s->z.next_out = s->out;
		s->z.avail_out = sizeof(s->out);
		status = deflate(&s->z, flush);
		assert(status != Z_STREAM_ERROR);

		size_t sz = sizeof(s->out) - s->z.avail_out;
		if (sz > 0) {
			r = s->write(s->out, sz, s->ctx);
			if (r < 0)
				return r;
			s->bytes += sz;
		}
	} while (s->z.avail_out == 0 || (flush == Z_FINISH && status != Z_STREAM_END));
	return 0;
}

int stream_put(struct stream *s, const Perftools__Profiles__Profile *part)
{
	size_t sz = protobuf_c_message_get_packed_size(&part->base);

	if (sz > UINT32_MAX)
		return -ENOMEM; /* what zlib takes at once; only a stack of 2^30 frames gets there */
	if (sz > s->part_sz) {
		uint8_t *bigger = realloc(s->part, sz * 2);

		if (!bigger)
			return -ENOMEM;
		s->part = bigger;
		s->part_sz = sz * 2;
	}
	s->z.next_in = s->part;
	s->z.avail_in = (uInt)protobuf_c_message_pack(&part->base, s->part);
	return stream_deflate(s, Z_NO_FLUSH);
}

int stream_finish(struct stream *s)
{
	s->z.next_in = NULL;
	s->z.avail_in = 0;
	return stream_deflate(s, Z_FINISH);
}

void stream_done(struct stream *s)
{
	(void)deflateEnd(&s->z);
	free(s->part);
	s->part = NULL;
}
