/* SPDX-License-Identifier: Apache-2.0 */

/* share: root, one user, many users, more users than there are places. */

#include "check.h"

#include "cprof/base/share.h"

TEST(root_may_have_it_all)
{
	struct shares s = { 0 };

	CHECK(shares_allow(&s, 0, 1000, 1000));
	CHECK(!shares_allow(&s, 0, 1001, 1000));
	shares_take(&s, 0, 900);
	CHECK(shares_allow(&s, 0, 100, 1000));
	CHECK(!shares_allow(&s, 0, 101, 1000));
	CHECK(!shares_allow(&s, 7, 101, 1000));
	CHECK(!shares_allow(&s, 7, (size_t)-1, 1000));
}

TEST(one_user_gets_half_when_nobody_else_wants_it)
{
	struct shares s = { 0 };

	CHECK(shares_allow(&s, 7, 500, 1000));
	CHECK(!shares_allow(&s, 7, 501, 1000));
	shares_take(&s, 7, 500);
	CHECK(!shares_allow(&s, 7, 1, 1000));
	/* What is left is for others, and the last quarter for root. */
	CHECK(shares_allow(&s, 8, 250, 1000));
	CHECK(!shares_allow(&s, 8, 251, 1000));
	CHECK(shares_allow(&s, 0, 500, 1000));
	shares_give_back(&s, 7, 500);
	CHECK_EQ(shares_of(&s, 7), 0);
	CHECK_EQ(s.total, 0);
}

TEST(many_users_leave_a_quarter_to_root)
{
	struct shares s = { 0 };
	size_t given = 0;

	for (uint32_t uid = 1; uid < 10000; uid++) {
		if (shares_allow(&s, uid, 10, 1000)) {
			shares_take(&s, uid, 10);
			given += 10;
		}
	}
	CHECK(given > 500 && given <= 750);
	CHECK(shares_allow(&s, 0, 250, 1000));
}

TEST(more_users_than_places_share_one)
{
	struct shares s = { 0 };

	for (uint32_t uid = 1; uid <= SHARE_MAX; uid++)
		shares_take(&s, uid, 1);
	shares_take(&s, 5000, 100);
	CHECK_EQ(shares_of(&s, 6000), 100);
	CHECK_EQ(shares_of(&s, 1), 1);
	/* A place is free again: the one from the rest gets it, and gives all back. */
	shares_give_back(&s, 1, 1);
	shares_take(&s, 5000, 50);
	CHECK_EQ(shares_of(&s, 5000), 50);
	shares_give_back(&s, 5000, 150);
	CHECK_EQ(s.rest, 0);
	CHECK_EQ(s.total, SHARE_MAX - 1);
	shares_give_back(&s, 5000, 1);
	CHECK_EQ(s.rest, 0);
}

CHECK_MAIN
