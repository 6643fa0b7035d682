/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rules — the one table of rules: each is in it once, however many objects have it.
 *
 * A rule is charged to one owner who has it: root if it does. When that one has it no more and others do,
 * it is charged to one of them, so whoever has many cannot let others pay.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/map.h"
#include "cprof/base/share.h"
#include "cprof/unwind.h"

struct rule_use {
	uint32_t refs; /* of all objects */
	uint32_t owner;
	uint32_t own;  /* refs of that owner's objects */
	uint32_t next; /* of the free ones, or of the orphans */
	bool orphan;
};

struct rules {
	struct cprof_rule *v; /* what walks read */
	struct rule_use *use; /* CPROF_UNWIND_RULES_MAX */
	struct map map;
	struct shares shares;
	uint64_t seed;
	uint32_t free;	  /* the first one; 0: none */
	uint32_t fresh;	  /* from here on none was ever used */
	uint32_t orphans; /* the first one; 0: none */
};

/* What may be taken: all but the GAP. */
#define RULES_ROOM (CPROF_UNWIND_RULES_MAX - 1)

int rules_init(struct rules *r, struct cprof_rule *v, uint64_t seed);
void rules_done(struct rules *r);
/* One more reference: 0 and *ret; -ENOSPC: it is new, and @owner may not have more; -ENOMEM. */
int rules_take(struct rules *r, const struct cprof_rule *rule, uint32_t owner, uint16_t *ret);
void rules_give_back(struct rules *r, uint16_t rule, uint32_t owner);

/*
 * Rules whose payer has them no more while others do. Each object's rules are shown once, then it is over:
 * no rule is taken or given back in between.
 */
bool rules_have_orphans(const struct rules *r);
void rules_adopt(struct rules *r, uint32_t owner, const uint16_t *v, uint32_t cnt);
void rules_adopted(struct rules *r);
