/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A bitmap, for neighbours that become free are one run in it without further ado, and it is 1/512 of what
 * it stands for. A search goes from the lowest place on; `longest` spares most of those that would fail.
 */

#include "runs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"

int runs_init(struct runs *r, uint32_t cnt)
{
	assert(cnt % 64 == 0);
	r->free = malloc(cnt / 8);
	if (!r->free)
		return -ENOMEM;
	memset(r->free, 0xff, cnt / 8);
	r->cnt = r->left = r->longest = cnt;
	return 0;
}

void runs_done(struct runs *r)
{
	free(r->free);
	*r = (struct runs){ 0 };
}

/* The first place from @at on that is free, or the first that is not; the end if there is none. */
static uint32_t next(const struct runs *r, uint32_t at, bool wanted)
{
	uint64_t flip = wanted ? 0 : UINT64_MAX, word;

	if (at >= r->cnt)
		return r->cnt;
	word = (r->free[at / 64] ^ flip) & UINT64_MAX << at % 64;
	while (word == 0) {
		at = (at / 64 + 1) * 64;
		if (at >= r->cnt)
			return r->cnt;
		word = r->free[at / 64] ^ flip;
	}
	return at / 64 * 64 + (uint32_t)__builtin_ctzll(word);
}

uint32_t runs_find(struct runs *r, uint32_t len)
{
	uint32_t longest = 0;

	if (len == 0 || len > r->left || len > r->longest)
		return RUNS_NONE;
	for (uint32_t at = next(r, 0, true), end; at < r->cnt; at = next(r, end, true)) {
		end = next(r, at, false);
		if (end - at >= len)
			return at;
		longest = MAX(longest, end - at);
	}
	r->longest = longest;
	return RUNS_NONE;
}

static void set(struct runs *r, uint32_t at, uint32_t len, bool is_free)
{
	while (len > 0) {
		uint32_t cnt = MIN(len, 64 - at % 64);
		uint64_t mask = (cnt == 64 ? UINT64_MAX : (UINT64_C(1) << cnt) - 1) << at % 64;

		assert(((is_free ? r->free[at / 64] : ~r->free[at / 64]) & mask) == 0);
		r->free[at / 64] ^= mask;
		at += cnt;
		len -= cnt;
	}
}

void runs_take(struct runs *r, uint32_t at, uint32_t len)
{
	set(r, at, len, false);
	r->left -= len;
}

/* With its neighbours on both sides it is one. */
void runs_give(struct runs *r, uint32_t at, uint32_t len)
{
	set(r, at, len, true);
	r->left += len;
	r->longest = MIN(2 * r->longest + len, r->left);
}
