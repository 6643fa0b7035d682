/* SPDX-License-Identifier: Apache-2.0 */

/* A rule is found by a hash of its bytes. Numbers are given out again; walks learn of it by gen. */

#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

int rules_init(struct rules *r, struct cprof_rule *v, uint64_t seed)
{
	*r = (struct rules){ .v = v, .seed = seed, .fresh = 1 };
	r->use = calloc(CPROF_UNWIND_RULES_MAX, sizeof(*r->use));
	return r->use ? 0 : -ENOMEM;
}

void rules_done(struct rules *r)
{
	free(r->use);
	map_done(&r->map);
	*r = (struct rules){ 0 };
}

static bool rule_eq(uint32_t i, const void *key, const void *ctx)
{
	const struct rules *r = ctx;

	return memcmp(&r->v[i], key, sizeof(r->v[i])) == 0;
}

static uint64_t rule_hash(const struct rules *r, const struct cprof_rule *rule)
{
	return hash_bytes(rule, sizeof(*rule), r->seed);
}

/* Root may always pay, for it may have all that is left. */
static void charge(struct rules *r, struct rule_use *u, uint32_t owner)
{
	shares_give_back(&r->shares, u->owner, 1);
	shares_take(&r->shares, owner, 1);
	u->owner = owner;
	u->own = 0;
}

static void add_ref(struct rules *r, struct rule_use *u, uint32_t owner)
{
	if (owner == 0 && u->owner != 0)
		charge(r, u, 0);
	u->refs++;
	u->own += u->owner == owner;
}

static uint32_t new_number(struct rules *r)
{
	uint32_t i = r->free;

	if (i == 0)
		return r->fresh++;
	r->free = r->use[i].next;
	return i;
}

int rules_take(struct rules *r, const struct cprof_rule *rule, uint32_t owner, uint16_t *ret)
{
	uint64_t hash = rule_hash(r, rule);
	uint32_t i;
	int e;

	if (rule->cfa == CPROF_CFA_GAP) {
		*ret = 0;
		return 0;
	}
	if (!map_find(&r->map, hash, rule, rule_eq, r, &i)) {
		if (!shares_allow(&r->shares, owner, 1, RULES_ROOM))
			return -ENOSPC;
		e = map_reserve(&r->map, 1);
		if (e < 0)
			return e;
		i = new_number(r);
		(void)map_add(&r->map, hash, i);
		words_store(&r->v[i], rule, sizeof(*rule));
		r->use[i] = (struct rule_use){ .owner = owner };
		shares_take(&r->shares, owner, 1);
	}
	add_ref(r, &r->use[i], owner);
	*ret = (uint16_t)i;
	return 0;
}

void rules_give_back(struct rules *r, uint16_t rule, uint32_t owner)
{
	struct rule_use *u = &r->use[rule];

	if (rule == 0)
		return;
	u->refs--;
	u->own -= u->owner == owner;
	if (u->refs == 0) {
		shares_give_back(&r->shares, u->owner, 1);
		(void)map_remove(&r->map, rule_hash(r, &r->v[rule]), rule);
		u->next = r->free;
		r->free = rule;
	} else if (u->own == 0 && !u->orphan) {
		u->orphan = true;
		u->next = r->orphans;
		r->orphans = rule;
	}
}

bool rules_have_orphans(const struct rules *r)
{
	return r->orphans != 0;
}

void rules_adopt(struct rules *r, uint32_t owner, const uint16_t *v, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		struct rule_use *u = &r->use[v[i]];

		if (!u->orphan)
			continue;
		if (u->own == 0 || (owner == 0 && u->owner != 0))
			charge(r, u, owner);
		u->own += u->owner == owner;
	}
}

void rules_adopted(struct rules *r)
{
	for (uint32_t i = r->orphans, next; i != 0; i = next) {
		next = r->use[i].next;
		r->use[i].orphan = false;
	}
	r->orphans = 0;
}
