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

#define ADDRS_MAX 100000
#define ALLOWED_MAX 16

static struct elf_file *open_file(const char *path, int (*how)(int, uint64_t, struct elf_file **))
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_file *f = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || how(fd, (uint64_t)st.st_size, &f) != 0)
		return NULL;
	return f;
}

struct asking {
	VEC(uint64_t) addrs; /* that are not answered */
	bool answered[ADDRS_MAX];
	uint64_t work;
	unsigned int allowed; /* how often */
	FILE *out;
};

static int print(void *ctx, size_t i, const struct dwarf_place *p)
{
	struct asking *a = ctx;

	a->answered[i] = true;
	fprintf(a->out, "= %" PRIx64 " %d\n", p->addr, (int)p->outcome);
	for (uint32_t k = 0; k < p->lines_cnt; k++) {
		const struct dwarf_line *l = &p->lines[k];

		fprintf(a->out, "%s\t%s\t%s\t%u\t%u\t%u\n", l->name, l->linkage, l->file, l->line,
			l->column, l->start_line);
	}
	return 0;
}

/* All addresses, in as many goes as it takes; what comes out is *ret_text. */
static int find(struct dwarf *d, struct asking *a, char **ret_text)
{
	const struct dwarf_limits limits = DWARF_LIMITS_DEFAULT;
	size_t sz;
	int r;

	a->out = open_memstream(ret_text, &sz);
	if (!a->out)
		return -ENOMEM;
	do {
		size_t cnt = 0;

		memset(a->answered, 0, sizeof(a->answered));
		dwarf_allow(d, limits.work);
		r = dwarf_find(d, a->addrs.v, a->addrs.cnt, print, a);
		a->work += limits.work - dwarf_work_left(d);
		a->allowed++;
		for (size_t i = 0; r == DWARF_LIMIT && i < a->addrs.cnt; i++) {
			if (!a->answered[i])
				a->addrs.v[cnt++] = a->addrs.v[i];
		}
		a->addrs.cnt = r == DWARF_LIMIT ? cnt : a->addrs.cnt;
	} while (r == DWARF_LIMIT && a->allowed < ALLOWED_MAX);
	(void)fclose(a->out);
	return r;
}

/* What the process has taken at most, in kB. */
static long peak(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kb = -1;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmHWM: %ld kB", &kb) == 1)
			break;
	}
	if (f)
		(void)fclose(f);
	return kb;
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

static int read_addresses(struct asking *a)
{
	uint64_t addr;

	while (a->addrs.cnt < ADDRS_MAX && scanf("%" SCNx64, &addr) == 1) {
		if (vec_push(&a->addrs, addr) < 0)
			return -ENOMEM;
	}
	sort_u64(a->addrs.v, a->addrs.cnt);
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	_cleanup_free_ char *text = NULL;
	static struct asking a;
	int r;

	f = argc == 2 ? open_file(argv[1], elf_file_open_debug) : NULL;
	if (!f || read_addresses(&a) < 0)
		return 2;
	r = dwarf_open(f, &DWARF_LIMITS_DEFAULT, 0, &d);
	if (r == DWARF_OK)
		r = find(d, &a, &text);
	while (r == DWARF_OK && give_all(d, argv[1])) {
		free(TAKE_PTR(text));
		r = find(d, &a, &text);
	}
	if (text)
		(void)fputs(text, stdout);
	if (d)
		fprintf(stderr, "%zu bytes, %" PRIu64 " of work in %u, %ld kB at most\n",
			dwarf_bytes(d), a.work, a.allowed, peak());
	vec_done(&a.addrs);
	if (r != DWARF_OK)
		fprintf(stderr, "%s: outcome %d\n", argv[1], r);
	return r == DWARF_OK ? 0 : 1;
}
