/* SPDX-License-Identifier: Apache-2.0 */

/* Parts of pool against naive ones: runs of free places, and who is charged for a rule. */

#include "check.h"

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/rng.h"
#include "rules.h"
#include "runs.h"

#define PLACES 1024u

/* Place by place. */
static uint32_t naive_find(const bool *taken, uint32_t len)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < PLACES; i++) {
		run = taken[i] ? 0 : run + 1;
		if (run == len)
			return i + 1 - len;
	}
	return RUNS_NONE;
}

TEST(runs_are_the_lowest_ones)
{
	struct {
		uint32_t at, len;
	} had[PLACES];
	bool taken[PLACES] = { 0 };
	struct rng rng = { 1 };
	uint32_t cnt = 0, left = PLACES, none = 0;
	struct runs runs;

	CHECK_EQ(runs_init(&runs, PLACES), 0);
	for (int turn = 0; turn < 100000; turn++) {
		uint64_t random = rng_next(&rng);
		uint32_t len = 1 + (uint32_t)(random >> 32) % (random % 7 ? 20 : 200), at;

		if (random % 2 && cnt > 0) {
			uint32_t i = (uint32_t)(random >> 8) % cnt;

			runs_give(&runs, had[i].at, had[i].len);
			memset(taken + had[i].at, 0, had[i].len);
			left += had[i].len;
			had[i] = had[--cnt];
			continue;
		}
		at = runs_find(&runs, len);
		CHECK_EQ(at, naive_find(taken, len));
		if (at == RUNS_NONE) {
			none++;
			continue;
		}
		runs_take(&runs, at, len);
		memset(taken + at, 1, len);
		had[cnt].at = at;
		had[cnt++].len = len;
		left -= len;
		CHECK_EQ(runs.left, left);
	}
	CHECK(none > 100);
	CHECK_EQ(runs_find(&runs, PLACES + 1), RUNS_NONE);
	runs_done(&runs);
}

#define OBJECTS 40u
#define RULES 60u

struct object {
	uint32_t owner;
	uint16_t rules[RULES];
	uint32_t cnt;
};

static struct cprof_rule rule_of(uint32_t i)
{
	return (struct cprof_rule){ .cfa = CPROF_CFA_REG, .cfa_off = (int32_t)i };
}

static void take_some(struct rules *r, struct object *o, struct rng *rng)
{
	o->owner = rng_next(rng) % 3 ? 1000 + (uint32_t)(rng_next(rng) % 3) : 0;
	o->cnt = (uint32_t)(rng_next(rng) % RULES);
	for (uint32_t i = 0; i < o->cnt; i++) {
		struct cprof_rule rule = rule_of((uint32_t)(rng_next(rng) % 200));

		CHECK_EQ(rules_take(r, &rule, o->owner, &o->rules[i]), 0);
		CHECK(memcmp(&r->v[o->rules[i]], &rule, sizeof(rule)) == 0);
	}
}

static void give_all_back(struct rules *r, struct object *objects, struct object *o)
{
	for (uint32_t i = 0; i < o->cnt; i++)
		rules_give_back(r, o->rules[i], o->owner);
	o->cnt = 0;
	for (uint32_t i = 0; rules_have_orphans(r) && i < OBJECTS; i++)
		rules_adopt(r, objects[i].owner, objects[i].rules, objects[i].cnt);
	rules_adopted(r);
}

/* One who has it pays for each, root if it has. */
static void check_charges(const struct rules *r, const struct object *objects)
{
	uint32_t refs[256] = { 0 }, of_payer[256] = { 0 }, all = 0, root = 0;
	bool has_root[256] = { 0 };

	for (uint32_t i = 0; i < OBJECTS; i++)
		for (uint32_t j = 0; j < objects[i].cnt; j++) {
			uint16_t rule = objects[i].rules[j];

			CHECK(rule < 256);
			refs[rule]++;
			of_payer[rule] += objects[i].owner == r->use[rule].owner;
			has_root[rule] |= objects[i].owner == 0;
		}
	for (uint32_t i = 1; i < 256; i++) {
		if (refs[i] == 0)
			continue;
		all++;
		root += has_root[i];
		CHECK_EQ(r->use[i].refs, refs[i]);
		CHECK_EQ(r->use[i].own, of_payer[i]);
		CHECK(of_payer[i] > 0);
		CHECK(!has_root[i] || r->use[i].owner == 0);
	}
	CHECK_EQ(r->shares.total, all);
	CHECK_EQ(r->shares.root, root);
	CHECK_EQ(shares_of(&r->shares, 1000) + shares_of(&r->shares, 1001) +
			 shares_of(&r->shares, 1002),
		 all - root);
}

TEST(who_has_a_rule_pays_for_it)
{
	static struct cprof_rule v[CPROF_UNWIND_RULES_MAX];
	struct object objects[OBJECTS] = { 0 };
	struct rng rng = { 2 };
	struct rules r;

	CHECK_EQ(rules_init(&r, v, 3), 0);
	for (int turn = 0; turn < 3000; turn++) {
		struct object *o = &objects[rng_next(&rng) % OBJECTS];

		if (o->cnt == 0)
			take_some(&r, o, &rng);
		else
			give_all_back(&r, objects, o);
		check_charges(&r, objects);
	}
	for (uint32_t i = 0; i < OBJECTS; i++)
		give_all_back(&r, objects, &objects[i]);
	CHECK_EQ(r.shares.total, 0);
	CHECK_EQ(r.map.cnt, 0);
	rules_done(&r);
}

TEST(one_user_has_a_quarter_of_the_rules)
{
	static struct cprof_rule v[CPROF_UNWIND_RULES_MAX];
	struct cprof_rule rule;
	uint32_t of_user = 0, of_root = 0;
	uint16_t number;
	struct rules r;

	CHECK_EQ(rules_init(&r, v, 3), 0);
	for (uint32_t i = 1; i <= RULES_ROOM / 2; i++, of_root++) {
		rule = rule_of(i);
		CHECK_EQ(rules_take(&r, &rule, 0, &number), 0);
	}
	do
		rule = rule_of(100000 + of_user);
	while (rules_take(&r, &rule, 1000, &number) == 0 && ++of_user);
	CHECK(of_user >= RULES_ROOM / 4 - 1 && of_user <= RULES_ROOM / 4);
	/* What is there costs nothing. */
	rule = rule_of(1);
	CHECK_EQ(rules_take(&r, &rule, 1000, &number), 0);
	do
		rule = rule_of(200000 + of_root);
	while (rules_take(&r, &rule, 0, &number) == 0 && ++of_root);
	CHECK_EQ(of_user + of_root, RULES_ROOM);
	rule = (struct cprof_rule){ 0 };
	CHECK_EQ(rules_take(&r, &rule, 1000, &number), 0);
	CHECK_EQ(number, 0);
	rules_done(&r);
}

CHECK_MAIN
