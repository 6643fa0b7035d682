/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * table — rows of text whose columns are as wide as their widest cell. Widths are counted in
 * characters, not bytes; text must be clean.
 */

#include <stdbool.h>
#include <stdio.h>

#include "cprof/base/arena.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/vec.h"

struct table_column {
	const char *title; /* NULL in all: no line of titles */
	bool right;	   /* numbers */
};

struct table {
	const struct table_column *columns;
	size_t columns_cnt;
	struct arena arena;
	VEC(const char *) cells; /* row by row */
	bool out_of_memory;
};

/* @c is an array of columns, which must outlive the table. */
#define TABLE_INIT(c) ((struct table){ .columns = (c), .columns_cnt = ELEMENTSOF(c) })

void table_done(struct table *t);

/* The next cell of the row that is being filled; @fmt as of printf(3). */
void table_add(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Each line begins with @indent. 0 or -ENOMEM: a cell is missing, and nothing was printed. */
int table_print(const struct table *t, FILE *f, const char *indent, bool colour);
