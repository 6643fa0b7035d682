/* SPDX-License-Identifier: Apache-2.0 */

/* The list is short, so it is searched from end to end; whoever is refused costs no more than that. */

#include "places.h"

#include <assert.h>

static enum places_answer take_other(struct places *p, uint32_t uid)
{
	uint32_t mine = 0;

	for (uint32_t i = 0; i < p->others_cnt; i++)
		mine += p->uids[i] == uid;
	if (mine >= p->limits.per_uid)
		return PLACES_USER_FULL;
	if (p->others_cnt >= p->limits.others)
		return PLACES_FULL;
	p->uids[p->others_cnt++] = uid;
	return PLACES_OK;
}

enum places_answer places_take(struct places *p, const struct peer *peer)
{
	uint32_t room = p->limits.privileged - (peer->uid == 0 ? 0 : p->limits.root);

	assert(p->limits.others <= PLACES_OTHERS_MAX && p->limits.root <= p->limits.privileged);

	if (!peer->privileged)
		return take_other(p, peer->uid);
	if (p->privileged_cnt >= room)
		return PLACES_FULL;
	p->privileged_cnt++;
	return PLACES_OK;
}

void places_give(struct places *p, const struct peer *peer)
{
	if (peer->privileged) {
		assert(p->privileged_cnt > 0);
		p->privileged_cnt--;
		return;
	}
	for (uint32_t i = 0; i < p->others_cnt; i++) {
		if (p->uids[i] != peer->uid)
			continue;
		p->uids[i] = p->uids[--p->others_cnt];
		return;
	}
	assert(false);
}
