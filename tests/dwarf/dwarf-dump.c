/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is at addresses of a file, as text for oracle.py to compare: dwarf-dump FILE < addresses, in hex by
 * lines. For each one line "= ADDRESS OUTCOME", then a line for each function, the innermost first:
 * name, linkage name, file, line, column and start line, with tabs between.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cprof/base/sort.h"
#include "cprof/base/vec.h"
#include "cprof/dwarf.h"
#include "cprof/elf_file.h"

static struct elf_file *open_file(const char *path, int (*how)(int, uint64_t, struct elf_file **))
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_file *f = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || how(fd, (uint64_t)st.st_size, &f) != 0)
		return NULL;
	return f;
}

static int print(void *ctx, size_t i, const struct dwarf_place *p)
{
	printf("= %" PRIx64 " %d\n", p->addr, (int)p->outcome);
	for (uint32_t k = 0; k < p->lines_cnt; k++) {
		const struct dwarf_line *l = &p->lines[k];

		printf("%s\t%s\t%s\t%u\t%u\t%u\n", l->name, l->linkage, l->file, l->line, l->column,
		       l->start_line);
	}
	return 0;
}

static int look(void *ctx, size_t i, const struct dwarf_place *p)
{
	return 0;
}

/* Gives what is there of what is wanted: a package beside the program, or each file where it says. */
static bool give_all(struct dwarf *d, const char *program)
{
	struct dwarf_want w;
	bool given = false;

	for (size_t i = 0; dwarf_wants(d, i, &w); i++) {
		struct elf_file *f = NULL;
		char path[4096];

		if (w.given)
			continue;
		if (w.kind == DWARF_WANT_UNIT) {
			(void)snprintf(path, sizeof(path), "%s.dwp", program);
			f = open_file(path, elf_file_open_part);
		}
		if (!f) {
			(void)snprintf(path, sizeof(path), "%s%s%s", w.name[0] == '/' ? "" : w.dir,
				       w.name[0] == '/' || !w.dir[0] ? "" : "/", w.name);
			f = open_file(path, elf_file_open_part);
		}
		if (f)
			given |= dwarf_give(d, i, f) == DWARF_OK;
	}
	return given;
}

int main(int argc, char **argv)
{
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	VEC(uint64_t) addrs = { 0 };
	struct dwarf_limits limits = DWARF_LIMITS_DEFAULT;
	uint64_t addr;
	int r;

	if (argc < 2)
		return 2;
	f = open_file(argv[1], elf_file_open_debug);
	if (!f)
		return 2;
	while (scanf("%" SCNx64, &addr) == 1) {
		if (vec_push(&addrs, addr) < 0)
			return 2;
	}
	sort_u64(addrs.v, addrs.cnt);
	r = dwarf_open(f, &limits, 0, &d);
	if (r == DWARF_OK)
		r = dwarf_find(d, addrs.v, addrs.cnt, look, NULL);
	while (r == DWARF_OK && give_all(d, argv[1]))
		r = dwarf_find(d, addrs.v, addrs.cnt, look, NULL);
	if (r == DWARF_OK)
		r = dwarf_find(d, addrs.v, addrs.cnt, print, NULL);
	if (d)
		fprintf(stderr, "%zu bytes, %" PRIu64 " of work\n", dwarf_bytes(d),
			limits.work - dwarf_work_left(d));
	vec_done(&addrs);
	if (r != DWARF_OK)
		fprintf(stderr, "%s: outcome %d\n", argv[1], r);
	return r == DWARF_OK ? 0 : 1;
}
