/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* route: what a request asks for, by its target alone: no rights are looked at, no process asked for. */

#include <stddef.h>
#include <stdint.h>

#include "cprof/session.h"
#include "refusal.h"

#define ROUTE_SECONDS_DEFAULT 30 /* as net/http/pprof */
#define ROUTE_SECONDS_MAX 3600
#define ROUTE_COMM_SZ 80
#define ROUTE_KIND_SZ 16

enum route_what {
	ROUTE_STATUS,
	ROUTE_PS,
	ROUTE_LS,
	ROUTE_METRICS,
	ROUTE_INDEX,
	ROUTE_PROFILE,
	ROUTE_CMDLINE,
	ROUTE_SYMBOL,
	ROUTE_MAX,
};

enum route_scope { ROUTE_MACHINE, ROUTE_PID, ROUTE_UNIT };

/* Which stored profiles. */
struct route_files {
	uint32_t pid;		  /* 0: of all */
	char comm[ROUTE_COMM_SZ]; /* "": of all */
	char kind[ROUTE_KIND_SZ]; /* "": all */
	uint64_t since_real_ns;
	uint64_t until_real_ns; /* UINT64_MAX: no end */
};

struct route {
	enum route_what what;
	enum route_scope scope;
	uint32_t pid;
	uint32_t seconds;
	uint32_t hz; /* 0: the daemon's */
	char unit[SESSION_UNIT_SZ];
	struct route_files files;
};

/* 0, or negative and *refusal. */
int route_parse(const char *target, size_t len, struct route *ret, struct refusal *refusal);

/* A kind of net/http/pprof, of which there is only one yet; NULL after the last. */
struct route_kind {
	const char *name;
	const char *prose;
	const char *missing; /* why it cannot be had; NULL: it can */
};
const struct route_kind *route_kind(size_t i);
