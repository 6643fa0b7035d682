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
#include "cprof/unwind.h"

#define KENV_PIECES_MAX 64

#ifndef __noinline
#define __noinline static __attribute__((noinline))
#endif

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

/* As a walk reads (bpf/walk.h): the image, whatever memory it is told. */
static inline int kenv_read_image(const void *memory, void *dst, size_t sz, __u64 addr)
{
	return kenv_read_user(dst, sz, addr);
}

/* Loads of what other threads store meanwhile. */
#define kenv_load(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define kenv_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define kenv_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)

/* What would be maps of unwinding rows, as large as they are. */
struct kenv_pool {
	struct cprof_unwind_object *objects;
	struct cprof_unwind_page *pages;
	struct cprof_rule *rules;
	__u32 *slabs[CPROF_UNWIND_SLABS_MAX];
};

extern struct kenv_pool kenv_pool;

static inline const struct cprof_unwind_object *kenv_unwind_object(__u32 i)
{
	return i < CPROF_UNWIND_OBJECTS_MAX ? &kenv_pool.objects[i] : NULL;
}

static inline const struct cprof_unwind_page *kenv_unwind_page(__u32 i)
{
	return i < CPROF_UNWIND_PAGES_MAX ? &kenv_pool.pages[i] : NULL;
}

static inline const struct cprof_rule *kenv_unwind_rule(__u32 i)
{
	return i < CPROF_UNWIND_RULES_MAX ? &kenv_pool.rules[i] : NULL;
}

static inline const __u32 *kenv_unwind_slab(__u32 i)
{
	return i < CPROF_UNWIND_SLABS_MAX ? __atomic_load_n(&kenv_pool.slabs[i], __ATOMIC_ACQUIRE)
					  : NULL;
}
