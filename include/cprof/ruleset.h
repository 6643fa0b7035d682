/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ruleset — different rules by number, each once: code has many stretches, and few ways to undo them. */

#include <stdint.h>

#include "cprof/base/map.h"
#include "cprof/base/vec.h"
#include "cprof/unwind.h"

#define RULESET_RECENT 256 /* a power of two */

struct ruleset {
	VEC(struct cprof_rule) rules; /* by number, from 0 in the order in which they came */
	struct map index;	      /* by their bytes */
	uint32_t recent[RULESET_RECENT];
};

/* The rule's number; -E2BIG: it is a new one, and there are @max; or -ENOMEM. */
int ruleset_number(struct ruleset *s, const struct cprof_rule *rule, uint32_t max);
void ruleset_done(struct ruleset *s);
