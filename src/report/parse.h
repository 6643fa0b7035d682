/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * parse — an encoded Profile to flat tables that point into its bytes.
 *
 * Strings, functions and mappings come after the samples in most files, so that there are two
 * passes: parse_tables() reads everything but the samples and checks what refers to what;
 * parse_samples() walks the samples, which are handed on and never kept. A file of S bytes costs
 * its own size and, whatever it claims, no more than about 24 bytes for each entry of a table;
 * the entries are limited.
 */

#include <stdint.h>

#include "cprof/base/vec.h"
#include "wirefmt.h"

#define PARSE_ENTRIES_MAX (1u << 24) /* of one table */
#define PARSE_FRAMES_MAX (1u << 20)  /* of one sample */
#define PARSE_LINES_MAX (1u << 10)   /* of one location */

struct parse_type {
	uint32_t name; /* strings */
	uint32_t unit;
};

struct parse_mapping {
	uint64_t id;
	uint32_t file; /* strings */
	uint32_t build_id;
};

struct parse_function {
	uint64_t id;
	uint32_t name; /* string; the system's name where there is no other */
};

struct parse_location {
	uint64_t id;
	uint32_t mapping; /* index, or PARSE_NONE */
	uint32_t line;	  /* the first in lines */
	uint32_t line_cnt;
};

#define PARSE_NONE UINT32_MAX

struct parse {
	struct wirefmt profile;
	VEC(struct wirefmt) strings;
	VEC(struct parse_type) types;
	VEC(struct parse_mapping) mappings;
	VEC(struct parse_function) functions;
	VEC(struct parse_location) locations; /* sorted by id */
	VEC(uint32_t) lines;		      /* functions, innermost first */
	uint32_t type;			      /* the default sample type's index; may be changed */
	struct parse_mapping first_mapping;   /* as it stands in the file: the main program's */
	int64_t time_ns;
	int64_t duration_ns;
};

/* One sample: indexes of locations, leaf first, and the value of the type. */
typedef int (*parse_sample_fn)(const uint32_t *locations, size_t cnt, int64_t value, void *ctx);

/* 0, -EBADMSG: not a profile, -E2BIG, -ENOMEM. parse_done() in any case. */
int parse_tables(struct parse *p, const void *bytes, size_t sz);
/* As parse_tables(), or what @fn returned. */
int parse_samples(const struct parse *p, parse_sample_fn fn, void *ctx);
void parse_done(struct parse *p);
