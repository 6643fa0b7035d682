/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report — reads pprof files and sums them up for people. The reading side of profile.proto.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"

struct report;

struct report_row {
	const char *name;   /* borrowed from the report */
	const char *object; /* base name of the mapping where it was first seen, or "" */
	int64_t flat;
	int64_t cum;
};

/* What the files say about themselves. Texts are clean and borrowed; "" is unknown. */
struct report_header {
	const char *type; /* "cpu": what is summed, in @unit ("nanoseconds") */
	const char *unit;
	const char *types;    /* all sample types of the file that was added or refused last */
	const char *file;     /* base name of the first mapping of the first file */
	const char *build_id; /* of the same */
	int64_t time_ns;      /* when the earliest began; 0: unknown */
	int64_t duration_ns;  /* of all together */
};

/* Which rows, as pprof's options of the same names choose them. */
struct report_query {
	size_t max;	 /* -nodecount; 0: all */
	double fraction; /* -nodefraction: rows whose cum is less of the whole are dropped */
	bool by_cum;	 /* -cum; else by flat; equal ones by name */
};

struct report_rows {
	struct report_row *v;
	size_t cnt;
	size_t kept;	/* before @max */
	size_t dropped; /* by @fraction */
};

int report_new(struct report **ret);
struct report *report_free(struct report *r);

/* Before the first file: a sample type by name or position, instead of the default. 0 or -EINVAL. */
int report_choose_type(struct report *r, const char *type);

/*
 * Adds a profile file (gzip or plain) by function: the values of the type that was chosen, else of
 * the first file's default. 0, -EBADMSG: not a profile, -E2BIG: beyond the size limit, -EPROTOTYPE:
 * it has no such type, or the files before were in another unit, -ENOMEM. A failed add leaves the
 * report as it was.
 */
int report_add(struct report *r, const void *bytes, size_t sz);

/* *ret is the caller's to release. 0 or -ENOMEM. */
int report_top(struct report *r, const struct report_query *query, struct report_rows *ret);
void report_rows_done(struct report_rows *rows);
int64_t report_rows_flat(const struct report_rows *rows); /* of those in @v; saturates */
/* So much of @value, towards 0; saturates as sums do. */
int64_t report_part(int64_t value, double fraction);
/* Of the magnitudes of all samples. */
int64_t report_total(const struct report *r);
void report_header(const struct report *r, struct report_header *ret);

DEFINE_CLEANUP(struct report *, report_free);
