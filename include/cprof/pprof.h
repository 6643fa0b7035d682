/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pprof — a Profile of profile.proto as flat tables, and back to bytes. The only place that knows the
 * wire format; what the fields of our files hold is in docs/formats/profile.md.
 *
 * Reading: strings, functions and mappings come after the samples in most files, so that there are
 * two passes: pprof_parse() reads everything but the samples and checks what refers to what;
 * pprof_samples() walks the samples, which are handed on and never kept. Texts point into the file's
 * bytes. A file of S bytes costs its own size and, whatever it claims, no more than about 64 bytes for
 * each entry of a table; the entries are limited.
 *
 * Writing is in pprof_write.h, with the same structs: what refers to a table is an index of it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/vec.h"

#define PPROF_ENTRIES_MAX (1u << 24) /* of one table */
#define PPROF_FRAMES_MAX (1u << 20)  /* of one sample */
#define PPROF_LABELS_MAX (1u << 10)  /* of one sample */
#define PPROF_LINES_MAX (1u << 10)   /* of one location */
#define PPROF_NONE UINT32_MAX

struct pprof_bytes {
	const uint8_t *p, *end;
};

struct pprof_type {
	uint32_t name; /* strings */
	uint32_t unit;
};

#define PPROF_HAS_FUNCTIONS 1u
#define PPROF_HAS_FILENAMES 2u
#define PPROF_HAS_LINE_NUMBERS 4u
#define PPROF_HAS_INLINE_FRAMES 8u

struct pprof_mapping {
	uint64_t id;
	uint64_t start, limit, offset;
	uint32_t file; /* strings */
	uint32_t build_id;
	uint32_t has; /* PPROF_HAS_* */
};

struct pprof_function {
	uint64_t id;
	uint32_t name; /* strings */
	uint32_t system_name;
	uint32_t file;
	int64_t start_line;
};

struct pprof_line {
	uint32_t function; /* index */
	int64_t line, column;
};

struct pprof_location {
	uint64_t id;
	uint64_t address;
	uint32_t mapping; /* index, or PPROF_NONE */
	uint32_t line;	  /* the first in lines, innermost function first */
	uint32_t line_cnt;
	bool folded;
};

/* Either a text or a number. */
struct pprof_label {
	uint32_t key; /* strings */
	uint32_t str;
	uint32_t unit;
	int64_t num;
};

struct pprof_sample {
	const uint32_t *locations; /* indexes, leaf first */
	size_t locations_cnt;
	const int64_t *values;
	size_t values_cnt; /* as many as types */
	const struct pprof_label *labels;
	size_t labels_cnt;
};

struct pprof {
	struct pprof_bytes profile;
	VEC(struct pprof_bytes) strings;
	VEC(struct pprof_type) types;
	VEC(struct pprof_mapping) mappings; /* sorted by id, like all others with one */
	VEC(struct pprof_function) functions;
	VEC(struct pprof_location) locations;
	VEC(struct pprof_line) lines;
	VEC(uint32_t) comments;		    /* strings */
	struct pprof_mapping first_mapping; /* as it stands in the file: the main program's */
	struct pprof_type period_type;
	int64_t period;
	int64_t time_ns;
	int64_t duration_ns;
	uint32_t type; /* the default sample type's index */
};

bool pprof_is_gzip(const void *bytes, size_t sz);
/*
 * 0 and a buffer that the caller frees; -EBADMSG: damaged or cut; -E2BIG: more than @max bytes;
 * -ENOMEM. Files of several members, one after the other, are one, as for gzip(1).
 */
int pprof_unpack(const void *bytes, size_t sz, size_t max, uint8_t **ret, size_t *ret_sz);

/* 0, -EBADMSG: not a profile, -E2BIG: more than @entries_max in a table, -ENOMEM. */
int pprof_parse(struct pprof *p, const struct pprof_bytes *bytes, uint32_t entries_max);
void pprof_done(struct pprof *p);

typedef int (*pprof_sample_fn)(const struct pprof_sample *s, void *ctx);

/* As pprof_parse(), or what @fn returned. */
int pprof_samples(const struct pprof *p, pprof_sample_fn fn, void *ctx);
