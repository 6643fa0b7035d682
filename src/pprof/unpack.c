/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack — a gzip file to its bytes, within a limit. The size in a gzip trailer is the writer's word
 * modulo 2^32 and a bomb lies about it: the buffer grows with what really comes, by half each time.
 */

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "cprof/base/cleanup.h"
#include "cprof/pprof.h"

#define UNPACK_FIRST_SZ 65536
#define UNPACK_WINDOW_BITS (15 + 16) /* zlib.h: gzip only */

struct unpack {
	z_stream z;
	const uint8_t *in;
	size_t in_sz;
	uint8_t *buf;
	size_t sz, cap;
};

static void unpack_done(struct unpack *u)
{
	(void)inflateEnd(&u->z);
	free(u->buf);
}

static int make_room(struct unpack *u, size_t max)
{
	size_t cap = MIN(u->cap == 0 ? UNPACK_FIRST_SZ : u->cap + u->cap / 2, max);
	uint8_t *p;

	if (u->sz < u->cap)
		return 0;
	if (u->cap >= max)
		return -E2BIG;
	p = realloc(u->buf, cap);
	if (!p)
		return -ENOMEM;
	u->buf = p;
	u->cap = cap;
	return 0;
}

/* Inflates as much as zlib takes at once (its sizes have 32 bits). */
static int inflate_some(struct unpack *u)
{
	uInt in = (uInt)MIN(u->in_sz, (size_t)UINT32_MAX);
	uInt out = (uInt)MIN(u->cap - u->sz, (size_t)UINT32_MAX);
	int status;

	u->z.next_in = (Bytef *)(uintptr_t)u->in;
	u->z.avail_in = in;
	u->z.next_out = u->buf + u->sz;
	u->z.avail_out = out;
	status = inflate(&u->z, Z_NO_FLUSH);
	u->in += in - u->z.avail_in;
	u->in_sz -= in - u->z.avail_in;
	u->sz += out - u->z.avail_out;
	return status;
}

bool pprof_is_gzip(const void *bytes, size_t sz)
{
	const uint8_t *magic = bytes;

	return sz >= 2 && magic[0] == 0x1f && magic[1] == 0x8b;
}

int pprof_unpack(const void *bytes, size_t sz, size_t max, uint8_t **ret, size_t *ret_sz)
{
	_cleanup_(unpack_done) struct unpack u = { .in = bytes, .in_sz = sz };
	int r;

	if (inflateInit2(&u.z, UNPACK_WINDOW_BITS) != Z_OK)
		return -ENOMEM;
	for (;;) {
		r = make_room(&u, max);
		if (r < 0)
			return r;
		switch (inflate_some(&u)) {
		case Z_OK:
			break;
		case Z_STREAM_END:
			if (u.in_sz == 0) {
				*ret = TAKE_PTR(u.buf);
				*ret_sz = u.sz;
				return 0;
			}
			(void)inflateReset(&u.z);
			break;
		case Z_MEM_ERROR:
			return -ENOMEM;
		default: /* Z_BUF_ERROR: cut off; Z_DATA_ERROR, Z_NEED_DICT */
			return -EBADMSG;
		}
	}
}
