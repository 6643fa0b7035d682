/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sections of ordinary size are unpacked at once (whole.h). Of the others, and where there is no room for that, what
 * follows. A stream that goes through the section, with check points on its way: copies of its state, some 42 KiB each,
 * from which it can go on at any later time. Where it has not been there is none yet, so that a section
 * that is read in part is unpacked in part. What comes out is kept in chunks, as many as the ledger has room
 * for; those that were not used for longest go first, and of what was only gone through nearly all.
 *
 * A stream by zstd looks back megabytes, so there are no copies of it: it begins anew. What it went over on its way is
 * kept, then, while there is room: half of what may be kept at all, for there are other sections. So one of
 * ordinary size is unpacked once; and zstd is some four times as fast.
 *
 * The size that a section is said to have is a claim: nothing is allocated by it, and more than deflate can make
 * of what is there is a lie (RFC 1951: 258 bytes of two bits). zstd may make anything of next to nothing: what is
 * unpacked is work, and there is an end to that.
 */

#include "inflater.h"

#include <stdlib.h>
#include <string.h>

#include "cprof/base/vec.h"
#include "cprof/elf_unpack.h"
#include "whole.h"

#define RATIO_MAX 1032
#define CHUNK_SZ ((size_t)64 << 10)
#define CHUNKS_MAX 48
#define CHUNKS_SETTLED 16
#define PIECE_SZ ((size_t)16 << 10)
#define POINTS_MAX 64
#define POINT_BYTES ((size_t)48 << 10)
#define SPACING_MIN ((uint64_t)256 << 10)
/* A byte that comes out takes as long as so many that are looked at. */
#define BYTE_WORK 4
#define BYTE_WORK_ZSTD 1
/* By zstd. */
#define CHUNKS_ZSTD_MAX 512

struct chunk {
	uint64_t number;
	uint64_t used;
	uint8_t *bytes; /* CHUNK_SZ */
};

struct point {
	uint64_t in;
	uint64_t out;
	struct elf_unpack *u;
};

struct inflater {
	const struct elf_file *file;
	struct ledger *ledger;
	uint64_t offset;
	uint64_t packed;
	uint64_t size;
	uint64_t spacing; /* of points */
	uint64_t in;	  /* the next byte that is read of what is packed */
	uint64_t out;	  /* the next byte that comes */
	enum elf_packing packing;
	struct elf_unpack *u; /* NULL: there is no stream now */
	size_t u_bytes;	      /* of it, that the ledger knows of, also for the next one */
	struct elf_unpack_io io;
	VEC(struct point *) points;
	VEC(struct chunk) chunks;
	struct whole whole;
	uint64_t clock;
	size_t bytes; /* that the ledger knows of */
	uint8_t *
		piece; /* PIECE_SZ, of what is packed; NULL: there is no stream, or it read nothing yet */
};

static int keep(struct inflater *in, size_t bytes)
{
	int r = ledger_keep(in->ledger, bytes);

	if (r == 0)
		in->bytes += bytes;
	return r;
}

int inflater_new(const struct elf_file *f, const struct elf_section *e, struct ledger *ledger,
		 struct inflater **ret)
{
	_cleanup_(inflater_freep) struct inflater *in = NULL;
	uint64_t points;
	int r;

	if (e->packing == ELF_ZLIB && e->plain_sz / RATIO_MAX > e->sz)
		return -EBADMSG;
	in = calloc(1, sizeof(*in));
	if (!in)
		return -ENOMEM;
	in->file = f;
	in->ledger = ledger;
	in->offset = e->offset;
	in->packed = e->sz;
	in->size = e->plain_sz;
	in->packing = e->packing;
	in->whole = (struct whole){
		.file = f,
		.offset = e->offset,
		.packed = e->sz,
		.size = e->plain_sz,
		.packing = e->packing,
	};
	/* Together they leave room for as much again. */
	points = MAX(MIN(ledger->bytes_max / 2 / POINT_BYTES, (size_t)POINTS_MAX), (size_t)1);
	in->spacing = MAX(in->size / points, SPACING_MIN);
	r = keep(in, sizeof(*in));
	if (r < 0)
		return r;
	*ret = TAKE_PTR(in);
	return 0;
}

static void stop(struct inflater *in)
{
	in->u = elf_unpack_free(in->u);
}

static void drop_chunks(struct inflater *in, size_t left)
{
	while (in->chunks.cnt > left) {
		free(in->chunks.v[--in->chunks.cnt].bytes);
		ledger_drop(in->ledger, CHUNK_SZ);
		in->bytes -= CHUNK_SZ;
	}
}

