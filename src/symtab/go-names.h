/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* go-names — the functions of a Go program without symbols, by the table that its runtime has of them. */

#include "elf-image.h"
#include "ranges.h"

/* SYMTAB_OK with *ret (empty when there is no table, or one before 1.16), SYMTAB_LIMIT or -errno. */
int go_names_load(const struct elf_image *img, const struct symtab_info *info,
		  const struct symtab_limits *limits, struct ranges *ret);
