/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* plt-names — the stubs through which a file calls other files' functions: "function@plt". */

#include "elf-symbols.h"

struct plt_stub;

struct plt_names {
	struct plt_stub *v;
	size_t cnt;
};

/*
 * @tables are those whose strings are with the gatherer, the dynamic one first, which has what stubs are for.
 * SYMTAB_OK, also where there are none, or more than may be; or -errno. plt_names_done() in any case.
 */
int plt_names_open(const struct elf_image *img, const struct symbol_table *const *tables,
		   size_t tables_cnt, struct gather *g, struct plt_names *ret);
/* Adds them. SYMTAB_OK. */
int plt_names_add(const struct plt_names *n, struct gather *g);
void plt_names_done(struct plt_names *n);