struct inflater *inflater_free(struct inflater *in)
{
	if (!in)
		return NULL;
	stop(in);
	whole_rest(&in->whole, in->ledger);
	for (size_t i = 0; i < in->points.cnt; i++) {
		elf_unpack_free(in->points.v[i]->u);
		free(in->points.v[i]);
	}
	drop_chunks(in, 0);
	free(in->piece);
	vec_done(&in->points);
	vec_done(&in->chunks);
	ledger_drop(in->ledger, in->bytes + in->u_bytes);
	free(in);
	return NULL;
}

/* Goes on from the last point at or before @out, or from the beginning. */
static int rewind_to(struct inflater *in, uint64_t out)
{
	struct point *best = NULL;
	int r;

	for (size_t i = 0; i < in->points.cnt && in->points.v[i]->out <= out; i++)
		best = in->points.v[i];
	if (in->u && in->out <= out && (!best || in->out >= best->out))
		return 0;
	stop(in);
	r = best ? elf_unpack_copy(best->u, &in->u) : elf_unpack_new(in->packing, &in->u);
	if (r < 0)
		return r;
	in->in = best ? best->in : 0;
	in->out = best ? best->out : 0;
	in->io.in_sz = 0;
	return 0;
}

/* Where no room is, or no memory, there is no point, and it takes longer. */
static void maybe_add_point(struct inflater *in)
{
	uint64_t last = in->points.cnt > 0 ? in->points.v[in->points.cnt - 1]->out : 0;
	_cleanup_free_ struct point *p = NULL;

	/* What comes out needs room, too. */
	if (in->packing != ELF_ZLIB || in->out < last + in->spacing ||
	    in->points.cnt == POINTS_MAX ||
	    in->ledger->bytes_max - in->ledger->bytes < POINT_BYTES + CHUNK_SZ ||
	    vec_reserve(&in->points, 1) < 0)
		return;
	p = malloc(sizeof(*p));
	if (!p || keep(in, POINT_BYTES) < 0)
		return;
	p->in = in->in - in->io.in_sz;
	p->out = in->out;
	if (elf_unpack_copy(in->u, &p->u) == 0)
		in->points.v[in->points.cnt++] = TAKE_PTR(p);
}

static int fill(struct inflater *in)
{
	size_t sz = (size_t)MIN(in->packed - in->in, (uint64_t)PIECE_SZ);
	int r;

	if (sz == 0)
		return -EBADMSG;
	in->piece = in->piece ? in->piece : malloc(PIECE_SZ);
	if (!in->piece)
		return -ENOMEM;
	r = elf_file_read(in->file, in->offset + in->in, in->piece, sz);
	if (r < 0)
		return r;
	in->in += sz;
	in->io.in = in->piece;
	in->io.in_sz = sz;
	return 0;
}

/* What the stream took in memory since then. */
static int keep_stream(struct inflater *in)
{
	size_t bytes = elf_unpack_bytes(in->u);
	int r;

	if (bytes <= in->u_bytes)
		return 0;
	r = ledger_keep(in->ledger, bytes - in->u_bytes);
	if (r == 0)
		in->u_bytes = bytes;
	return r;
}

/* The next @sz bytes; it ends no earlier than where it was said to. */
static int unpack_next(struct inflater *in, uint8_t *dst, size_t sz)
{
	int work = in->packing == ELF_ZLIB ? BYTE_WORK : BYTE_WORK_ZSTD;
	int ended = 0, r = ledger_spend(in->ledger, sz * (uint64_t)work);

	if (r < 0)
		return r;
	in->io.out = dst;
	in->io.out_sz = sz;
	while (r == 0 && in->io.out_sz > 0) {
		size_t left = in->io.out_sz;

		/* It may have more than there was room for. */
		ended = elf_unpack_run(in->u, &in->io);
		if (ended < 0)
			r = ended;
		else if (ended > 0 && in->packing == ELF_ZLIB && in->io.out_sz > 0)
			r = -EBADMSG;
		else
			r = keep_stream(in);
		if (r == 0 && in->io.in_sz == 0 && in->io.out_sz == left)
			r = fill(in);
	}
	in->out += sz;
	if (r < 0)
		stop(in);
	else if (!ended)
		maybe_add_point(in);
	return r;
}

static bool has_plenty(const struct inflater *in)
{
	return in->ledger->bytes < in->ledger->bytes_max / 2;
}

static struct chunk *oldest_chunk(struct inflater *in)
{
	struct chunk *oldest = in->chunks.cnt > 0 ? &in->chunks.v[0] : NULL;

	for (size_t i = 1; i < in->chunks.cnt; i++) {
		if (in->chunks.v[i].used < oldest->used)
			oldest = &in->chunks.v[i];
	}
	return oldest;
}

static bool may_add_chunk(const struct inflater *in)
{
	if (in->chunks.cnt >= (in->packing == ELF_ZLIB ? CHUNKS_MAX : CHUNKS_ZSTD_MAX))
		return false;
	return in->chunks.cnt < CHUNKS_MAX || has_plenty(in);
}

