/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* window — a place in bytes that are read in pieces. Each table that is walked along has its own. */

#include <stdbool.h>

#include "cprof/gopclntab.h"

#define WINDOW_SZ 4096

struct window {
	const struct gopclntab_bytes *bytes;
	uint64_t start;
	size_t cnt;
	uint8_t buf[WINDOW_SZ];
};

void window_init(struct window *w, const struct gopclntab_bytes *bytes);
/*
 * Up to @sz bytes (at most WINDOW_SZ) from @offset on, good until the next call; *ret_sz is less where the
 * bytes end. 0 or -errno of the read.
 */
int window_peek(struct window *w, uint64_t offset, size_t sz, const uint8_t **ret, size_t *ret_sz);
/* All of it into @dst: 0; -EBADMSG: it is not all there; -errno of the read. */
int window_copy(struct window *w, uint64_t offset, void *dst, size_t sz);
