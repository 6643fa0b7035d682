/* SPDX-License-Identifier: Apache-2.0 */

/* Two passes: how wide, then print. No line ends in blanks. */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define TABLE_CELL_MAX 4096

void table_done(struct table *t)
{
	arena_done(&t->arena);
	vec_done(&t->cells);
}

void table_add(struct table *t, const char *fmt, ...)
{
	char text[TABLE_CELL_MAX];
	const char *cell;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cell = arena_strndup(&t->arena, text, strlen(text));
	if (!cell || vec_push(&t->cells, cell) < 0)
		t->out_of_memory = true;
}

/* Of UTF-8: continuation bytes have no width of their own. */
static size_t table_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = t->columns[column].title ? table_width(t->columns[column].title) : 0;

	for (size_t i = column; i < t->cells.cnt; i += t->columns_cnt)
		width = MAX(width, table_width(t->cells.v[i]));
	return width;
}

/* One line; @cells is NULL for the titles. Blanks are owed until something follows them. */
static void print_line(const struct table *t, const size_t *widths, const char *const *cells,
		       FILE *f)
{
	size_t owed = 0;

	for (size_t c = 0; c < t->columns_cnt; c++) {
		const char *text = cells ? cells[c] : t->columns[c].title;
		size_t pad = widths[c] - table_width(text);
		bool right = t->columns[c].right;

		owed += (c > 0 ? 2 : 0) + (right ? pad : 0);
		if (*text) {
			fprintf(f, "%*s%s", (int)owed, "", text);
			owed = 0;
		}
		owed += right ? 0 : pad;
	}
}

int table_print(const struct table *t, FILE *f, const char *indent, bool colour)
{
	_cleanup_free_ size_t *widths = calloc(t->columns_cnt, sizeof(*widths));

	if (!widths || t->out_of_memory)
		return -ENOMEM;
	for (size_t c = 0; c < t->columns_cnt; c++)
		widths[c] = column_width(t, c);
	if (t->columns[0].title) {
		fprintf(f, "%s%s", indent, colour ? "\033[1m" : "");
		print_line(t, widths, NULL, f);
		fprintf(f, "%s\n", colour ? "\033[0m" : "");
	}
	for (size_t i = 0; i + t->columns_cnt <= t->cells.cnt; i += t->columns_cnt) {
		fputs(indent, f);
		print_line(t, widths, t->cells.v + i, f);
		fputc('\n', f);
	}
	return 0;
}
