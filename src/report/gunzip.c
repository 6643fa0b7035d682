/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gunzip — see gunzip.h. The size in a gzip trailer is the writer's word modulo 2^32 and a bomb
 * lies about it: the buffer grows with what really comes, by half each time, up to the limit.
 */

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "cprof/base/cleanup.h"
#include "gunzip.h"

#define GUNZIP_FIRST_SZ 65536
#define GUNZIP_WINDOW_BITS (15 + 16) /* zlib.h: gzip only */

struct gunzip {
	z_stream z;
	const uint8_t *in;
	size_t in_sz;
	uint8_t *buf;
	size_t sz, cap;
};

static void gunzip_done(struct gunzip *g)
{
	(void)inflateEnd(&g->z);
	free(g->buf);
}

static int make_room(struct gunzip *g, size_t max)
{
	size_t cap = MIN(g->cap == 0 ? GUNZIP_FIRST_SZ : g->cap + g->cap / 2, max);
	uint8_t *p;

	if (g->sz < g->cap)
		return 0;
	if (g->cap >= max)
		return -E2BIG;
	p = realloc(g->buf, cap);
	if (!p)
		return -ENOMEM;
	g->buf = p;
	g->cap = cap;
	return 0;
}

/* Inflates as much as zlib takes at once (its sizes have 32 bits). */
static int inflate_some(struct gunzip *g)
{
	uInt in = (uInt)MIN(g->in_sz, (size_t)UINT32_MAX);
	uInt out = (uInt)MIN(g->cap - g->sz, (size_t)UINT32_MAX);
	int status;

	g->z.next_in = (Bytef *)(uintptr_t)g->in;
	g->z.avail_in = in;
	g->z.next_out = g->buf + g->sz;
	g->z.avail_out = out;
	status = inflate(&g->z, Z_NO_FLUSH);
	g->in += in - g->z.avail_in;
	g->in_sz -= in - g->z.avail_in;
	g->sz += out - g->z.avail_out;
	return status;
}

int gunzip(const void *bytes, size_t sz, size_t max, uint8_t **ret, size_t *ret_sz)
{
	_cleanup_(gunzip_done) struct gunzip g = { .in = bytes, .in_sz = sz };
	int r;

	if (inflateInit2(&g.z, GUNZIP_WINDOW_BITS) != Z_OK)
		return -ENOMEM;
	for (;;) {
		r = make_room(&g, max);
		if (r < 0)
			return r;
		switch (inflate_some(&g)) {
		case Z_OK:
			break;
		case Z_STREAM_END:
			if (g.in_sz == 0) {
				*ret = TAKE_PTR(g.buf);
				*ret_sz = g.sz;
				return 0;
			}
			(void)inflateReset(&g.z);
			break;
		case Z_MEM_ERROR:
			return -ENOMEM;
		default: /* Z_BUF_ERROR: cut off; Z_DATA_ERROR, Z_NEED_DICT */
			return -EBADMSG;
		}
	}
}
