/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a Go program's table of functions, with the same bytes as its code, as its data, and without
 * code. Beyond "no crash": functions and rows ascend, rows never overlap, every rule holds what a walk may
 * rely on, and the work is bounded by the input's size.
 */

#include "../unit/bytes.h"
#include "cprof/gopclntab.h"
#include "fuzz.h"

#define TEXT 0x401000ULL
/* Rows for each byte of the table: each costs work, of which there is so much, and a step has six at most. */
#define ROWS_PER_BYTE 24

struct seen {
	uint64_t func_end;
	uint64_t row_end;
	uint64_t rows;
	uint64_t funcs;
};

static int read_some(void *ctx, uint64_t offset, void *dst, size_t sz)
{
	FUZZ_CHECK(sz > 0);
	return bytes_read(ctx, offset, dst, sz);
}

static int on_func(void *ctx, const struct gopclntab_func *f)
{
	struct seen *s = ctx;

	FUZZ_CHECK(f->start >= s->func_end && f->start < f->end && f->end >> 48 == 0);
	s->func_end = f->end;
	s->funcs++;
	return 0;
}

static int on_row(void *ctx, uint64_t start, uint64_t end, const struct cprof_rule *rule)
{
	struct seen *s = ctx;

	FUZZ_CHECK(start >= s->row_end && start < end);
	FUZZ_CHECK(s->func_end == 0 || end <= s->func_end);
	FUZZ_CHECK(rule->cfa > CPROF_CFA_GAP && rule->cfa < CPROF_CFA_MAX);
	FUZZ_CHECK(rule->cfa_reg < CPROF_REGS_CNT && rule->ra_reg < CPROF_REGS_CNT);
	FUZZ_CHECK(rule->ra < CPROF_WHERE_MAX && rule->fp < CPROF_WHERE_MAX);
	FUZZ_CHECK(rule->sp == CPROF_WHERE_SAME && (rule->flags & ~CPROF_RULE_FLAGS) == 0);
	s->row_end = end;
	s->rows++;
	return 0;
}

static void walk(const struct gopclntab_file *file)
{
	struct seen seen = { 0 };
	struct gopclntab_sink sink = { .func = on_func, .row = on_row, .ctx = &seen };
	struct gopclntab_facts facts;
	int r = gopclntab_walk(file, &sink, &facts);

	FUZZ_CHECK(r >= 0 && r <= GOPCLNTAB_LIMIT);
	FUZZ_CHECK(facts.funcs >= seen.funcs && facts.funcs <= file->table.size);
	FUZZ_CHECK(seen.rows <= file->table.size * ROWS_PER_BYTE);
	FUZZ_CHECK(facts.unsupported <= seen.rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t sz)
{
	struct bytes b = { bytes, sz };
	struct gopclntab_bytes all = { read_some, &b, sz };
	struct gopclntab_file file = { .table = all, .text = TEXT };
	struct gopclntab_head head;
	uint64_t text;
	char name[16];

	walk(&file);
	file.code = all;
	file.code_addr = TEXT;
	walk(&file);
	file.text = 0;
	walk(&file);
	if (gopclntab_head(bytes, sz, sz, &head) < 0)
		return 0;
	(void)gopclntab_text(&head, TEXT, &all, &text);
	for (uint32_t i = 0; i < 64; i++)
		FUZZ_CHECK(gopclntab_name(&file, &head, i, name, sizeof(name)) < (int)sizeof(name));
	return 0;
}