static int add_chunk(struct inflater *in, struct chunk **ret)
{
	struct chunk c = { .number = UINT64_MAX };
	int r = vec_reserve(&in->chunks, 1);

	if (r == 0)
		r = keep(in, CHUNK_SZ);
	if (r < 0)
		return r;
	c.bytes = malloc(CHUNK_SZ);
	if (!c.bytes)
		return -ENOMEM;
	in->chunks.v[in->chunks.cnt++] = c;
	*ret = &in->chunks.v[in->chunks.cnt - 1];
	return 0;
}

/* One that has nothing: also a new one, or the one that was not used for longest. */
static int free_chunk(struct inflater *in, struct chunk **ret)
{
	int r = 0;

	for (size_t i = 0; i < in->chunks.cnt; i++) {
		if (in->chunks.v[i].number == UINT64_MAX) {
			*ret = &in->chunks.v[i];
			return 0;
		}
	}
	r = may_add_chunk(in) ? add_chunk(in, ret) : -EFBIG;
	if (r != -EFBIG || in->chunks.cnt == 0)
		return r;
	*ret = oldest_chunk(in);
	return 0;
}

/* The stream is where it begins. */
static int fill_chunk(struct inflater *in, struct chunk **ret)
{
	uint64_t start = in->out;
	struct chunk *c = NULL;
	int r = free_chunk(in, &c);

	if (r < 0)
		return r;
	c->number = UINT64_MAX;
	r = unpack_next(in, c->bytes, (size_t)MIN(in->size - start, (uint64_t)CHUNK_SZ));
	if (r < 0)
		return r;
	c->number = start / CHUNK_SZ;
	c->used = ++in->clock;
	*ret = c;
	return 0;
}

/* As far as that; into what is filled next, for new memory costs as much as what is unpacked into it. */
static int skip_chunk(struct inflater *in, uint64_t start)
{
	struct chunk *c = NULL;
	int r = free_chunk(in, &c);

	if (r < 0)
		return r;
	c->number = UINT64_MAX;
	return unpack_next(in, c->bytes, (size_t)MIN(start - in->out, (uint64_t)CHUNK_SZ));
}

/* Is what it goes over to be kept, and was not yet? */
static bool is_kept(const struct inflater *in)
{
	if (in->packing == ELF_ZLIB || in->chunks.cnt >= CHUNKS_ZSTD_MAX || !has_plenty(in))
		return false;
	for (size_t i = 0; i < in->chunks.cnt; i++) {
		if (in->chunks.v[i].number == in->out / CHUNK_SZ)
			return false;
	}
	return true;
}

static int load_chunk(struct inflater *in, uint64_t number, struct chunk **ret)
{
	uint64_t start = number * CHUNK_SZ;
	int r = rewind_to(in, start);

	while (r == 0 && in->out < start)
		r = is_kept(in) ? fill_chunk(in, ret) : skip_chunk(in, start);
	return r < 0 ? r : fill_chunk(in, ret);
}

static int find_chunk(struct inflater *in, uint64_t number, struct chunk **ret)
{
	for (size_t i = 0; i < in->chunks.cnt; i++) {
		if (in->chunks.v[i].number == number) {
			*ret = &in->chunks.v[i];
			return 0;
		}
	}
	return load_chunk(in, number, ret);
}

static int compare_used(const void *pa, const void *pb)
{
	const struct chunk *a = pa, *b = pb;

	return CMP(b->used, a->used);
}

void inflater_settle(struct inflater *in)
{
	if (in->packing != ELF_ZLIB || in->chunks.cnt <= CHUNKS_SETTLED)
		return;
	qsort(in->chunks.v, in->chunks.cnt, sizeof(*in->chunks.v), compare_used);
	drop_chunks(in, CHUNKS_SETTLED);
}

void inflater_rest(struct inflater *in)
{
	if (in->packing != ELF_ZLIB)
		return;
	whole_rest(&in->whole, in->ledger);
	stop(in);
	drop_chunks(in, 0);
	vec_done(&in->chunks);
	free(TAKE_PTR(in->piece));
	ledger_drop(in->ledger, in->u_bytes);
	in->u_bytes = 0;
}

int inflater_read(struct inflater *in, uint64_t offset, void *dst, size_t sz)
{
	if (whole_has(&in->whole, in->ledger)) {
		memcpy(dst, in->whole.bytes + offset, sz);
		return 0;
	}
	for (size_t done = 0, n; done < sz; done += n) {
		size_t at = (size_t)((offset + done) % CHUNK_SZ);
		struct chunk *c;
		int r = find_chunk(in, (offset + done) / CHUNK_SZ, &c);

		if (r < 0)
			return r;
		c->used = ++in->clock;
		n = MIN(sz - done, CHUNK_SZ - at);
		memcpy((char *)dst + done, c->bytes + at, n);
	}
	return 0;
}
