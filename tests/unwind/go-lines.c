/* SPDX-License-Identifier: Apache-2.0 */

/*
 * go-lines ELF < addresses — what the Go program's table says of each of these ascending addresses (in hex,
 * as the file has them):
 *
 *	A ADDRESS PLACES [flat]
 *	P LINE START_LINE FUNCTION<tab>LINKAGE<tab>FILE	its places, the innermost first
 *	S ...						a summary, last
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cprof/base/vec.h"
#include "cprof/go_lines.h"
#include "cprof/symtab.h"

struct asked {
	VEC(uint64_t) addrs, places;
};

static void die(const char *what)
{
	fprintf(stderr, "go-lines: %s\n", what);
	exit(2);
}

static struct elf_file *open_elf(const char *path)
{
	struct elf_file *f = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0 ||
	    elf_file_open(fd, (uint64_t)st.st_size, &f) != SYMTAB_OK)
		die("no ELF file");
	return f;
}

/* By the segments, as symtab tells of them. */
static void read_asked(const char *path, struct asked *a)
{
	struct symtab_limits limits = SYMTAB_LIMITS_DEFAULT;
	struct symtab *t = NULL;
	const struct symtab_info *info;
	struct elf_file *f = open_elf(path);
	uint64_t addr;

	if (symtab_read(f, NULL, &limits, &t) < 0 || !t)
		die("no segments");
	info = symtab_info(t);
	while (scanf("%" SCNx64, &addr) == 1) {
		for (uint32_t i = 0; i < info->segments_cnt; i++) {
			const struct object_segment *s = &info->segments[i];

			if (addr - s->vaddr >= s->filesz)
				continue;
			if (vec_push(&a->addrs, addr) < 0 ||
			    vec_push(&a->places, addr - s->vaddr + s->offset) < 0)
				die("no memory");
		}
	}
	symtab_free(t);
	elf_file_close(f);
}

static int print_answer(void *ctx, const struct gopclntab_answer *answer)
{
	const struct asked *a = ctx;

	printf("A %" PRIx64 " %zu%s\n", a->addrs.v[answer->i], answer->cnt,
	       answer->flat ? " flat" : "");
	for (size_t i = 0; i < answer->cnt; i++) {
		const struct gopclntab_place *p = &answer->places[i];

		printf("P %" PRIu32 " %" PRIu32 " %s\t%s\t%s\n", p->line, p->start_line,
		       p->function, p->linkage ? p->linkage : p->function, p->file);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct gopclntab_lines_limits limits = GOPCLNTAB_LINES_LIMITS_DEFAULT;
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	_cleanup_(go_lines_closep) struct go_lines *l = NULL;
	struct asked asked = { 0 };
	struct gopclntab_lines_sink sink = { print_answer, &asked };
	struct gopclntab_lines_facts facts;
	int r;

	if (argc != 2)
		die("what is asked is one file");
	read_asked(argv[1], &asked);
	f = open_elf(argv[1]);
	r = go_lines_open(f, &limits, &l);
	if (r != SYMTAB_OK) {
		printf("S outcome %d\n", r);
		return 1;
	}
	r = go_lines_find(l, asked.places.v, asked.places.cnt, &sink, &facts);
	printf("S outcome %d trees %d asked %zu found %" PRIu64 " flat %" PRIu64 " cut %" PRIu64
	       " bad %" PRIu64 "\n",
	       r, go_lines_trees(l), asked.places.cnt, facts.found, facts.flat, facts.cut,
	       facts.bad);
	vec_done(&asked.addrs);
	vec_done(&asked.places);
	return 0;
}
