/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* elf-symbols — .symtab and .dynsym of checked images. */

#include "elf-image.h"
#include "gather.h"

/* One table of symbols, whose strings are with the gatherer. */
struct symbol_table {
	const struct elf_image *img; /* which it is in: it says what is code */
	uint64_t offset;
	uint64_t cnt; /* 0: there is none */
	enum symtab_source source;
};

/*
 * The table that this source is in this image. SYMTAB_OK, also where there is none (or a compressed one);
 * SYMTAB_BAD: it lies; SYMTAB_LIMIT or -errno.
 */
int symbol_table_open(const struct elf_image *img, enum symtab_source source, struct gather *g,
		      struct symbol_table *ret);
/* Adds its functions. SYMTAB_OK, SYMTAB_BAD (cut meanwhile) or -errno. */
int symbol_table_add(const struct symbol_table *t, struct gather *g);

/* May a function be called so? What assemblers make for themselves is no name of one. */
bool symbol_name_is_function(const char *s);
/* @sz bytes from a name (a source, and a place in its strings, wherever these are) on: SYMTAB_OK, SYMTAB_BAD or -errno. */
int candidate_strings_read(const struct candidate_strings *s, const struct elf_image *img,
			   uint32_t name, char *dst, size_t sz);

/* All its symbols, in the file's order. As symbol_table_add(). */
typedef void (*elf_symbol_fn)(const Elf64_Sym *sym, void *ctx);
int symbol_table_each(const struct symbol_table *t, elf_symbol_fn fn, void *ctx);

/* Every symbol of both tables, in the file's order; a table that lies is as none. 0 or -errno. */
int elf_symbols_each(const struct elf_image *img, elf_symbol_fn fn, void *ctx);
