/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* lines — a unit's program of lines: at which line of which file addresses are, and the files' paths. */

#include "spans.h"

struct row {
	uint64_t file; /* its number in the program */
	uint32_t line;
	uint32_t column;
	bool found;
};

/* A list in the head of version 5 says of what its entries are made. */
#define LINE_FORMATS_MAX 16

struct line_table {
	uint64_t at;  /* of its first entry */
	uint64_t cnt; /* version 5; before, an empty name ends it */
	uint32_t formats_cnt;
	struct {
		uint16_t content;
		uint16_t form;
	} formats[LINE_FORMATS_MAX];
};

struct line_program {
	struct readers *rd;
	const struct unit *unit;
	struct layout layout;
	uint64_t start; /* of the instructions */
	uint64_t end;
	uint8_t min_length;
	int8_t line_base;
	uint8_t line_range;
	uint8_t opcode_base;
	uint8_t lengths[256];
	struct line_table dirs;
	struct line_table files;
};

/* The head of @u's program; of a split unit it is the skeleton's. 0, -ENOENT (it has none), -EBADMSG or -errno. */
int line_program_open(struct line_program *p, struct readers *rd, const struct unit *u);

/* A row for each address. 0 or -errno; with -EBADMSG what was found before is there. */
int line_program_run(struct line_program *p, const struct asked *asked, struct row *rows);

/* An entry of one of the tables; @i counts as files and directories are numbered. Negative ends it. */
typedef int (*line_entry_fn)(void *ctx, uint64_t i, struct value name, uint64_t dir);
int line_table_walk(struct line_program *p, const struct line_table *t, line_entry_fn fn,
		    void *ctx);
