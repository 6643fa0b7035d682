/* SPDX-License-Identifier: Apache-2.0 */

/* The front's parts without a socket: targets, times, places, the empty profile. */

#include "check.h"

#include "cprof/base/cleanup.h"
#include "empty.h"
#include "moment.h"
#include "places.h"
#include "query.h"
#include "route.h"

static int parse(const char *target, struct route *r)
{
	struct refusal refusal = { 0 };

	return route_parse(target, strlen(target), r, &refusal) < 0 ? (int)refusal.status : 0;
}

TEST(route)
{
	struct route r;

	CHECK_EQ(parse("/pid/12/debug/pprof/profile?hz=7&seconds=%35", &r), 0);
	CHECK_EQ(r.what, ROUTE_PROFILE);
	CHECK_EQ(r.scope, ROUTE_PID);
	CHECK_EQ(r.pid, 12);
	CHECK_EQ(r.seconds, 5);
	CHECK_EQ(r.hz, 7);
	CHECK_EQ(parse("/unit/a%40b.service/debug/pprof", &r), 0);
	CHECK_EQ(r.what, ROUTE_INDEX);
	CHECK_STR(r.unit, "a@b.service");
	CHECK_EQ(r.pid, 0);
	CHECK_EQ(r.seconds, ROUTE_SECONDS_DEFAULT);
	CHECK_EQ(parse("/ls?comm=a+b%2Bc&kind=cpu&since=1.5", &r), 0);
	CHECK_STR(r.files.comm, "a b+c");
	CHECK_EQ(r.files.since_real_ns, 1500000000);
	CHECK(r.files.until_real_ns == UINT64_MAX);
	CHECK_EQ(parse("/pid/2147483648/debug/pprof/profile", &r), 404);
	CHECK_EQ(parse("/debug/pprof/mutex", &r), 404);
	CHECK_EQ(parse("/debug/pprof/profile/x", &r), 404);
	CHECK_EQ(parse("/debug/pprof/profile?seconds=+5", &r), 400);
	CHECK_EQ(parse("/debug/pprof/profile?seconds=5&", &r), 400);
	CHECK_EQ(parse("", &r), 400);
	CHECK_EQ(parse("/status#x", &r), 400);
}

/* No table of kinds may name one that the router does not know, or the other way round. */
TEST(kinds)
{
	const struct route_kind *k;
	struct route r;
	size_t i;

	for (i = 0; (k = route_kind(i)); i++) {
		char target[64];

		(void)snprintf(target, sizeof(target), "/debug/pprof/%s", k->name);
		CHECK_EQ(parse(target, &r), k->missing ? 404 : 0);
	}
	CHECK(i > 10);
}

TEST(query_limits)
{
	char target[QUERY_TARGET_MAX + 2];
	const char *why = NULL;
	struct query q;

	memset(target, 'x', sizeof(target));
	target[0] = '/';
	CHECK_EQ(query_parse(target, QUERY_TARGET_MAX, &q, &why), 0);
	CHECK_EQ(strlen(q.pieces[0]), QUERY_TARGET_MAX - 1);
	CHECK(query_parse(target, QUERY_TARGET_MAX + 1, &q, &why) < 0);
	CHECK_EQ(query_parse("/1/2/3/4/5/6/7/8", 16, &q, &why), 0);
	CHECK(query_parse("/1/2/3/4/5/6/7/8/9", 18, &q, &why) < 0);
	CHECK(query_parse("/a?1&2&3&4&5&6&7&8&9", 20, &q, &why) < 0);
	CHECK(query_parse("/%4", 3, &q, &why) < 0);
	CHECK(query_parse("/%", 2, &q, &why) < 0);
	CHECK(query_parse("/a\0b", 4, &q, &why) < 0);
	CHECK(query_parse("/%c0%af", 7, &q, &why) < 0);
}

TEST(moments)
{
	static const struct {
		const char *text;
		uint64_t ns; /* 0: it is refused */
	} cases[] = {
		{ "1", 1000000000 },
		{ "1.25", 1250000000 },
		{ "2023-11-14T22:13:20Z", 1700000000000000000 },
		{ "2023-11-14T22:13:20.001Z", 1700000000001000000 },
		{ "2024-02-29T00:00:00Z", 1709164800000000000 },
		{ "2023-02-29T00:00:00Z", 0 },
		{ "2023-11-14T24:00:00Z", 0 },
		{ "2023-11-14T22:13:20", 0 },
		{ "2023-11-14T22:13:20+01:00", 0 },
		{ "1969-12-31T23:59:59Z", 0 },
		{ "1.", 0 },
		{ "-1", 0 },
		{ "", 0 },
		{ "1x", 0 },
		{ "99999999999999999999", 0 },
		{ "9999-12-31T23:59:59Z", 0 },
	};
	char text[MOMENT_SZ];

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		uint64_t ns = 0;

		CHECK_EQ(moment_parse(cases[i].text, &ns) == 0, cases[i].ns > 0);
		CHECK_EQ(ns, cases[i].ns);
	}
	moment_format(text, 1700000000001999999);
	CHECK_STR(text, "2023-11-14T22:13:20.001Z");
}

/* Strangers take neither a user's share nor the places of the privileged; members leave some for root. */
TEST(places)
{
	struct places p = {
		.limits = { .others = 4, .per_uid = 2, .privileged = 3, .root = 1 },
	};
	const struct peer a = { .uid = 1 }, b = { .uid = 2 }, c = { .uid = 3 };
	const struct peer member = { .uid = 4, .privileged = true };
	const struct peer root = { .uid = 0, .privileged = true };

	CHECK_EQ(places_take(&p, &a), PLACES_OK);
	CHECK_EQ(places_take(&p, &a), PLACES_OK);
	CHECK_EQ(places_take(&p, &a), PLACES_USER_FULL);
	CHECK_EQ(places_take(&p, &b), PLACES_OK);
	CHECK_EQ(places_take(&p, &c), PLACES_OK);
	CHECK_EQ(places_take(&p, &c), PLACES_FULL);
	CHECK_EQ(places_take(&p, &member), PLACES_OK);
	CHECK_EQ(places_take(&p, &member), PLACES_OK);
	CHECK_EQ(places_take(&p, &member), PLACES_FULL);
	CHECK_EQ(places_take(&p, &root), PLACES_OK);
	CHECK_EQ(places_take(&p, &root), PLACES_FULL);
	places_give(&p, &a);
	CHECK_EQ(places_take(&p, &c), PLACES_OK);
	places_give(&p, &root);
	CHECK_EQ(places_take(&p, &member), PLACES_FULL);
	CHECK_EQ(places_take(&p, &root), PLACES_OK);
}

TEST(empty)
{
	unsigned char file[EMPTY_PROFILE_MAX];
	size_t sz = empty_profile(UINT64_MAX, UINT64_MAX, 1, file);

	/* The largest numbers fit; what is in it, `go tool pprof` judges in the system's test. */
	CHECK(sz > 100 && sz < sizeof(file));
	CHECK_EQ(file[0], 0x1f);
	CHECK_EQ(file[1], 0x8b);
}

CHECK_MAIN
