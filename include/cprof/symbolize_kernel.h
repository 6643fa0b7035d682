/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * symbolize_kernel — what the owner of a symbolize tells it of the kernel's code outside of the kernel's own text:
 * what came and went, and the lines of BPF programs.
 */

#include "cprof/symbolize.h"

#define SYMBOLIZE_CODE_MAX 64
#define SYMBOLIZE_CODE_FILE_MAX 255 /* bytes of a path; the rest is cut */

/* Code that came to the kernel or went outside of its own text; start 0: some did, anywhere. */
struct symbolize_code {
	uint64_t start, end;
	char name[96]; /* terminated */
};

/* Names of such places are asked for again; where nobody told what it was, all are read again before. */
void symbolize_kernel_code(struct symbolize *s, const struct symbolize_code *code);

/* Was a name of the kernel's asked for? The first takes the symbolizer as long as reading all of kallsyms. */
bool symbolize_kernel_is_begun(const struct symbolize *s);

/* A place in a BPF program, and where its source is; the text is a stranger's. */
struct symbolize_code_line {
	uint64_t place;
	const char *file; /* terminated; "": not known */
	uint32_t line, column, start_line;
};
/* During opts.on_code: it has a name already. */
void symbolize_code_line(struct symbolize *s, const struct symbolize_code_line *line);
