/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* maps: which mappings hold some addresses of a process, where the kernel's own walk is switched off. */

#include "cprof/base/root.h"
#include "cprof/wire.h"

struct maps_answer {
	struct wire_mapped head;
	struct wire_range ranges[WIRE_MAPS_MAX];
};

/* Fills the answer to a checked question. */
void maps_answer(const struct root *root, const struct wire_maps *req, struct maps_answer *ret);
