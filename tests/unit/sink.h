/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sink — takes a file as it is written, up to the byte at which it has no more room. */

#include <errno.h>

#include "check.h"
#include "cprof/base/vec.h"

struct sink {
	VEC(uint8_t) v;
	size_t fail_at; /* 0: never */
};

static int sink_write(const void *bytes, size_t sz, void *ctx)
{
	struct sink *s = ctx;

	if (s->fail_at && s->v.cnt + sz >= s->fail_at)
		return -ENOSPC;
	CHECK_EQ(vec_reserve(&s->v, sz), 0);
	memcpy(s->v.v + s->v.cnt, bytes, sz);
	s->v.cnt += sz;
	return 0;
}
