/* SPDX-License-Identifier: Apache-2.0 */

/* A short list: it is looked at when something new is kept, and that is rare. */

#include "cprof/base/share.h"

#include "cprof/base/cleanup.h"

static uint32_t find(const struct shares *s, uint32_t uid)
{
	uint32_t i = 0;

	while (i < s->cnt && s->v[i].uid != uid)
		i++;
	return i;
}

size_t shares_of(const struct shares *s, uint32_t uid)
{
	uint32_t i = find(s, uid);

	if (uid == 0)
		return s->root;
	if (i < s->cnt)
		return s->v[i].taken;
	return s->cnt < SHARE_MAX ? 0 : s->rest;
}

bool shares_allow(const struct shares *s, uint32_t uid, size_t sz, size_t max)
{
	size_t left = s->total < max ? max - s->total : 0;

	if (sz > left)
		return false;
	if (uid == 0)
		return true;
	if (s->total - s->root + sz > max / 4 * 3)
		return false;
	return s->total + sz <= max / 2 || shares_of(s, uid) + sz <= max / 4;
}

void shares_take(struct shares *s, uint32_t uid, size_t sz)
{
	uint32_t i = find(s, uid);

	s->total += sz;
	if (uid == 0) {
		s->root += sz;
	} else if (i < s->cnt) {
		s->v[i].taken += sz;
	} else if (s->cnt < SHARE_MAX) {
		s->v[s->cnt++] = (struct share){ .uid = uid, .taken = sz };
	} else {
		s->rest += sz;
	}
}

/* One that was counted with the rest and has a place by now gives back no more than it has here. */
void shares_give_back(struct shares *s, uint32_t uid, size_t sz)
{
	uint32_t i = find(s, uid);
	size_t *from = uid == 0 ? &s->root : i < s->cnt ? &s->v[i].taken : &s->rest;
	size_t own = MIN(sz, *from);

	*from -= own;
	s->rest -= MIN(sz - own, s->rest);
	s->total -= MIN(sz, s->total);
	if (uid != 0 && i < s->cnt && s->v[i].taken == 0)
		s->v[i] = s->v[--s->cnt];
}
