/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * words — stores into memory that walks read at the same time.
 *
 * They are atomic one by one and in no order: what orders them is gen (publish.h). @sz is a multiple of 4.
 */

#include <stddef.h>
#include <stdint.h>

typedef uint32_t words_word __attribute__((may_alias));

static inline void words_store(void *to, const void *from, size_t sz)
{
	words_word *dst = to;
	const words_word *src = from;

	for (size_t i = 0; i < sz / sizeof(*dst); i++)
		__atomic_store_n(&dst[i], src[i], __ATOMIC_RELAXED);
}
