/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* report-internal — what a report holds, for the two files that make it. */

#include "cprof/base/map.h"
#include "cprof/base/str.h"
#include "cprof/base/vec.h"
#include "cprof/report.h"

/* Of a file, unpacked. A machine's window of a minute has megabytes; pprof fails far below this. */
#define REPORT_BYTES_MAX (1ULL << 30)
#define REPORT_NAME_MAX 16384
#define REPORT_TYPE_MAX 64

struct row {
	uint32_t name; /* string ids */
	uint32_t object;
	int64_t flat;
	int64_t cum;
};

struct report {
	struct strtab strings;
	struct map row_map;
	VEC(struct row) rows;
	int64_t total;		    /* of absolute values */
	char want[REPORT_TYPE_MAX]; /* the sample type that was asked for; "": the file's default */
	uint32_t type;		    /* string ids, of the first file */
	uint32_t unit;
	uint32_t file;
	uint32_t build_id;
	uint32_t types; /* names of the last file's sample types, for messages */
	int64_t time_ns;
	int64_t duration_ns;
	bool begun;		    /* a file was added: type and unit are fixed */
	char name[REPORT_NAME_MAX]; /* being cleaned */
};

/* The row of this name, as an index; its object is that of whoever asked first. */
int report_row(struct report *r, const struct row *row, uint32_t *ret);
int64_t report_add_saturated(int64_t a, int64_t b);
/* An unpacked profile file. As report_add(). */
int report_add_plain(struct report *r, const void *bytes, size_t sz);
