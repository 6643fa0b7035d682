/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names are most of a table: of a large C++ or Rust library 100 bytes each, against some 4 of a range, and
 * very alike. So many of them are packed, by blocks of 16 KiB, to a quarter: a name is then had in some
 * 5 us, and neighbours, which are asked for together, in none. Small tables stay as they are: there
 * are many of them, and there is little to be had. LZ4, for of a large file few names are ever asked for:
 * zlib packs to a fifth, and takes five times as long.
 *
 * A number is a place in the text as it would be unpacked; no name lies in two blocks.
 */

#include "texts.h"

#include <assert.h>
#include <errno.h>
#include <lz4.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/symtab.h"

#define BLOCK_SZ 16384
#define PACK_ACCELERATION 1 /* the least */

_Static_assert(SYMTAB_NAME_MAX < BLOCK_SZ, "a name fits into a block");

struct texts_block {
	uint32_t idx; /* UINT32_MAX: none yet */
	char bytes[BLOCK_SZ];
};

struct texts_writer {
	struct texts texts;
	struct texts_limits limits;
	size_t at;   /* in the text */
	size_t room; /* of plain text */
	void *state; /* LZ4's; set when it packs */
	char block[BLOCK_SZ];
};

struct texts_writer *texts_writer_free(struct texts_writer *w)
{
	if (!w)
		return NULL;
	free(w->state);
	texts_done(&w->texts);
	free(w);
	return NULL;
}

int texts_writer_new(size_t sz, const struct texts_limits *limits, struct texts_writer **ret)
{
	_cleanup_(texts_writer_freep) struct texts_writer *w = NULL;

	if (sz > limits->total || sz > UINT32_MAX / 4)
		return SYMTAB_LIMIT;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->limits = *limits;
	w->room = sz;
	if (sz > limits->plain)
		w->state = malloc((size_t)LZ4_sizeofState());
	else if (sz > limits->bytes)
		return SYMTAB_LIMIT;
	else
		w->texts.plain = malloc(MAX(sz, (size_t)1));
	if (!w->state && !w->texts.plain)
		return -ENOMEM;
	*ret = TAKE_PTR(w);
	return 0;
}

/* The block as far as it is filled. */
static int pack(struct texts_writer *w)
{
	struct texts *t = &w->texts;
	int filled = (int)((w->at - 1) % BLOCK_SZ + 1), most = LZ4_compressBound(filled), packed;
	int r;

	if (t->packed.cnt + (size_t)most > w->limits.bytes)
		return SYMTAB_LIMIT;
	r = vec_reserve(&t->packed, (size_t)most);
	if (r == 0)
		r = vec_push(&t->blocks, (uint32_t)t->packed.cnt);
	if (r < 0)
		return r;
	packed = LZ4_compress_fast_extState(w->state, w->block, (char *)t->packed.v + t->packed.cnt,
					    filled, most, PACK_ACCELERATION);
	if (packed <= 0)
		return -ENOMEM;
	t->packed.cnt += (size_t)packed;
	return 0;
}

/* Begins the next block where the name has no room in this one. */
static int make_room(struct texts_writer *w, size_t sz)
{
	size_t filled = w->at % BLOCK_SZ;
	int r = 0;

	if (w->at > 0 && (filled == 0 || filled + sz > BLOCK_SZ))
		r = pack(w);
	if (r == 0 && filled + sz > BLOCK_SZ)
		w->at += BLOCK_SZ - filled;
	return r;
}

int texts_write(struct texts_writer *w, const char *text, size_t len, uint32_t *ret_id)
{
	char *to;
	int r;

	assert(len <= SYMTAB_NAME_MAX && len < w->room);

	w->room -= len + 1;
	if (w->state) {
		r = make_room(w, len + 1);
		if (r != 0)
			return r;
		to = w->block + w->at % BLOCK_SZ;
	} else {
		to = w->texts.plain + w->at;
	}
	memcpy(to, text, len);
	to[len] = '\0';
	*ret_id = (uint32_t)w->at;
	w->at += len + 1;
	return 0;
}

/* Gives back what growing took too much. */
static int fit(struct texts *t)
{
	uint8_t *packed = realloc(t->packed.v, t->packed.cnt);
	uint32_t *blocks = realloc(t->blocks.v, t->blocks.cnt * sizeof(*blocks));

	t->packed.v = packed ? packed : t->packed.v;
	t->blocks.v = blocks ? blocks : t->blocks.v;
	t->unpacked = malloc(sizeof(*t->unpacked));
	if (!t->unpacked)
		return -ENOMEM;
	t->unpacked->idx = UINT32_MAX;
	return 0;
}

int texts_finish(struct texts_writer *w, struct texts *ret)
{
	int r = 0;

	w->texts.plain_sz = w->state ? 0 : w->at;
	if (w->state && w->at > 0)
		r = pack(w);
	if (r == 0 && w->texts.packed.cnt > 0)
		r = fit(&w->texts);
	if (r == 0) {
		*ret = w->texts;
		w->texts = (struct texts){ 0 };
	}
	(void)texts_writer_free(w);
	return r;
}

static bool unpack(const struct texts *t, uint32_t idx)
{
	size_t end = idx + 1 < t->blocks.cnt ? t->blocks.v[idx + 1] : t->packed.cnt;
	struct texts_block *b = t->unpacked;
	const char *packed = (const char *)t->packed.v + t->blocks.v[idx];

	if (b->idx == idx)
		return true;
	b->idx = UINT32_MAX;
	if (LZ4_decompress_safe(packed, b->bytes, (int)(end - t->blocks.v[idx]), BLOCK_SZ) <= 0)
		return false;
	b->idx = idx;
	return true;
}

const char *texts_get(const struct texts *t, uint32_t id)
{
	if (t->plain)
		return t->plain + id;
	return unpack(t, id / BLOCK_SZ) ? t->unpacked->bytes + id % BLOCK_SZ : NULL;
}

size_t texts_bytes(const struct texts *t)
{
	return t->plain_sz + t->packed.cnt + t->blocks.cnt * sizeof(*t->blocks.v) +
	       (t->unpacked ? sizeof(*t->unpacked) : 0);
}

void texts_done(struct texts *t)
{
	free(t->plain);
	free(t->unpacked);
	vec_done(&t->packed);
	vec_done(&t->blocks);
	*t = (struct texts){ 0 };
}
