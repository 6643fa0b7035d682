/* SPDX-License-Identifier: Apache-2.0 */

/*
 * starts — see its header. A bucket from which n tokens are missing is full again when they have come back,
 * one after the other: that time is all that is kept, taking one moves it on, and nothing has to be
 * filled. A user whose bucket is full is like one that was never seen, and is forgotten first.
 */

#include "starts.h"

#include <assert.h>

#include "cprof/base/cleanup.h"

/* Until a user's bucket is full, so many tokens of all can have gone: each to another user at most. */
static_assert(STARTS_OF_ALL + STARTS_OF_ONE * STARTS_OF_ONE_EVERY_NS / STARTS_OF_ALL_EVERY_NS <
		      STARTS_USERS_MAX,
	      "a user would be forgotten whose bucket is not full");

static unsigned int add_user(struct starts *s, uint32_t uid)
{
	unsigned int at = 0;

	if (s->users_cnt < STARTS_USERS_MAX) {
		at = s->users_cnt++;
	} else {
		for (unsigned int i = 1; i < STARTS_USERS_MAX; i++) {
			if (s->users[i].full_ns < s->users[at].full_ns)
				at = i;
		}
	}
	s->users[at].uid = uid;
	s->users[at].full_ns = 0;
	return at;
}

static uint64_t *bucket_of(struct starts *s, uint32_t uid)
{
	unsigned int at = 0;

	while (at < s->users_cnt && s->users[at].uid != uid)
		at++;
	if (at == s->users_cnt)
		at = add_user(s, uid);
	return &s->users[at].full_ns;
}

/* Until one of the @cnt tokens is there; 0: now. */
static uint64_t wait_ns(uint64_t full_ns, unsigned int cnt, uint64_t every_ns, uint64_t now_ns)
{
	const uint64_t missing_ns = full_ns - MIN(full_ns, now_ns);

	return missing_ns - MIN(missing_ns, (cnt - 1) * every_ns);
}

bool starts_take(struct starts *s, uint32_t uid, uint64_t now_ns, struct starts_wait *ret)
{
	uint64_t *own_full_ns = bucket_of(s, uid);
	const uint64_t own = wait_ns(*own_full_ns, STARTS_OF_ONE, STARTS_OF_ONE_EVERY_NS, now_ns);
	const uint64_t all = wait_ns(s->all_full_ns, STARTS_OF_ALL, STARTS_OF_ALL_EVERY_NS, now_ns);

	if (own > 0 || all > 0) {
		ret->ns = MAX(own, all);
		ret->is_of_all = all > own;
		return false;
	}
	*own_full_ns = MAX(*own_full_ns, now_ns) + STARTS_OF_ONE_EVERY_NS;
	s->all_full_ns = MAX(s->all_full_ns, now_ns) + STARTS_OF_ALL_EVERY_NS;
	return true;
}
