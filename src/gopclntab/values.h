/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* values — one of a function's tables of numbers by address, decoded: it is asked for many addresses. */

#include "tables.h"

/* Up to @end, from the function's beginning on. */
struct value {
	uint32_t end;
	int32_t value;
};

struct values {
	struct value *v;
	size_t cnt;
	size_t cap;
};

/*
 * Replaces what was in it; at most @rows. 0; -EBADMSG: it says something impossible or is too long, and what
 * came before is there; -E2BIG: no more work may be done; -errno of a read; -ENOMEM.
 */
int values_load(struct values *values, struct tables *t, const struct gopclntab_func *f,
		uint32_t table, uint32_t rows);
void values_done(struct values *values);

/* At this many bytes from the function's beginning; -1: nothing is said, or that. */
int32_t values_at(const struct values *values, uint64_t offset);
/* The largest of them; -1 where there are none. */
int32_t values_max(const struct values *values);
