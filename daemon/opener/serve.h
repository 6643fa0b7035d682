/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* serve: one question of the sampler, answered. It looks into processes for that, and may hang at any step. */

#include <stdint.h>

#include "cprof/base/root.h"
#include "cprof/wire.h"
#include "companion.h"
#include "debug-file.h"
#include "maps.h"

/* Room for any question that the opener is asked. */
union question {
	struct wire_head head;
	struct wire_open open;
	struct debug_request debug;
	struct companion_request companion;
	struct {
		struct wire_maps head;
		uint64_t addresses[WIRE_MAPS_MAX];
	} maps;
};

union reply {
	struct wire_head head;
	struct {
		struct wire_opened head;
		char path[WIRE_PATH_MAX];
	} opened;
	struct wire_debug_opened debug;
	struct wire_companion_opened companion;
	struct maps_answer mapped;
};

struct server {
	struct root root;
	int symbolizer; /* -EBADF: there is none */
};

/* @q passed wire_check(), and is one of OPEN, OPEN_DEBUG, OPEN_COMPANION and MAPS. */
void serve(struct server *s, const union question *q, union reply *ret);

/* The reply that tells nothing but why: WIRE_OPENED_HUNG or WIRE_OPENED_FAILED. */
void serve_none(const union question *q, enum wire_opened_status why, union reply *ret);
