/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One ELF file from descriptor to table: headers, what the file says about itself, symbols. The
 * image with libelf's handle and all that it read lives only in here; the table that is left holds 16
 * bytes for each range and the names of the symbols that were chosen.
 */

#include <string.h>

#include "elf-symbols.h"
#include "table.h"

static int load(const struct elf_image *img, const struct symtab_limits *limits, struct symtab *t)
{
	int r;

	r = elf_image_info(img, &t->info);
	if (r != SYMTAB_OK)
		return r;
	r = elf_symbols_load(img, &t->info, limits, &t->ranges);
	if (r != SYMTAB_OK)
		return r;
	return t->ranges.cnt > 0 ? SYMTAB_OK : SYMTAB_UNNAMED;
}

int symtab_load(int fd, uint64_t file_sz, const struct symtab_limits *limits, struct symtab **ret)
{
	_cleanup_(elf_image_done) struct elf_image img = ELF_IMAGE_INIT;
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	int r;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	r = elf_image_init(&img, fd, file_sz);
	if (r != SYMTAB_OK)
		return r;
	r = load(&img, limits, t);
	if (r >= 0 && r != SYMTAB_BAD)
		*ret = TAKE_PTR(t);
	return r;
}

struct symtab *symtab_free(struct symtab *t)
{
	if (t) {
		ranges_done(&t->ranges);
		perf_map_done(&t->perf_map);
	}
	free(t);
	return NULL;
}

bool symtab_find(const struct symtab *t, uint64_t place, struct symtab_symbol *ret)
{
	const char *module;

	if (t->perf_map.cnt > 0)
		return perf_map_find(&t->perf_map, place, ret);
	if (!ranges_find(&t->ranges, place, ret))
		return false;
	if (t->info.elf == OBJECT_ELF_NONE) {
		module = strrchr(ret->name, ' ');
		ret->module_len = module ? (uint32_t)strlen(module) : 0;
	}
	return true;
}

const struct symtab_info *symtab_info(const struct symtab *t)
{
	return &t->info;
}

size_t symtab_bytes(const struct symtab *t)
{
	return sizeof(*t) + ranges_bytes(&t->ranges) + perf_map_bytes(&t->perf_map);
}
