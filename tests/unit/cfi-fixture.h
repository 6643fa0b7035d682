/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cfi-fixture — sections of call frame information, made byte by byte. */

#include <errno.h>
#include <string.h>

#include "cprof/cfi.h"

#define CODE 0x1000ULL		 /* where the code of most tests begins */
#define SECTION_ADDR 0x200000ULL /* where .eh_frame lies */

struct cfi_bytes {
	uint8_t v[32768];
	size_t cnt;
	size_t open; /* the entry that is being written: its length field */
	size_t cie;  /* the last CIE */
	bool debug;
};

static inline void put(struct cfi_bytes *b, uint64_t v, size_t sz)
{
	memcpy(b->v + b->cnt, &v, sz);
	b->cnt += sz;
}

static inline void put_bytes(struct cfi_bytes *b, const void *p, size_t sz)
{
	memcpy(b->v + b->cnt, p, sz);
	b->cnt += sz;
}

#define PUT(b, ...) \
	put_bytes(b, (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static inline void close_entry(struct cfi_bytes *b)
{
	uint32_t len = (uint32_t)(b->cnt - b->open - 4);

	memcpy(b->v + b->open, &len, sizeof(len));
}

/* Up to the instructions. */
static inline void open_cie(struct cfi_bytes *b, const char *augmentation)
{
	b->open = b->cie = b->cnt;
	put(b, 0, 4);
	put(b, b->debug ? UINT32_MAX : 0, 4);
	put(b, 1, 1);
	put_bytes(b, augmentation, strlen(augmentation) + 1);
	PUT(b, 1, 0x78, 16); /* code 1, data -8, return address in column 16 */
	if (strcmp(augmentation, "zR") == 0)
		PUT(b, 1, 0x1b); /* pcrel sdata4 */
	else if (strcmp(augmentation, "zRS") == 0)
		PUT(b, 1, 0x1b);
}

/* As every compiler's: the CFA is rsp + 8, the return address at CFA - 8. */
static inline void put_cie(struct cfi_bytes *b, const char *augmentation)
{
	open_cie(b, augmentation);
	PUT(b, 0x0c, 7, 8, 0x90, 1);
	close_entry(b);
}

static inline void open_fde(struct cfi_bytes *b, uint64_t start, uint64_t len)
{
	b->open = b->cnt;
	put(b, 0, 4);
	put(b, b->debug ? b->cie : b->cnt - b->cie, 4);
	if (b->debug) {
		put(b, start, 8);
		put(b, len, 8);
	} else {
		put(b, start - (SECTION_ADDR + b->cnt), 4);
		put(b, len, 4);
		put(b, 0, 1);
	}
}

static inline int read_bytes(void *ctx, uint64_t offset, void *dst, size_t sz)
{
	const struct cfi_bytes *b = ctx;

	if (offset > b->cnt || sz > b->cnt - offset)
		return -EIO;
	memcpy(dst, b->v + offset, sz);
	return 0;
}

static inline struct cfi_section section_of(struct cfi_bytes *b)
{
	return (struct cfi_section){
		.read = read_bytes,
		.ctx = b,
		.size = b->cnt,
		.addr = SECTION_ADDR,
		.debug = b->debug,
	};
}
