/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fedora and those who build as it does leave a stripped file the symbols of its functions, but for those
 * that .dynsym has: as an ELF file without code, compressed by xz, in a section of its own (GDB manual,
 * "Debugging information in a special section").
 *
 * 642 KB of such a section can stand for 4 GB. So it is decompressed as a stream into room that grows up
 * to a limit and ends there; how much memory the decoder may ask for itself is a limit, too, which it
 * keeps (a dictionary may be 4 GB). The work is bounded by both sizes, since each byte that is read
 * or written costs about the same.
 */

#include "debugdata.h"

#include <errno.h>
#include <lzma.h>

#define PIECE_SZ 16384
#define FIRST_SZ 65536u
/* One more than it may be: who fills that is too much. */
#define ROOM_MAX ((size_t)SYMTAB_DEBUGDATA_MAX + 1)

/* What is there decompressed, and its room. */
struct output {
	uint8_t *bytes;
	size_t sz, room;
};

static int grow(struct output *out, lzma_stream *z)
{
	size_t room = MIN(MAX(2 * out->room, (size_t)FIRST_SZ), ROOM_MAX);
	uint8_t *bytes;

	if (out->room == ROOM_MAX)
		return SYMTAB_LIMIT;
	bytes = realloc(out->bytes, room);
	if (!bytes)
		return -ENOMEM;
	z->next_out = bytes + out->room;
	z->avail_out = room - out->room;
	out->bytes = bytes;
	out->room = room;
	return SYMTAB_OK;
}

/* Of what liblzma says. */
static int outcome_of(lzma_ret status)
{
	switch (status) {
	case LZMA_OK:
	case LZMA_STREAM_END:
		return SYMTAB_OK;
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return SYMTAB_LIMIT;
	default:
		return SYMTAB_BAD;
	}
}

/* SYMTAB_OK, SYMTAB_BAD: damaged, SYMTAB_LIMIT or -errno; in any case out->bytes is the caller's. */
static int decode(const struct elf_image *img, uint64_t offset, uint64_t left, lzma_stream *z,
		  struct output *out)
{
	uint8_t piece[PIECE_SZ];
	lzma_ret status = LZMA_OK;
	int r = SYMTAB_OK;

	while (r == SYMTAB_OK && status == LZMA_OK) {
		if (z->avail_in == 0 && left > 0) {
			size_t n = (size_t)MIN(left, (uint64_t)sizeof(piece));

			r = elf_image_read(img, offset, piece, n);
			z->next_in = piece;
			z->avail_in = n;
			offset += n;
			left -= n;
		}
		if (r == SYMTAB_OK && z->avail_out == 0)
			r = grow(out, z);
		if (r != SYMTAB_OK)
			return r;
		status = lzma_code(z, left > 0 ? LZMA_RUN : LZMA_FINISH);
		r = outcome_of(status);
	}
	out->sz = out->room - z->avail_out;
	return r == SYMTAB_OK && out->sz > SYMTAB_DEBUGDATA_MAX ? SYMTAB_LIMIT : r;
}

/* The same, *ret is set for SYMTAB_OK. */
static int decompress(const struct elf_image *img, const Elf64_Shdr *s, uint8_t **ret,
		      size_t *ret_sz)
{
	lzma_stream z = LZMA_STREAM_INIT;
	struct output out = { 0 };
	int r;

	if (s->sh_size > SYMTAB_DEBUGDATA_PACKED_MAX)
		return SYMTAB_LIMIT;
	r = outcome_of(lzma_stream_decoder(&z, SYMTAB_DEBUGDATA_MEMORY_MAX, 0));
	if (r == SYMTAB_OK)
		r = decode(img, s->sh_offset, s->sh_size, &z, &out);
	lzma_end(&z);
	if (r != SYMTAB_OK) {
		free(out.bytes);
		return r;
	}
	*ret = out.bytes;
	*ret_sz = out.sz;
	return SYMTAB_OK;
}

int debugdata_open(const struct elf_image *img, struct debugdata *ret)
{
	const Elf64_Shdr *s = elf_image_section(img, ".gnu_debugdata");
	size_t sz;
	int r;

	*ret = DEBUGDATA_INIT;
	if (!s || (s->sh_flags & SHF_COMPRESSED))
		return SYMTAB_OK;
	r = decompress(img, s, &ret->bytes, &sz);
	if (r == SYMTAB_OK)
		r = elf_image_init_memory(&ret->img, ret->bytes, sz);
	if (r == SYMTAB_BAD) {
		debugdata_done(ret);
		return SYMTAB_OK;
	}
	return r;
}

void debugdata_done(struct debugdata *d)
{
	elf_image_done(&d->img);
	free(d->bytes);
	*d = DEBUGDATA_INIT;
}
