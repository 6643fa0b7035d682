/* SPDX-License-Identifier: Apache-2.0 */

/*
 * gopclntab-check ELF — what a Go program's table of functions says, held against the call frame information
 * that the same linker wrote (.debug_frame), at every row:
 *
 *	F START END FLAGS NAME	each function
 *	R START END RULE	each row (CFA in readelf's words, then where rbp is)
 *	D START OURS | CFI	a row whose CFA differs
 *	M START END		code that only .debug_frame covers
 *	S ...			a summary, last
 *
 * The table is looked for twice: by its section's name and, as in a file that has lost its names, by its head.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cprof/cfi.h"
#include "go-image.h"

#define NAME_MAX_SZ 512

struct check {
	struct go_image go;
	struct cfi *cfi; /* NULL: the file has none */
	size_t cfi_next;
	char name[NAME_MAX_SZ];
	uint64_t differ;
	uint64_t equal;
	uint64_t covered; /* up to where there are rows */
	uint64_t missing; /* bytes */
};

static void load(struct check *c, Elf *elf)
{
	uint64_t addr;
	struct bytes b;

	go_image_load(&c->go, elf);
	if (elf_bytes_find(elf, ".debug_frame", &b, &addr)) {
		struct cfi_section s = { bytes_read, &b, b.sz, addr, true };
		struct cfi_limits limits = { .rows = 64 << 20, .rules = CFI_RULES_MAX };

		if (cfi_load(&s, 1, &limits, &c->cfi) != CFI_OK)
			die("no .debug_frame table");
	}
}

static void print_rule(const struct cprof_rule *rule)
{
	if (rule->cfa == CPROF_CFA_SIGNAL)
		printf("signal");
	else if (rule->cfa == CPROF_CFA_GOROUTINE)
		printf("goroutine %d %d", rule->cfa_off, rule->fp_off);
	else if (rule->cfa != CPROF_CFA_REG)
		printf("?");
	else if (rule->ra == CPROF_WHERE_UNDEFINED)
		printf("root");
	else if (rule->ra != CPROF_WHERE_CFA)
		printf("rsp%+d r%u", rule->cfa_off, rule->ra_reg);
	else
		printf("%s%+d %s%s%s", rule->cfa_reg == CPROF_REG_RSP ? "rsp" : "rbp",
		       rule->cfa_off, rule->fp == CPROF_WHERE_CFA ? "c-16" : "s",
		       rule->flags & CPROF_RULE_SWITCH ? " switch" : "",
		       rule->flags & CPROF_RULE_EXACT ? " exact" : "");
}

static bool is_equal(const struct cprof_rule *ours, const struct cprof_rule *theirs)
{
	return ours->cfa == theirs->cfa && ours->cfa_reg == theirs->cfa_reg &&
	       ours->cfa_off == theirs->cfa_off && ours->ra == theirs->ra;
}

static void compare(struct check *c, uint64_t start, uint64_t end, const struct cprof_rule *rule)
{
	size_t cnt = cfi_rows_cnt(c->cfi);

	while (c->cfi_next + 1 < cnt && cfi_row(c->cfi, c->cfi_next + 1).addr <= start)
		c->cfi_next++;
	for (size_t i = c->cfi_next; i < cnt; i++) {
		struct cfi_row row = cfi_row(c->cfi, i);
		const struct cprof_rule *theirs = cfi_rule(c->cfi, row.rule);

		if (row.addr >= end)
			break;
		if (theirs->cfa == CPROF_CFA_GAP)
			continue;
		if (is_equal(rule, theirs)) {
			c->equal++;
			continue;
		}
		c->differ++;
		printf("D %" PRIx64 " ", row.addr > start ? row.addr : start);
		print_rule(rule);
		printf(" | ");
		print_rule(theirs);
		putchar('\n');
	}
}

/* What lies between two rows of ours has none of theirs either. */
static void check_hole(struct check *c, uint64_t start, uint64_t end)
{
	for (size_t i = c->cfi_next; i < cfi_rows_cnt(c->cfi); i++) {
		struct cfi_row row = cfi_row(c->cfi, i);
		uint64_t from = row.addr > start ? row.addr : start, to = end;

		if (row.addr >= end)
			return;
		if (i + 1 < cfi_rows_cnt(c->cfi) && cfi_row(c->cfi, i + 1).addr < to)
			to = cfi_row(c->cfi, i + 1).addr;
		if (cfi_rule(c->cfi, row.rule)->cfa == CPROF_CFA_GAP || from >= to)
			continue;
		c->missing += to - from;
		printf("M %" PRIx64 " %" PRIx64 "\n", from, to);
	}
}

static int on_row(void *ctx, uint64_t start, uint64_t end, const struct cprof_rule *rule)
{
	struct check *c = ctx;

	printf("R %" PRIx64 " %" PRIx64 " ", start, end);
	print_rule(rule);
	putchar('\n');
	if (c->cfi) {
		if (c->covered < start)
			check_hole(c, c->covered, start);
		compare(c, start, end, rule);
	}
	c->covered = end;
	return 0;
}

static int on_func(void *ctx, const struct gopclntab_func *f)
{
	struct check *c = ctx;

	if (gopclntab_name(&c->go.file, &c->go.head, f->name, c->name, sizeof(c->name)) < 0)
		die("no name");
	printf("F %" PRIx64 " %" PRIx64 " %x %s\n", f->start, f->end, f->flags, c->name);
	return 0;
}

static int run(Elf *elf)
{
	static struct check c;
	struct gopclntab_sink sink = { .func = on_func, .row = on_row, .ctx = &c };
	struct gopclntab_facts facts;
	int r;

	load(&c, elf);
	r = gopclntab_walk(&c.go.file, &sink, &facts);
	if (c.cfi)
		check_hole(&c, c.covered, UINT64_MAX);
	printf("S outcome %d version %d funcs %" PRIu64 " foreign %" PRIu64 " bad %" PRIu64
	       " unsupported %" PRIu64 " equal %" PRIu64 " differ %" PRIu64 " missing %" PRIu64
	       "\n",
	       r, (int)c.go.head.version, facts.funcs, facts.foreign, facts.bad, facts.unsupported,
	       c.equal, c.differ, c.missing);
	cfi_free(c.cfi);
	free(c.go.image.p);
	return r != GOPCLNTAB_OK;
}

int main(int argc, char *argv[])
{
	Elf *elf = elf_bytes_open(argv[1]);
	int r;

	if (!elf)
		die("usage: gopclntab-check ELF");
	r = run(elf);
	elf_end(elf);
	return r;
}
