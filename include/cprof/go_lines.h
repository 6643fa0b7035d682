/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * go_lines — files, lines and inlined functions of a Go program, by the table that its runtime has
 * (gopclntab_lines.h), also of one that is stripped.
 *
 * Reads files of strangers, as symtab.h does and under the same rules. Places are file offsets, as there.
 */

#include "cprof/elf_file.h"
#include "cprof/gopclntab_lines.h"

struct go_lines;

/*
 * SYMTAB_OK; SYMTAB_UNNAMED: the file has no such table; SYMTAB_LIMIT: what has to be read to find it is
 * beyond the limits; or -errno. @f has to outlive it. It takes some 400 KiB, and while it is asked three times
 * @limits->rows at most.
 */
int go_lines_open(const struct elf_file *f, const struct gopclntab_lines_limits *limits,
		  struct go_lines **ret);
struct go_lines *go_lines_close(struct go_lines *l);

/* Whether inlined functions are known. */
enum gopclntab_trees go_lines_trees(const struct go_lines *l);

/*
 * As gopclntab_lines_find(), with ascending places instead of addresses, also in the answers. Those in other
 * code than Go's have none.
 */
int go_lines_find(struct go_lines *l, const uint64_t *places, size_t cnt,
		  const struct gopclntab_lines_sink *sink, struct gopclntab_lines_facts *ret_facts);

DEFINE_CLEANUP(struct go_lines *, go_lines_close);
