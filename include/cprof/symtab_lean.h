/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * symtab_lean — tables (symtab.h) whose names stay in the file while that is open, and are read when they are asked
 * for: of a hundred thousand some hundred ever are.
 *
 * Whoever has a mind to unmount the file has to wait for it, so it should not be kept for long. Answers are the same
 * as with all names read, but for files that give functions names which no function has: then that is said.
 */

#include "cprof/symtab.h"

/* symtab_read() without a debug file; one of fewer symbols than limits->lean, or without any of its own, has its names. */
int symtab_read_lean(const struct elf_file *f, const struct symtab_limits *limits,
		     struct symtab **ret);
bool symtab_is_lean(const struct symtab *t);
/* It met a name that none may have: after symtab_fill() what was asked may have another answer. */
bool symtab_is_misled(const struct symtab *t);
/* Reads the names, and closes the file. SYMTAB_OK, also where nothing is to do; else it stays lean, and is to be freed. */
int symtab_fill(struct symtab *t, const struct symtab_limits *limits);
