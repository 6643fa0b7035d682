/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* tables — the functions of a table, one by one, their names, and their tables of numbers by address. */

#include "window.h"

/* Of addresses and offsets in the list of functions. */
static inline unsigned int tables_word(enum gopclntab_version version)
{
	return version >= GOPCLNTAB_118 ? 4 : 8;
}

struct tables {
	const struct gopclntab_file *file;
	struct gopclntab_head head;
	uint64_t text;
	uint64_t work; /* what may still be done */
	struct window list;
	struct window records;
	struct window names;
	struct window pcs;
	struct window code;
	int32_t curg; /* where an m tells of its goroutine; 0: not known (yet) */
};

/* 0; -EBADMSG: there is no table; -errno of a read. */
int tables_open(struct tables *t, const struct gopclntab_file *file);

/* Takes @cnt from the work that may be done; false: it is used up. */
bool tables_may(struct tables *t, uint64_t cnt);

/* The @i-th function. 0; -EBADMSG: nothing can be said of it; -errno of a read. */
int tables_func(struct tables *t, uint64_t i, struct gopclntab_func *ret);

/* A name of at most @sz - 1 characters is copied to @dst, of another the beginning. 0 or -errno. */
int tables_name(struct tables *t, uint32_t name, char *dst, size_t sz);

/*
 * A stretch of a function and what a table says of it: how far the stack pointer is below where it was at
 * the entry, or another number of the same kind.
 */
struct step {
	uint64_t start;
	uint64_t end;
	int64_t delta;
};

struct steps {
	struct tables *tables;
	uint64_t at; /* in the bytes of the table */
	uint64_t pc;
	uint64_t end; /* of the function */
	int64_t delta;
	bool first;
};

/* By the table at this offset in the head's pc_tables. */
void steps_init(struct steps *s, struct tables *t, const struct gopclntab_func *f, uint32_t table);
/* 1; 0: no more; -EBADMSG: something is wrong; -E2BIG: no more work may be done; -errno of a read. */
int steps_next(struct steps *s, struct step *ret);
