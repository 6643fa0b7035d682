/* SPDX-License-Identifier: Apache-2.0 */

/* ruleset: equal rules have one number, different ones their own, and what failed leaves no trace. */

#include "check.h"

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/ruleset.h"
#include "fail.h"

static struct cprof_rule rule_of(int n)
{
	return (struct cprof_rule){ .cfa = CPROF_CFA_REG, .cfa_reg = CPROF_REG_RSP, .cfa_off = n };
}

static int number(struct ruleset *s, int n, uint32_t max)
{
	const struct cprof_rule rule = rule_of(n);

	return ruleset_number(s, &rule, max);
}

TEST(numbers)
{
	_cleanup_(ruleset_done) struct ruleset s = { 0 };
	struct cprof_rule other = rule_of(7);

	for (int round = 0; round < 2; round++) {
		for (int n = 0; n < 1000; n++)
			CHECK_EQ(number(&s, n, UINT32_MAX), n);
	}
	CHECK_EQ(s.rules.cnt, 1000);
	for (int n = 0; n < 1000; n++)
		CHECK_EQ(s.rules.v[n].cfa_off, n);
	other.flags = CPROF_RULE_EXACT;
	CHECK_EQ(ruleset_number(&s, &other, UINT32_MAX), 1000);
}

/* What is there is found though nothing more may come. */
TEST(limit)
{
	_cleanup_(ruleset_done) struct ruleset s = { 0 };

	CHECK_EQ(number(&s, 1, 0), -E2BIG);
	CHECK_EQ(number(&s, 1, 2), 0);
	CHECK_EQ(number(&s, 2, 2), 1);
	CHECK_EQ(number(&s, 3, 2), -E2BIG);
	CHECK_EQ(number(&s, 2, 2), 1);
	CHECK_EQ(number(&s, 3, 3), 2);
}

TEST(no_memory)
{
	bool over = false;

	for (long n = 0; !over; n++) {
		_cleanup_(ruleset_done) struct ruleset s = { 0 };
		int r;

		fail_at(n);
		r = number(&s, 1, 9);
		over = fail_over();
		CHECK_EQ(r, over ? 0 : -ENOMEM);
		CHECK_EQ(number(&s, 1, 9), 0);
		CHECK_EQ(number(&s, 2, 9), 1);
		CHECK_EQ(s.rules.cnt, 2);
	}
}

CHECK_MAIN
