/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* elf-symbols — .symtab and .dynsym of a checked image to ranges over file offsets. */

#include "elf-image.h"
#include "ranges.h"

/*
 * SYMTAB_OK with *ret (empty when there is no symbol in executable memory), SYMTAB_BAD, SYMTAB_LIMIT
 * or -errno.
 */
int elf_symbols_load(const struct elf_image *img, const struct symtab_info *info,
		     const struct symtab_limits *limits, struct ranges *ret);

/* It has .symtab: the linker's own, with the functions that nobody else may call. */
bool elf_symbols_are_all(const struct elf_image *img);

/* Every symbol of both tables, in the file's order; a table that lies is as none. 0 or -errno. */
typedef void (*elf_symbol_fn)(const Elf64_Sym *sym, void *ctx);
int elf_symbols_each(const struct elf_image *img, elf_symbol_fn fn, void *ctx);
