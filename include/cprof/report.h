/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report — reads pprof files and sums them up for people. The reading side of profile.proto.
 */

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

int report_new(struct report **ret);
struct report *report_free(struct report *r);

/*
 * Adds a profile file (gzip or plain): its last sample type by function. 0, -EBADMSG: not a profile,
 * -E2BIG: beyond the size limit, -ENOMEM. A failed add leaves the report as it was.
 */
int report_add(struct report *r, const void *bytes, size_t sz);

/* The @max hottest functions by flat value, then by cum, then by name. Rows are the caller's to free. */
int report_top(struct report *r, size_t max, struct report_row **ret_rows, size_t *ret_cnt);
int64_t report_total(const struct report *r);

DEFINE_CLEANUP(struct report *, report_free);
