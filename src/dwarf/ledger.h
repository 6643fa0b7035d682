/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ledger — what may still be done and kept. Failures within this module are -errno: -EBADMSG the bytes are
 * wrong, -E2BIG no more work may be done for now, -EFBIG no more may be kept, -EOPNOTSUPP a form that is not
 * read, -ENOENT there is none, -ESTALE the list of all units is needed, and is not there yet; anything else is the system's.
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

struct ledger {
	uint64_t work; /* left */
	size_t bytes;  /* kept */
	size_t bytes_max;
	size_t whole_max; /* packed sections up to this size are unpacked at once (whole.h) */
};

static inline int ledger_spend(struct ledger *l, uint64_t work)
{
	if (work > l->work) {
		l->work = 0;
		return -E2BIG;
	}
	l->work -= work;
	return 0;
}

static inline int ledger_keep(struct ledger *l, size_t bytes)
{
	if (bytes > l->bytes_max - l->bytes)
		return -EFBIG;
	l->bytes += bytes;
	return 0;
}

/* Of what was *@bytes and has grown to @now. */
static inline int ledger_keep_up(struct ledger *l, size_t *bytes, size_t now)
{
	int r = now > *bytes ? ledger_keep(l, now - *bytes) : 0;

	if (r == 0 && now > *bytes)
		*bytes = now;
	return r;
}

static inline void ledger_drop(struct ledger *l, size_t bytes)
{
	l->bytes -= bytes;
}
