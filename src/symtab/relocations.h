/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* relocations — what the loader writes into a file's memory that depends on nothing but where it lies. */

#include "elf-image.h"

struct relocation {
	uint64_t addr;
	uint64_t value; /* where the file is loaded at 0 */
};

struct relocations {
	struct relocation *v; /* by address */
	size_t cnt;
};

/* Those from @from up to @to. 0; -E2BIG: too many; or -errno. relocations_done() in any case. */
int relocations_load(const struct elf_image *img, uint64_t from, uint64_t to,
		     struct relocations *ret);
void relocations_done(struct relocations *r);

/* Writes them into the @sz bytes that are at @addr; no two of them overlap. */
void relocations_apply(const struct relocations *r, uint64_t addr, uint8_t *bytes, size_t sz);

/* Where the first one is that writes this value: 0, -ENOENT or -errno. */
int relocations_find(const struct elf_image *img, uint64_t value, uint64_t *ret_addr);
