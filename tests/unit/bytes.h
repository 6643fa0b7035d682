/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * bytes — memory as parsers of unwinding information read it, by a callback (cprof/cfi.h, cprof/gopclntab.h).
 * They were told its size: who asks for what is beyond has a defect.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
	const uint8_t *p;
	size_t sz;
};

static inline int bytes_read(void *ctx, uint64_t offset, void *dst, size_t sz)
{
	const struct bytes *b = ctx;

	if (offset > b->sz || sz > b->sz - offset) {
		fprintf(stderr, "%zu bytes were asked for from %llu on, of %zu\n", sz,
			(unsigned long long)offset, b->sz);
		abort();
	}
	memcpy(dst, b->p + offset, sz);
	return 0;
}
