/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The target of a request, as any user may send it: what comes out must be text that is safe to look
 * for in /proc, to send to the sampler and to show.
 */

#include "fuzz.h"

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"
#include "query.h"
#include "route.h"

static void check_text(const char *s)
{
	char copy[3 * QUERY_TARGET_MAX + 1];
	bool changed;

	FUZZ_CHECK(str_clean(copy, sizeof(copy), s, strlen(s), &changed) == strlen(s) && !changed);
}

static void check_query(const struct query *q)
{
	FUZZ_CHECK(q->pieces_cnt <= QUERY_PIECES_MAX && q->params_cnt <= QUERY_PARAMS_MAX);
	for (size_t i = 0; i < q->pieces_cnt; i++) {
		check_text(q->pieces[i]);
		FUZZ_CHECK(q->pieces[i][0] && !strchr(q->pieces[i], '/') &&
			   strcmp(q->pieces[i], "..") != 0);
	}
	for (size_t i = 0; i < q->params_cnt; i++) {
		check_text(q->params[i].name);
		check_text(q->params[i].value);
		FUZZ_CHECK(q->params[i].name[0]);
		for (size_t k = 0; k < i; k++)
			FUZZ_CHECK(strcmp(q->params[i].name, q->params[k].name) != 0);
	}
}

static void check_route(const struct route *r)
{
	FUZZ_CHECK(r->what < ROUTE_MAX && r->scope <= ROUTE_UNIT);
	FUZZ_CHECK((r->scope == ROUTE_PID) == (r->pid != 0) && r->pid <= INT32_MAX);
	FUZZ_CHECK((r->scope == ROUTE_UNIT) == (r->unit[0] != '\0'));
	FUZZ_CHECK(r->seconds > 0 && r->seconds <= ROUTE_SECONDS_MAX && r->hz <= SESSION_HZ_MAX);
	check_text(r->unit);
	check_text(r->files.comm);
	check_text(r->files.kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_free_ char *target = fuzz_copy(data, sz);
	struct refusal refusal = { 0 };
	const char *why = NULL;
	struct route route;
	struct query query;

	if (query_parse(target, sz, &query, &why) == 0)
		check_query(&query);
	else
		FUZZ_CHECK(why && why[0]);
	if (route_parse(target, sz, &route, &refusal) == 0) {
		check_route(&route);
		return 0;
	}
	FUZZ_CHECK(refusal.status >= 400 && refusal.status < 500 && refusal.text[0]);
	FUZZ_CHECK(strlen(refusal.text) < sizeof(refusal.text));
	return 0;
}
