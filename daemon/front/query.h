/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * query: the target of a request ("/pid/1/debug/pprof/profile?seconds=5") taken apart, strictly: what
 * could be read in two ways is refused. Pieces and values are decoded, clean UTF-8 and terminated.
 */

#include <stdbool.h>
#include <stddef.h>

#define QUERY_TARGET_MAX 2048
#define QUERY_PIECES_MAX 8
#define QUERY_PARAMS_MAX 8

struct query_param {
	const char *name;
	const char *value; /* "" without '=' */
};

struct query {
	const char *pieces[QUERY_PIECES_MAX]; /* of the path; none of them empty, "." or ".." */
	size_t pieces_cnt;
	struct query_param params[QUERY_PARAMS_MAX]; /* no name twice, none empty */
	size_t params_cnt;
	char text[QUERY_TARGET_MAX + 1]; /* where the others point */
};

/* 0, or -EINVAL with half a sentence of why in *ret_why. */
int query_parse(const char *target, size_t len, struct query *ret, const char **ret_why);
