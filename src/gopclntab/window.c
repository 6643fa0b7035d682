/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is asked for lies mostly a little behind what was asked for before, so a window begins where it was
 * missed and serves a page's worth of questions.
 */

#include "window.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"

void window_init(struct window *w, const struct gopclntab_bytes *bytes)
{
	w->bytes = bytes;
	w->start = 0;
	w->cnt = 0;
}

static bool window_has(const struct window *w, uint64_t offset, size_t sz)
{
	return offset >= w->start && offset - w->start <= w->cnt &&
	       sz <= w->cnt - (size_t)(offset - w->start);
}

int window_peek(struct window *w, uint64_t offset, size_t sz, const uint8_t **ret, size_t *ret_sz)
{
	uint64_t size = w->bytes->size;
	size_t want = offset < size ? (size_t)MIN((uint64_t)sz, size - offset) : 0;
	size_t fill;
	int r;

	if (!window_has(w, offset, want) && want > 0) {
		fill = (size_t)MIN((uint64_t)WINDOW_SZ, size - offset);
		w->cnt = 0;
		r = w->bytes->read(w->bytes->ctx, offset, w->buf, fill);
		if (r < 0)
			return r;
		w->start = offset;
		w->cnt = fill;
	}
	*ret = want > 0 ? w->buf + (offset - w->start) : w->buf;
	*ret_sz = want;
	return 0;
}

int window_copy(struct window *w, uint64_t offset, void *dst, size_t sz)
{
	const uint8_t *p;
	size_t cnt;
	int r = window_peek(w, offset, sz, &p, &cnt);

	if (r < 0)
		return r;
	if (cnt < sz)
		return -EBADMSG;
	memcpy(dst, p, sz);
	return 0;
}
