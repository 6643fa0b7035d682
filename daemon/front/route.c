/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The paths of net/http/pprof, for the machine and behind /pid/N and /unit/NAME for a part of it, and a
 * few of our own. A parameter that a path does not know is refused, for a misspelt "second=5" would
 * give 30 seconds without a word. What cannot be had is a 404 that says why, never an empty answer.
 */

#include "route.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "moment.h"
#include "query.h"

#define ECHO_MAX 64 /* of what was asked for in an error's text */

#define LATER "this version of cprofd does not collect it yet"

static const struct route_kind kinds[] = {
	{ "profile", "CPU time, by samples: collects for seconds= (30) and then answers", NULL },
	{ "cmdline", "the command line of the process, with NUL between its words", NULL },
	{ "symbol", "always without names: profiles come with them", NULL },
	{ "offcpu", "where threads wait", LATER },
	{ "block", "waiting for locks, channels and blocking calls", LATER },
	{ "mutex", "holders of contended locks", LATER },
	{ "heap", "live memory by who allocated it", LATER },
	{ "allocs", "all memory by who allocated it", LATER },
	{ "rss", "resident memory by who touched it first", LATER },
	{ "threads", "stacks of all threads now", LATER },
	{ "goroutine", "stacks of all goroutines now", LATER },
	{ "threadcreate", "what made threads", LATER },
	{ "trace", "a timeline", LATER },
	{ NULL, NULL, NULL },
};

const struct route_kind *route_kind(size_t i)
{
	return i < ELEMENTSOF(kinds) - 1 ? &kinds[i] : NULL;
}

/* Decimal digits alone, at most UINT32_MAX. */
static int parse_number(const char *text, uint32_t *ret)
{
	uint64_t v = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		v = v * 10 + (uint64_t)(*text - '0');
		if (v > UINT32_MAX)
			return -EINVAL;
	}
	*ret = (uint32_t)v;
	return 0;
}

static int parse_within(const struct query_param *p, uint32_t max, uint32_t *ret,
			struct refusal *refusal)
{
	uint32_t v;

	if (parse_number(p->value, &v) < 0 || v == 0 || v > max)
		return refuse(refusal, 400, "invalid value for \"%s\": it is a number from 1 to %u",
			      p->name, max);
	*ret = v;
	return 0;
}

static int parse_moment(const struct query_param *p, uint64_t *ret, struct refusal *refusal)
{
	if (moment_parse(p->value, ret) < 0)
		return refuse(refusal, 400,
			      "invalid value for \"%s\": it is seconds since 1970 or like "
			      "2026-11-21T14:00:00Z",
			      p->name);
	return 0;
}

static int parse_text(const struct query_param *p, char *dst, size_t dst_sz,
		      struct refusal *refusal)
{
	if (!*p->value || strlen(p->value) >= dst_sz)
		return refuse(refusal, 400,
			      "invalid value for \"%s\": it is a text of 1 to %zu bytes", p->name,
			      dst_sz - 1);
	memcpy(dst, p->value, strlen(p->value) + 1);
	return 0;
}

static int take_profile_param(const struct query_param *p, struct route *r, struct refusal *refusal)
{
	if (strcmp(p->name, "seconds") == 0)
		return parse_within(p, ROUTE_SECONDS_MAX, &r->seconds, refusal);
	if (strcmp(p->name, "hz") == 0)
		return parse_within(p, SESSION_HZ_MAX, &r->hz, refusal);
	if (strcmp(p->name, "since") == 0 || strcmp(p->name, "until") == 0)
		return refuse(refusal, 400,
			      "the past cannot be fetched by a URL yet: \"cprofctl ls\" names the "
			      "files that hold it");
	if (strcmp(p->name, "debug") == 0) {
		if (strcmp(p->value, "0") == 0)
			return 0;
		return refuse(refusal, 400,
			      "\"debug\" can only be 0 here: \"cprofctl top\" shows a profile as "
			      "text");
	}
	return refuse(refusal, 400, "unknown parameter \"%.*s\": seconds and hz are known here",
		      ECHO_MAX, p->name);
}

static int take_ls_param(const struct query_param *p, struct route *r, struct refusal *refusal)
{
	struct route_files *f = &r->files;

	if (strcmp(p->name, "pid") == 0)
		return parse_within(p, INT_MAX, &f->pid, refusal);
	if (strcmp(p->name, "comm") == 0)
		return parse_text(p, f->comm, sizeof(f->comm), refusal);
	if (strcmp(p->name, "kind") == 0)
		return parse_text(p, f->kind, sizeof(f->kind), refusal);
	if (strcmp(p->name, "since") == 0)
		return parse_moment(p, &f->since_real_ns, refusal);
	if (strcmp(p->name, "until") == 0)
		return parse_moment(p, &f->until_real_ns, refusal);
	return refuse(refusal, 400,
		      "unknown parameter \"%.*s\": pid, comm, kind, since and until are known here",
		      ECHO_MAX, p->name);
}

