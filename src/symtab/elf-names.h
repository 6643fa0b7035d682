/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* elf-names — what the functions of an ELF file are called, by all that it has to tell. */

#include "elf-image.h"
#include "file-names.h"

/*
 * @debug: of the separate debug file; NULL: there is none. SYMTAB_OK with *ret (empty when there is no symbol
 * in executable memory) and info->sources, SYMTAB_BAD, SYMTAB_LIMIT or -errno.
 */
int elf_names_load(const struct elf_image *img, const struct elf_image *debug,
		   struct symtab_info *info, const struct symtab_limits *limits,
		   struct ranges *ret);
/*
 * The same of a large .symtab, but names stay in the file, which *ret_names has open. SYMTAB_OK; anything else, most
 * often -E2BIG (it is not large, or makes too much work), leaves the file to elf_names_load().
 */
int elf_names_leave(const struct elf_file *f, struct symtab_info *info,
		    const struct symtab_limits *limits, struct ranges *ret,
		    struct file_names **ret_names);
