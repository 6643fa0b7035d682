/* SPDX-License-Identifier: Apache-2.0 */

/* range-list: what was put in comes out, in order and by place, whatever the numbers are. */

#include "check.h"

#include "cprof/base/cleanup.h"
#include "cprof/base/rng.h"
#include "range-list.h"

#define CNT 5000

static bool equal(const struct range *a, const struct range *b)
{
	return a->from == b->from && a->to == b->to && a->start == b->start && a->name == b->name;
}

/* Mostly little, and now and then of any size. */
static uint32_t some(struct rng *rng, uint32_t most)
{
	return (uint32_t)(rng_next(rng) % 4 == 0 ? rng_next(rng) % ((uint64_t)most + 1)
						 : rng_next(rng) % (MIN(most, 300u) + 1));
}

static uint32_t make(struct range *v, struct rng *rng)
{
	uint64_t to = some(rng, 1000000);
	uint32_t cnt = 0;

	for (; cnt < CNT; cnt++) {
		struct range *r = &v[cnt];
		uint64_t from = to + (rng_next(rng) % 2 ? some(rng, 1u << 16) : 0);

		to = from + 1 + some(rng, 1u << 20);
		if (to > UINT32_MAX)
			break;
		*r = (struct range){ (uint32_t)from, (uint32_t)to, (uint32_t)from,
				     (uint32_t)rng_next(rng) };
		if (rng_next(rng) % 8 == 0)
			r->start -= some(rng, r->from);
		if (rng_next(rng) % 2 && cnt > 0)
			r->name = v[cnt - 1].name + some(rng, 100);
	}
	return cnt;
}

static void check_place(const struct range_list *l, uint32_t place, const struct range *is)
{
	struct range r;

	CHECK_EQ(range_list_find(l, place, &r), is != NULL);
	CHECK(!is || equal(&r, is));
}

static void check_list(const struct range_list *l, const struct range *v, uint32_t cnt)
{
	struct range_walk walk = { 0 };
	struct range r;
	uint32_t i = 0;

	CHECK_EQ(l->cnt, cnt);
	for (; range_list_next(l, &walk, &r); i++)
		CHECK(i < cnt && equal(&r, &v[i]));
	CHECK_EQ(i, cnt);
	for (i = 0; i < cnt; i++) {
		const struct range *next =
			i + 1 < cnt && v[i + 1].from == v[i].to ? &v[i + 1] : NULL;

		check_place(l, v[i].from, &v[i]);
		check_place(l, v[i].from + (v[i].to - v[i].from) / 2, &v[i]);
		check_place(l, v[i].to - 1, &v[i]);
		check_place(l, v[i].to, next);
	}
}

TEST(as_it_was)
{
	_cleanup_free_ struct range *v = calloc(CNT, sizeof(*v));

	CHECK(v);
	for (unsigned int round = 0; round < 20; round++) {
		struct rng rng = { .state = round };
		struct range_list l = { 0 };
		uint32_t cnt = round < 2 ? round : make(v, &rng);

		if (round == 1)
			v[0] = (struct range){ 0, UINT32_MAX, 0, UINT32_MAX };
		for (uint32_t i = 0; i < cnt; i++)
			CHECK_EQ(range_list_add(&l, &v[i]), 0);
		check_list(&l, v, cnt);
		range_list_fit(&l);
		check_list(&l, v, cnt);
		range_list_done(&l);
	}
}

TEST(nothing_before_and_behind)
{
	const struct range one = { 100, 200, 50, 7 };
	struct range_list l = { 0 };

	check_place(&l, 100, NULL);
	CHECK_EQ(range_list_add(&l, &one), 0);
	check_place(&l, 0, NULL);
	check_place(&l, 99, NULL);
	check_place(&l, 100, &one);
	check_place(&l, 200, NULL);
	check_place(&l, UINT32_MAX, NULL);
	range_list_done(&l);
}

/* Functions side by side, with names in a row. */
TEST(is_small)
{
	struct range_list l = { 0 };

	for (uint32_t i = 0; i < CNT; i++)
		CHECK_EQ(range_list_add(&l,
					&(struct range){ 500 * i, 500 * i + 500, 500 * i, 20 * i }),
			 0);
	range_list_fit(&l);
	CHECK(range_list_bytes(&l) < (size_t)4 * CNT);
	range_list_done(&l);
}

CHECK_MAIN
