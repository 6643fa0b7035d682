/* SPDX-License-Identifier: Apache-2.0 */

/* Three tables are walked along side by side by ascending address; what two of them say decides who counts. */

#include "unwind-fill.h"

#include <errno.h>
#include <stdlib.h>

#include "cprof/base/cleanup.h"

/* A place in the table while addresses go up. */
struct cursor {
	const struct unwind_source *source;
	struct cfi_view rows;	       /* what the file says */
	size_t row;		       /* the next one */
	size_t code;		       /* the first that does not end before */
	const struct cprof_rule *rule; /* what the file says; NULL: nothing */
	const struct cprof_rule *go;   /* what Go's table says; NULL: nothing */
};

static bool is_gap(const struct cprof_rule *rule)
{
	return !rule || rule->cfa == CPROF_CFA_GAP;
}

/* The rule at @addr, and where it ends at the latest; addresses only go up. */
static const struct cprof_rule *rule_of(struct cursor *c, uint64_t addr, uint64_t *ret_end)
{
	const struct known_codes *codes = &c->source->codes;
	const struct cfi_view *rows = &c->rows;
	const struct cprof_rule *rule;

	for (; c->row < rows->rows_cnt && cfi_view_addr(rows, c->row) <= addr; c->row++)
		c->rule = cfi_view_rule(rows, c->row);
	while (c->code < codes->cnt && codes->v[c->code].to <= addr)
		c->code++;
	rule = c->rule;
	if (c->row < rows->rows_cnt)
		*ret_end = MIN(*ret_end, cfi_view_addr(rows, c->row));
	if (c->go)
		return c->source->go_first || is_gap(rule) ? c->go : rule;
	if (c->code < codes->cnt && codes->v[c->code].from <= addr) {
		rule = &codes->v[c->code].rule;
		*ret_end = codes->v[c->code].to;
	} else if (c->code < codes->cnt) {
		*ret_end = MIN(*ret_end, codes->v[c->code].from);
	}
	return rule;
}

/* One segment's rows, by ascending address. */
struct filler {
	struct rows_builder *b;
	struct cursor cursor;
	uint64_t addr; /* up to here they are there */
	uint64_t end;
	uint64_t bias;			   /* of the place in the file */
	const struct cprof_rule *returned; /* ends here, and undoes a signal's frame; NULL: none */
	uint16_t *numbers; /* of the file's rules those that the builder gave them; 0: not yet */
};

/* The file's rules come again and again. The number of a rule, or a negative error. */
static int number_of(struct filler *f, const struct cprof_rule *rule)
{
	size_t nth = f->cursor.rows.rules_cnt;
	int r;

	if (f->cursor.rows.rules && rule >= f->cursor.rows.rules &&
	    rule < f->cursor.rows.rules + f->cursor.rows.rules_cnt)
		nth = (size_t)(rule - f->cursor.rows.rules);
	if (nth < f->cursor.rows.rules_cnt && f->numbers[nth] != 0)
		return f->numbers[nth];
	r = rows_rule(f->b, rule);
	if (r > 0 && nth < f->cursor.rows.rules_cnt)
		f->numbers[nth] = (uint16_t)r;
	return r;
}

/*
 * The way back from a signal handler ends with a system call. A thread that is in it has the pc behind it,
 * where its function has ended: what is behind such code, and has no rule, begins with its.
 */
static const struct cprof_rule *after_return(struct filler *f, const struct cprof_rule *rule,
					     uint64_t *next)
{
	const struct cprof_rule *returned = f->returned;

	f->returned = NULL;
	if (is_gap(rule) && returned) {
		*next = f->addr + 1;
		return returned;
	}
	if (!is_gap(rule) && !f->cursor.go && (rule->flags & CPROF_RULE_EXACT))
		f->returned = rule;
	return rule;
}

/* 0; -E2BIG: beyond the limits; -ENOMEM. */
static int fill(struct filler *f, uint64_t end)
{
	end = MIN(end, f->end);
	while (f->addr < end) {
		uint64_t next = end;
		const struct cprof_rule *rule = rule_of(&f->cursor, f->addr, &next);
		int r = 0;

		next = MIN(next, end);
		rule = after_return(f, rule, &next);
		if (!is_gap(rule))
			r = number_of(f, rule);
		if (r > 0)
			r = rows_add_number(f->b, f->addr + f->bias, next + f->bias, (uint16_t)r);
		if (r < 0)
			return r;
		f->addr = next;
	}
	return 0;
}

static int fill_go(void *ctx, uint64_t start, uint64_t end, const struct cprof_rule *rule)
{
	struct filler *f = ctx;
	int r = fill(f, start);

	if (r < 0)
		return r;
	f->cursor.go = rule;
	r = fill(f, end);
	f->cursor.go = NULL;
	return r;
}

/* Where the row for @addr is the next one but one. */
static void cursor_go(struct cursor *c, uint64_t addr)
{
	size_t after = c->source->cfi ? cfi_row_after(c->source->cfi, addr) : 0;

	c->row = after > 0 ? after - 1 : 0;
}

int unwind_fill(struct rows_builder *b, struct unwind_source *source,
		const struct object_segment *s, struct unwind_stretch where)
{
	struct filler f = {
		.b = b,
		.cursor = { .source = source, .rows = cfi_view(source->cfi) },
		.addr = s->vaddr + (where.from - s->offset),
		.end = s->vaddr + (where.to - s->offset),
		.bias = s->offset - s->vaddr,
	};
	struct gopclntab_sink sink = { .row = fill_go, .ctx = &f };
	_cleanup_free_ uint16_t *numbers = calloc(f.cursor.rows.rules_cnt + 1, sizeof(*numbers));
	struct gopclntab_facts facts;
	int r = 0;

	if (!numbers)
		return -ENOMEM;
	f.numbers = numbers;
	cursor_go(&f.cursor, f.addr);
	if (s == source->go.segment)
		r = gopclntab_walk(&source->go.file, &sink, &facts);
	if (r < 0)
		return r;
	source->limited |= r == GOPCLNTAB_LIMIT;
	return fill(&f, UINT64_MAX);
}

static int compare_segments(const void *a, const void *b)
{
	const struct object_segment *x = a, *y = b;

	return CMP(x->offset, y->offset);
}

void unwind_sort_segments(struct symtab_info *info)
{
	qsort(info->segments, info->segments_cnt, sizeof(*info->segments), compare_segments);
}
