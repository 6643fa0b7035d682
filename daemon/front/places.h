/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * places: so many at a time, with a share for each user, and room that strangers cannot take: members
 * of the control group have places of their own, and of these the last are root's.
 */

#include <stdbool.h>
#include <stdint.h>

#define PLACES_OTHERS_MAX 64

struct peer {
	uint32_t uid;
	bool privileged; /* root, or of the control group */
};

struct places_limits {
	uint32_t others; /* at most PLACES_OTHERS_MAX */
	uint32_t per_uid;
	uint32_t privileged; /* besides */
	uint32_t root;	     /* of those, root's alone */
};

struct places {
	struct places_limits limits;
	uint32_t uids[PLACES_OTHERS_MAX]; /* of those that others have */
	uint32_t others_cnt;
	uint32_t privileged_cnt;
};

enum places_answer { PLACES_OK, PLACES_USER_FULL, PLACES_FULL };

enum places_answer places_take(struct places *p, const struct peer *peer);
/* With the same peer as it was taken. */
void places_give(struct places *p, const struct peer *peer);
