/* SPDX-License-Identifier: Apache-2.0 */

/* elf-reads — see its header. */

#include "elf-reads.h"

#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"

#define BLOCK_SZ ((size_t)4096)
#define BLOCKS_SHIFT 4
#define BLOCKS_CNT (1u << BLOCKS_SHIFT)

struct block {
	uint64_t number; /* in the file, and one more; 0: none */
	size_t sz;	 /* less than a block at the file's end */
};

struct elf_reads {
	struct block v[BLOCKS_CNT];
	uint8_t *bytes; /* of all of them; NULL: none are kept */
};

struct elf_reads *elf_reads_new(void)
{
	return calloc(1, sizeof(struct elf_reads));
}

struct elf_reads *elf_reads_free(struct elf_reads *r)
{
	if (r)
		free(r->bytes);
	free(r);
	return NULL;
}

void elf_reads_keep(struct elf_reads *r)
{
	if (!r->bytes)
		r->bytes = malloc(BLOCKS_CNT * BLOCK_SZ);
}

void elf_reads_rest(struct elf_reads *r)
{
	free(r->bytes);
	*r = (struct elf_reads){ 0 };
}

/* The only one that a block may be in: what is searched by halves has its first steps in few blocks far apart. */
static size_t place_of(uint64_t number)
{
	return (number * 0x9e3779b97f4a7c15ull) >> (64 - BLOCKS_SHIFT);
}

/* *ret: its first byte. How many it has, or -errno. */
static ssize_t block_get(struct elf_reads *r, int fd, uint64_t number, const uint8_t **ret)
{
	const size_t place = place_of(number);
	struct block *b = &r->v[place];
	uint8_t *bytes = r->bytes + place * BLOCK_SZ;
	ssize_t n;

	*ret = bytes;
	if (b->number == number + 1)
		return (ssize_t)b->sz;
	b->number = 0;
	n = fd_pread_upto(fd, bytes, BLOCK_SZ, number * BLOCK_SZ);
	if (n < 0)
		return n;
	*b = (struct block){ .number = number + 1, .sz = (size_t)n };
	return n;
}

ssize_t elf_reads_get(struct elf_reads *r, int fd, uint64_t offset, void *dst, size_t sz)
{
	size_t done = 0;

	if (!r || !r->bytes || sz > BLOCK_SZ)
		return fd_pread_upto(fd, dst, sz, offset);
	while (done < sz) {
		const size_t at = (size_t)((offset + done) % BLOCK_SZ);
		const uint8_t *bytes;
		ssize_t have = block_get(r, fd, (offset + done) / BLOCK_SZ, &bytes);
		size_t n;

		if (have < 0)
			return have;
		if ((size_t)have <= at)
			break; /* behind the file's end */
		n = MIN(sz - done, (size_t)have - at);
		memcpy((uint8_t *)dst + done, bytes + at, n);
		done += n;
	}
	return (ssize_t)done;
}
