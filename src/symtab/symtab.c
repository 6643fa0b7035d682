/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One ELF file from its image to a table: what the file says about itself, symbols. What libelf read lives
 * with the image; the table that is left holds 16 bytes for each range and the names of the symbols that
 * were chosen.
 */

#include <errno.h>
#include <string.h>

#include "elf-file.h"
#include "elf-names.h"
#include "table.h"

int symtab_read(const struct elf_file *f, const struct elf_file *debug,
		const struct symtab_limits *limits, struct symtab **ret)
{
	_cleanup_(symtab_freep) struct symtab *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->info = f->info;
	r = elf_names_load(&f->img, debug ? &debug->img : NULL, &t->info, limits, &t->ranges);
	if (r == SYMTAB_OK && t->ranges.cnt == 0)
		r = t->info.cut ? SYMTAB_LIMIT : SYMTAB_UNNAMED;
	if (r >= 0 && r != SYMTAB_BAD)
		*ret = TAKE_PTR(t);
	return r;
}

int symtab_load(int fd, uint64_t file_sz, const struct symtab_limits *limits, struct symtab **ret)
{
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	int r = elf_file_open_copy(fd, file_sz, &f);

	return r == SYMTAB_OK ? symtab_read(f, NULL, limits, ret) : r;
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
	ret->naming = t->info.go ? SYMTAB_NAMING_GO : SYMTAB_NAMING_C;
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

void symtab_coverage(const struct symtab *t, uint64_t *ret_functions, uint64_t *ret_bytes)
{
	uint64_t functions = 0, bytes = 0;

	for (uint32_t i = 0; i < t->ranges.cnt; i++) {
		functions += t->ranges.v[i].from == t->ranges.v[i].start;
		bytes += t->ranges.v[i].to - t->ranges.v[i].from;
	}
	*ret_functions = functions;
	*ret_bytes = bytes;
}

size_t symtab_bytes(const struct symtab *t)
{
	return sizeof(*t) + ranges_bytes(&t->ranges) + perf_map_bytes(&t->perf_map);
}
