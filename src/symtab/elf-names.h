/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* elf-names — what the functions of an ELF file are called, by all that it has to tell. */

#include "elf-image.h"
#include "ranges.h"

/*
 * @debug: of the separate debug file; NULL: there is none. SYMTAB_OK with *ret (empty when there is no symbol
 * in executable memory) and info->sources, SYMTAB_BAD, SYMTAB_LIMIT or -errno.
 */
int elf_names_load(const struct elf_image *img, const struct elf_image *debug,
		   struct symtab_info *info, const struct symtab_limits *limits,
		   struct ranges *ret);
