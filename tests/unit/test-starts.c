/* SPDX-License-Identifier: Apache-2.0 */

/* starts: how many at once, how many in the long run, and that many users are no way around it. */

#include "check.h"

#include "starts.h"

#define BEGIN_NS (1000 * NSEC_PER_SEC)

/* So many of the @cnt that are tried at once. */
static unsigned int take(struct starts *s, uint32_t uid, unsigned int cnt, uint64_t now_ns)
{
	struct starts_wait wait;
	unsigned int taken = 0;

	while (cnt-- > 0)
		taken += starts_take(s, uid, now_ns, &wait);
	return taken;
}

TEST(of_one_user)
{
	struct starts s = { 0 };
	struct starts_wait wait;
	uint64_t now = BEGIN_NS;

	CHECK_EQ(take(&s, 7, 10, now), STARTS_OF_ONE);
	CHECK(!starts_take(&s, 7, now, &wait));
	CHECK_EQ(wait.ns, STARTS_OF_ONE_EVERY_NS);
	CHECK(!wait.is_of_all);
	now += STARTS_OF_ONE_EVERY_NS - 1;
	CHECK(!starts_take(&s, 7, now, &wait));
	CHECK_EQ(wait.ns, 1);
	/* To ask does not put it off. */
	CHECK_EQ(take(&s, 7, 10, now + 1), 1);
	/* Another has all of his. */
	CHECK_EQ(take(&s, 8, 10, now + 1), STARTS_OF_ONE);
	/* No more comes together than there is room for. */
	CHECK_EQ(take(&s, 7, 10, now + 1000 * NSEC_PER_SEC), STARTS_OF_ONE);
}

TEST(of_one_user_in_the_long_run)
{
	struct starts s = { 0 };
	unsigned int taken = 0;

	for (unsigned int ms = 0; ms < 1000 * 1000; ms += 10)
		taken += take(&s, 7, 1, BEGIN_NS + ms * NSEC_PER_MSEC);
	CHECK_EQ(taken, STARTS_OF_ONE + 1000 * NSEC_PER_SEC / STARTS_OF_ONE_EVERY_NS - 1);
}

TEST(of_all)
{
	struct starts s = { 0 };
	struct starts_wait wait;
	unsigned int taken = 0;

	for (uint32_t uid = 0; uid < 100; uid++)
		taken += take(&s, uid, 1, BEGIN_NS);
	CHECK_EQ(taken, STARTS_OF_ALL);
	CHECK(!starts_take(&s, 1000, BEGIN_NS, &wait));
	CHECK_EQ(wait.ns, STARTS_OF_ALL_EVERY_NS);
	CHECK(wait.is_of_all);
	/* One whose own bucket is empty too is told when it helps to ask again. */
	(void)take(&s, 0, STARTS_OF_ONE, BEGIN_NS + 1000 * NSEC_PER_SEC);
	CHECK(!starts_take(&s, 0, BEGIN_NS + 1000 * NSEC_PER_SEC, &wait));
	CHECK_EQ(wait.ns, STARTS_OF_ONE_EVERY_NS);
	CHECK(!wait.is_of_all);
}

TEST(of_many_users_in_the_long_run)
{
	struct starts s = { 0 };
	unsigned int taken = 0;

	/* Each of them is always new, or has long been forgotten. */
	for (unsigned int ms = 0; ms < 1000 * 1000; ms += 10)
		taken += take(&s, ms / 10 % 1000, 1, BEGIN_NS + ms * NSEC_PER_MSEC);
	CHECK_EQ(taken, STARTS_OF_ALL + 1000 * NSEC_PER_SEC / STARTS_OF_ALL_EVERY_NS - 1);
}

/* Others, were they ever so many, do not give a user his tokens back. */
TEST(who_spent_is_remembered)
{
	struct starts s = { 0 };
	uint64_t now = BEGIN_NS;
	unsigned int taken;

	CHECK_EQ(take(&s, 7, 10, now), STARTS_OF_ONE);
	for (uint32_t uid = 100; uid < 10000; uid++)
		(void)take(&s, uid, 2, now);
	now += STARTS_OF_ONE_EVERY_NS;
	CHECK_EQ(take(&s, 7, 10, now), 1);
	/* All that were forgotten had theirs. */
	taken = take(&s, 9999, 10, now + 1000 * NSEC_PER_SEC);
	CHECK_EQ(taken, STARTS_OF_ONE);
}

CHECK_MAIN