static int take_param(const struct query_param *p, struct route *r, struct refusal *refusal)
{
	switch (r->what) {
	case ROUTE_PROFILE:
		return take_profile_param(p, r, refusal);
	case ROUTE_LS:
		return take_ls_param(p, r, refusal);
	case ROUTE_SYMBOL: /* addresses, not parameters */
		return 0;
	default:
		return refuse(refusal, 400, "unknown parameter \"%.*s\": there are none here",
			      ECHO_MAX, p->name);
	}
}

/* /debug/pprof/KIND, at most. */
static int find_kind(const char *name, struct route *r, struct refusal *refusal)
{
	static const enum route_what whats[] = { ROUTE_PROFILE, ROUTE_CMDLINE, ROUTE_SYMBOL };

	for (size_t i = 0; kinds[i].name; i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		if (kinds[i].missing)
			return refuse(refusal, 404, "no profile \"%s\": %s", name,
				      kinds[i].missing);
		r->what = whats[i];
		return 0;
	}
	return refuse(refusal, 404,
		      "Unknown profile \"%.*s\": /debug/pprof/ lists those that there are",
		      ECHO_MAX, name);
}

static int find_own(const struct query *q, struct route *r, struct refusal *refusal)
{
	static const struct {
		const char *name;
		enum route_what what;
	} own[] = {
		{ "status", ROUTE_STATUS },
		{ "ps", ROUTE_PS },
		{ "ls", ROUTE_LS },
		{ "metrics", ROUTE_METRICS },
	};

	for (size_t i = 0; q->pieces_cnt == 1 && i < ELEMENTSOF(own); i++) {
		if (strcmp(own[i].name, q->pieces[0]) == 0) {
			r->what = own[i].what;
			return 0;
		}
	}
	return refuse(refusal, 404,
		      "nothing is at this path: there are /status, /ps, /ls, /metrics and "
		      "/debug/pprof/, this also behind /pid/N and /unit/NAME");
}

/* How many pieces of the path say whom it is of; negative: *refusal. */
static int find_scope(const struct query *q, struct route *r, struct refusal *refusal)
{
	const char *name = q->pieces_cnt > 1 ? q->pieces[1] : "";

	if (q->pieces_cnt == 0)
		return 0;
	if (strcmp(q->pieces[0], "pid") == 0) {
		if (parse_number(name, &r->pid) < 0 || r->pid == 0 || r->pid > INT_MAX)
			return refuse(refusal, 404, "\"%.*s\" is no number of a process", ECHO_MAX,
				      name);
		r->scope = ROUTE_PID;
		return 2;
	}
	if (strcmp(q->pieces[0], "unit") == 0) {
		if (!*name || strlen(name) >= sizeof(r->unit))
			return refuse(refusal, 404, "\"%.*s\" is no name of a unit", ECHO_MAX,
				      name);
		memcpy(r->unit, name, strlen(name) + 1);
		r->scope = ROUTE_UNIT;
		return 2;
	}
	if (strcmp(q->pieces[0], "container") == 0)
		return refuse(refusal, 404,
			      "profiles of a container cannot be asked for yet: take those of its "
			      "processes, /pid/N/debug/pprof/profile");
	return 0;
}

static int find_path(const struct query *q, struct route *r, struct refusal *refusal)
{
	int at = find_scope(q, r, refusal);
	size_t left;

	if (at < 0)
		return at;
	left = q->pieces_cnt - (size_t)at;
	if (left < 2 || left > 3 || strcmp(q->pieces[at], "debug") != 0 ||
	    strcmp(q->pieces[at + 1], "pprof") != 0) {
		if (at == 0)
			return find_own(q, r, refusal);
		return refuse(refusal, 404,
			      "nothing is at this path: behind /pid/N and /unit/NAME "
			      "there is /debug/pprof/");
	}
	if (left == 2) {
		r->what = ROUTE_INDEX;
		return 0;
	}
	return find_kind(q->pieces[at + 2], r, refusal);
}

int route_parse(const char *target, size_t len, struct route *ret, struct refusal *refusal)
{
	struct route route = {
		.seconds = ROUTE_SECONDS_DEFAULT,
		.files.until_real_ns = UINT64_MAX,
	};
	const char *why;
	struct query q;
	int r;

	if (query_parse(target, len, &q, &why) < 0)
		return refuse(refusal, 400, "the URL cannot be read: %s", why);
	r = find_path(&q, &route, refusal);
	for (size_t i = 0; r == 0 && i < q.params_cnt; i++)
		r = take_param(&q.params[i], &route, refusal);
	if (r < 0)
		return r;
	if (route.what == ROUTE_CMDLINE && route.scope == ROUTE_UNIT)
		return refuse(refusal, 404,
			      "a unit has no command line: its processes have, "
			      "/pid/N/debug/pprof/cmdline");
	*ret = route;
	return 0;
}
