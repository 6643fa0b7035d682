/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * wire-fixture — messages at the end of exactly sized memory, so that a read beyond them is seen by
 * AddressSanitizer.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cprof/base/cleanup.h"
#include "cprof/wire.h"

/* Checks a copy that has just these bytes. */
static inline int check_copy(const void *msg, size_t sz)
{
	_cleanup_free_ void *copy = malloc(sz > 0 ? sz : 1);

	CHECK(copy);
	memcpy(copy, msg, sz);
	return wire_check(copy, sz);
}

static inline void *message(size_t sz, uint16_t type)
{
	struct wire_head *h = calloc(1, sz);

	CHECK(h);
	h->size = (uint32_t)sz;
	h->type = type;
	return h;
}

/* At its right size it passes; a byte less or more, or a head that says something else, does not. */
static inline void check_sizes(const void *msg, size_t sz, int type)
{
	_cleanup_free_ char *m = calloc(1, sz + 8);
	struct wire_head *h = (struct wire_head *)m;

	CHECK(m);
	memcpy(m, msg, sz);
	CHECK_EQ(check_copy(m, sz), type);
	for (size_t other = 0; other < sz; other++) {
		CHECK_EQ(check_copy(m, other), -EBADMSG);
		h->size = (uint32_t)other;
		CHECK_EQ(check_copy(m, other), -EBADMSG);
		CHECK_EQ(check_copy(m, sz), -EBADMSG);
		h->size = (uint32_t)sz;
	}
	for (size_t other = sz + 1; other <= sz + 8; other++) {
		CHECK_EQ(check_copy(m, other), -EBADMSG);
		h->size = (uint32_t)other;
		CHECK_EQ(check_copy(m, other), -EBADMSG);
		h->size = (uint32_t)sz;
	}
}
