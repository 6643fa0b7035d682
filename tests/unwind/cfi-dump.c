/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cfi-dump ELF [SECTION] — the table of a file's call frame information, in the words of readelf:
 * "ADDRESS CFA RBP RA RSP" for each row, or "ADDRESS gap". The sections are found by libelf.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cprof/cfi.h"
#include "elf-bytes.h"

static const char *reg_name(unsigned int reg)
{
	static const char *const names[] = { "rax", "rdx", "rcx", "rbx", "rsi", "rdi",
					     "rbp", "rsp", "r8",  "r9",	 "r10", "r11",
					     "r12", "r13", "r14", "r15", "rip" };

	return names[reg];
}

static void print_cfa(const struct cprof_rule *rule)
{
	switch (rule->cfa) {
	case CPROF_CFA_REG:
		printf("%s%+d", reg_name(rule->cfa_reg), rule->cfa_off);
		break;
	case CPROF_CFA_DEREF:
		printf("*(%s%+d)%+d", reg_name(rule->cfa_reg), rule->cfa_off, rule->cfa_add);
		break;
	case CPROF_CFA_INDEX:
		printf("*(rsp+8*%s%+d)%+d", reg_name(rule->cfa_reg), rule->cfa_off, rule->cfa_add);
		break;
	case CPROF_CFA_PLT:
		printf("plt%d", rule->cfa_off);
		break;
	case CPROF_CFA_SIGNAL:
		printf("signal");
		break;
	default:
		printf("?");
	}
}

static void print_where(unsigned int where, unsigned int reg, int off)
{
	switch (where) {
	case CPROF_WHERE_SAME:
		printf(" s");
		break;
	case CPROF_WHERE_CFA:
		printf(" c%+d", off);
		break;
	case CPROF_WHERE_CFA_VALUE:
		printf(" v%+d", off);
		break;
	case CPROF_WHERE_REG:
		printf(" %s", reg_name(reg));
		break;
	case CPROF_WHERE_DEREF:
		printf(" *(%s%+d)", reg_name(reg), off);
		break;
	case CPROF_WHERE_UNDEFINED:
		printf(" u");
		break;
	default:
		printf(" ?");
	}
}

static void print_table(const struct cfi *t)
{
	for (size_t i = 0; i < cfi_rows_cnt(t); i++) {
		struct cfi_row row = cfi_row(t, i);
		const struct cprof_rule *rule = cfi_rule(t, row.rule);

		printf("%" PRIx64 " ", row.addr);
		if (rule->cfa == CPROF_CFA_GAP) {
			puts("gap");
			continue;
		}
		print_cfa(rule);
		print_where(rule->fp, rule->fp_reg, rule->fp_off);
		print_where(rule->ra, rule->ra_reg, rule->ra_off);
		print_where(rule->sp, rule->sp_reg, rule->sp_off);
		putchar('\n');
	}
}

struct sections {
	struct cfi_section v[2];
	struct bytes bytes[2];
	size_t cnt;
};

static void find_sections(Elf *elf, const char *only, struct sections *ret)
{
	static const char *const names[] = { ".eh_frame", ".debug_frame" };

	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		struct cfi_section *s = &ret->v[ret->cnt];
		struct bytes *b = &ret->bytes[ret->cnt];

		if (only && strcmp(only, names[i]) != 0)
			continue;
		*s = (struct cfi_section){ .read = bytes_read, .ctx = b, .debug = i == 1 };
		if (!elf_bytes_find(elf, names[i], b, &s->addr))
			continue;
		s->size = b->sz;
		ret->cnt++;
	}
}

static int dump(const struct sections *s)
{
	struct cfi_limits limits = { .rows = 64 << 20, .rules = CFI_RULES_MAX };
	_cleanup_(cfi_freep) struct cfi *t = NULL;
	const struct cfi_facts *facts;
	int r = cfi_load(s->v, s->cnt, &limits, &t);

	if (!t) {
		fprintf(stderr, "outcome %d: no table\n", r);
		return r;
	}
	facts = cfi_facts(t);
	print_table(t);
	fprintf(stderr,
		"outcome %d: %zu rows, %zu rules, %u CIEs, %u FDEs, %u bad, %u unsupported\n", r,
		cfi_rows_cnt(t), cfi_rules_cnt(t), facts->cies, facts->fdes, facts->bad,
		facts->unsupported);
	return r;
}

int main(int argc, char *argv[])
{
	struct sections sections = { 0 };
	Elf *elf = elf_bytes_open(argv[1]);
	int r;

	if (!elf) {
		fprintf(stderr, "usage: cfi-dump ELF [SECTION]\n");
		return 2;
	}
	find_sections(elf, argc > 2 ? argv[2] : NULL, &sections);
	r = dump(&sections);
	elf_end(elf);
	return r < 0;
}
