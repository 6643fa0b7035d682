/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * kenv-host — the BPF logic's environment on the host: memory is an image made by the test.
 *
 * A read succeeds when it lies wholly in one piece of the image; anything else is a fault, as it
 * would be in the kernel.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "cprof/abi.h"

#define KENV_PIECES_MAX 64

struct kenv_piece {
	__u64 addr;
	const void *bytes;
	size_t sz;
};

struct kenv_image {
	struct kenv_piece pieces[KENV_PIECES_MAX];
	unsigned int cnt;
};

extern struct kenv_image kenv_image;

static inline int kenv_read(void *dst, size_t sz, __u64 addr)
{
	for (unsigned int i = 0; i < kenv_image.cnt; i++) {
		const struct kenv_piece *p = &kenv_image.pieces[i];

		if (addr >= p->addr && addr - p->addr <= p->sz && sz <= p->sz - (addr - p->addr)) {
			memcpy(dst, (const char *)p->bytes + (addr - p->addr), sz);
			return 0;
		}
	}
	memset(dst, 0, sz);
	return -14;
}

static inline void kenv_map(__u64 addr, const void *bytes, size_t sz)
{
	kenv_image.pieces[kenv_image.cnt++] = (struct kenv_piece){ addr, bytes, sz };
}

#define kenv_read_kernel(dst, sz, addr) kenv_read((dst), (sz), (addr))
#define kenv_read_user(dst, sz, addr) kenv_read((dst), (sz), (addr))
