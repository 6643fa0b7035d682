/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* go-names — the functions of a Go program without symbols, by the table that its runtime has of them. */

#include "gather.h"
#include "go-table.h"

struct go_names {
	struct go_table table;
	bool found; /* there is a table whose names are with the gatherer */
};

/* *ret stays where it is. SYMTAB_OK, also where there is none, or one before 1.16; SYMTAB_LIMIT or -errno. */
int go_names_open(const struct elf_image *img, struct gather *g, struct go_names *ret);
/* Adds its functions. SYMTAB_OK, SYMTAB_LIMIT or -errno. */
int go_names_add(const struct go_names *n, struct gather *g);
void go_names_done(struct go_names *n);
