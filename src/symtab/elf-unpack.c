/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Three libraries behind one interface. A section by zlib is one stream; by zstd it is one frame after another, so
 * that what is missing is seen by whoever knows how much there should be. libdeflate has no streams and is much faster.
 */

#include "cprof/elf_unpack.h"

#include <errno.h>
#include <libdeflate.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 23
#define ZLIB_BYTES ((size_t)48 << 10)

_Static_assert(1u << WINDOW_LOG_MAX == ELF_UNPACK_WINDOW_MAX, "one limit");

struct elf_unpack {
	enum elf_packing packing;
	z_stream z;
	ZSTD_DCtx *zstd;
};

/* Of its sum nobody would hear before the last byte, of which few are read; it took a fifteenth of the time. */
static int begin(struct elf_unpack *u)
{
	if (u->packing == ELF_ZLIB)
		return inflateInit(&u->z) == Z_OK && inflateValidate(&u->z, 0) == Z_OK ? 0
										       : -ENOMEM;
	if (u->packing != ELF_ZSTD)
		return -EOPNOTSUPP;
	u->zstd = ZSTD_createDCtx();
	if (!u->zstd ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
		return -ENOMEM;
	return 0;
}

int elf_unpack_new(enum elf_packing packing, struct elf_unpack **ret)
{
	_cleanup_(elf_unpack_freep) struct elf_unpack *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->packing = packing;
	r = begin(u);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(u);
	return 0;
}

struct elf_unpack *elf_unpack_free(struct elf_unpack *u)
{
	if (!u)
		return NULL;
	(void)inflateEnd(&u->z);
	(void)ZSTD_freeDCtx(u->zstd);
	free(u);
	return NULL;
}

/* By itself, for zlib's state knows where its stream lies. */
int elf_unpack_copy(const struct elf_unpack *u, struct elf_unpack **ret)
{
	struct elf_unpack *copy;

	if (u->packing != ELF_ZLIB)
		return -EOPNOTSUPP;
	copy = calloc(1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	copy->packing = u->packing;
	if (inflateCopy(&copy->z, (z_stream *)(uintptr_t)&u->z) != Z_OK) {
		free(copy);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

static int run_zlib(z_stream *z, struct elf_unpack_io *io)
{
	uInt in_sz = (uInt)MIN(io->in_sz, (size_t)INT_MAX);
	uInt out_sz = (uInt)MIN(io->out_sz, (size_t)INT_MAX);
	int status;

	z->next_in = (Bytef *)(uintptr_t)io->in;
	z->avail_in = in_sz;
	z->next_out = io->out;
	z->avail_out = out_sz;
	status = inflate(z, Z_NO_FLUSH);
	io->in += in_sz - z->avail_in;
	io->in_sz -= in_sz - z->avail_in;
	io->out += out_sz - z->avail_out;
	io->out_sz -= out_sz - z->avail_out;
	if (status == Z_STREAM_END)
		return 1;
	/* Nothing to take, or no room: the caller sees that. */
	if (status == Z_OK || status == Z_BUF_ERROR)
		return 0;
	return status == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static int run_zstd(ZSTD_DCtx *z, struct elf_unpack_io *io)
{
	ZSTD_inBuffer in = { io->in, io->in_sz, 0 };
	ZSTD_outBuffer out = { io->out, io->out_sz, 0 };
	size_t status = ZSTD_decompressStream(z, &out, &in);

	io->in += in.pos;
	io->in_sz -= in.pos;
	io->out += out.pos;
	io->out_sz -= out.pos;
	if (!ZSTD_isError(status))
		return status == 0;
	switch (ZSTD_getErrorCode(status)) {
	case ZSTD_error_memory_allocation:
		return -ENOMEM;
	case ZSTD_error_frameParameter_windowTooLarge:
		return -EOPNOTSUPP;
	default:
		return -EBADMSG;
	}
}

int elf_unpack_run(struct elf_unpack *u, struct elf_unpack_io *io)
{
	int r;

	if (u->packing == ELF_ZLIB)
		return run_zlib(&u->z, io);
	do
		r = run_zstd(u->zstd, io);
	while (r >= 0 && io->in_sz > 0 && io->out_sz > 0);
	return r;
}

int elf_unpack_all(enum elf_packing packing, const void *src, size_t src_sz, void *dst,
		   size_t dst_sz)
{
	struct libdeflate_decompressor *d;
	enum libdeflate_result result;

	if (packing != ELF_ZLIB)
		return -EOPNOTSUPP;
	d = libdeflate_alloc_decompressor();
	if (!d)
		return -ENOMEM;
	/* Without a place for the size it has to be that one. */
	result = libdeflate_zlib_decompress(d, src, src_sz, dst, dst_sz, NULL);
	libdeflate_free_decompressor(d);
	return result == LIBDEFLATE_SUCCESS ? 0 : -EBADMSG;
}

size_t elf_unpack_bytes(const struct elf_unpack *u)
{
	return u->packing == ELF_ZLIB ? ZLIB_BYTES : ZSTD_sizeof_DCtx(u->zstd);
}
