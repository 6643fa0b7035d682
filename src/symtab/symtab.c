/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One ELF file from its image to a table: what the file says about itself, symbols. What libelf read lives
 * with the image; the table that is left holds some bytes for each range and the names of the symbols that
 * were chosen.
 */

#include <errno.h>
#include <string.h>

#include "cprof/symtab_lean.h"
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
	if (r == SYMTAB_OK && t->ranges.list.cnt == 0)
		r = t->info.cut ? SYMTAB_LIMIT : SYMTAB_UNNAMED;
	if (r >= 0 && r != SYMTAB_BAD)
		*ret = TAKE_PTR(t);
	return r;
}

int symtab_read_lean(const struct elf_file *f, const struct symtab_limits *limits,
		     struct symtab **ret)
{
	_cleanup_(symtab_freep) struct symtab *t = calloc(1, sizeof(*t));
	_cleanup_(elf_file_restp) const struct elf_file *kept = elf_file_keep(f);
	int r;

	(void)kept;
	if (!t)
		return -ENOMEM;
	t->info = f->info;
	r = elf_names_leave(f, &t->info, limits, &t->ranges, &t->in_file);
	if (r != SYMTAB_OK)
		return symtab_read(f, NULL, limits, ret); /* whatever is wrong, it says */
	*ret = TAKE_PTR(t);
	return SYMTAB_OK;
}

bool symtab_is_lean(const struct symtab *t)
{
	return t->in_file;
}

bool symtab_is_misled(const struct symtab *t)
{
	return t->in_file && file_names_are_misleading(t->in_file);
}

int symtab_fill(struct symtab *t, const struct symtab_limits *limits)
{
	struct ranges ranges;
	struct symtab_info info;
	const struct elf_file *f;
	int r;

	if (!t->in_file)
		return SYMTAB_OK;
	f = file_names_file(t->in_file);
	info = f->info;
	r = elf_names_load(&f->img, NULL, &info, limits, &ranges);
	if (r != SYMTAB_OK)
		return r;
	ranges_done(&t->ranges);
	t->ranges = ranges;
	t->info = info;
	t->in_file = file_names_free(t->in_file);
	return SYMTAB_OK;
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
		file_names_free(t->in_file);
	}
	free(t);
	return NULL;
}

static bool find_in_file(const struct symtab *t, uint64_t place, struct symtab_symbol *ret)
{
	struct range range;

	*ret = (struct symtab_symbol){ 0 };
	if (!ranges_at(&t->ranges, place, &range) ||
	    file_names_get(t->in_file, range.name, &ret->name) < 0)
		return false;
	ret->start = t->ranges.base + range.start;
	return true;
}

bool symtab_find(const struct symtab *t, uint64_t place, struct symtab_symbol *ret)
{
	const char *module;

	if (t->perf_map.cnt > 0)
		return perf_map_find(&t->perf_map, place, ret);
	if (t->in_file ? !find_in_file(t, place, ret) : !ranges_find(&t->ranges, place, ret))
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
	struct range_walk walk = { 0 };
	uint64_t functions = 0, bytes = 0;
	struct range range;

	while (range_list_next(&t->ranges.list, &walk, &range)) {
		functions += range.from == range.start;
		bytes += range.to - range.from;
	}
	*ret_functions = functions;
	*ret_bytes = bytes;
}

size_t symtab_bytes(const struct symtab *t)
{
	return sizeof(*t) + ranges_bytes(&t->ranges) + perf_map_bytes(&t->perf_map) +
	       (t->in_file ? file_names_bytes(t->in_file) : 0);
}
