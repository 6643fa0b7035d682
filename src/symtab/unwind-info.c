/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Call frame information speaks of link addresses, a walk knows a place in a file. So the table is gone
 * through once for each executable segment, in the order in which they lie in the file, and what belongs
 * to code that is known by itself (known-code.h) replaces what the file says of it.
 *
 * Go's functions have rules of their own (go-table.h). They know where the runtime changes stacks, which Go's
 * .debug_frame does not, so that one is not even inflated; .eh_frame is C's, and comes before them.
 */

#include "cprof/unwind_info.h"

#include "cprof/rows.h"
#include "elf-file.h"
#include "frame-sections.h"
#include "go-table.h"
#include "known-code.h"

/* Of a file's code so much may be without a rule, as padding, before it counts as told in part. */
#define PART_OF 8
/* Of the C library's code that each program begins and ends with nobody says anything. */
#define START_BYTES 320

/* All that the rules of a file's code come from. */
struct source {
	struct cfi *cfi; /* NULL: the file says nothing */
	struct known_codes codes;
	struct go_table go;
	bool go_first; /* before what the file says */
	bool limited;
};

static void source_done(struct source *s)
{
	s->cfi = cfi_free(s->cfi);
	go_table_done(&s->go);
}

/* @debug: of the separate debug file; NULL: there is none. */
static int load_source(const struct elf_image *img, const struct elf_image *debug,
		       const struct symtab_info *info, struct source *ret)
{
	_cleanup_(frame_sections_done) struct frame_sections sections = { 0 };
	bool more;
	int r;

	r = go_table_find(img, info, &ret->go);
	if (r < 0 && r != -E2BIG)
		return r;
	ret->limited = r == -E2BIG;
	frame_sections_find(img, &sections);
	ret->go_first = sections.cnt == 0;
	more = !ret->go.segment || (ret->go_first && !ret->go.alone);
	r = more ? frame_sections_add_debug(img, &sections) : 0;
	if (r == 0 && more && debug)
		r = frame_sections_add_debug(debug, &sections);
	if (r < 0)
		return r;
	r = cfi_load(sections.cfi, sections.cnt, &CFI_LIMITS_DEFAULT, &ret->cfi);
	if (r < 0)
		return r;
	ret->limited |= r == CFI_LIMIT || sections.limited;
	return known_codes_find(img, info, ret->cfi, ret->go.alone && !ret->cfi, &ret->codes);
}

/* A place in the table while addresses go up. */
struct cursor {
	const struct source *source;
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

static int add_segment(struct rows_builder *b, struct source *source,
		       const struct object_segment *s, uint64_t from)
{
	struct filler f = {
		.b = b,
		.cursor = { .source = source, .rows = cfi_view(source->cfi) },
		.addr = s->vaddr + (from - s->offset),
		.end = s->vaddr + s->filesz,
		.bias = s->offset - s->vaddr,
	};
	struct gopclntab_sink sink = { .row = fill_go, .ctx = &f };
	_cleanup_free_ uint16_t *numbers = calloc(f.cursor.rows.rules_cnt + 1, sizeof(*numbers));
	struct gopclntab_facts facts;
	int r = 0;

	if (!numbers)
		return -ENOMEM;
	f.numbers = numbers;
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

/* Where segments overlap in the file the first one counts. */
static int add_segments(struct rows_builder *b, struct source *source,
			const struct symtab_info *info)
{
	uint64_t from = 0;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < info->segments_cnt; i++) {
		const struct object_segment *s = &info->segments[i];

		from = MAX(from, s->offset);
		if (from - s->offset >= s->filesz)
			continue;
		r = add_segment(b, source, s, from);
		from = s->offset + s->filesz;
	}
	return r;
}

/* Of sections that hold code; where there are no sections, of segments. */
static uint64_t code_bytes(const struct elf_file *f)
{
	const uint64_t code = SHF_ALLOC | SHF_EXECINSTR;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < f->img.shdrs_cnt; i++) {
		const Elf64_Shdr *s = &f->img.shdrs[i];

		if (s->sh_type == SHT_PROGBITS && (s->sh_flags & code) == code &&
		    elf_image_holds(&f->img, s->sh_offset, s->sh_size))
			sum += s->sh_size;
	}
	for (uint32_t i = 0; f->img.shdrs_cnt == 0 && i < f->info.segments_cnt; i++)
		sum += f->info.segments[i].filesz;
	return sum;
}

static int load(const struct elf_file *f, const struct elf_file *debug, struct rows_builder *b)
{
	_cleanup_(source_done) struct source source = { 0 };
	struct symtab_info info = f->info;
	int r;

	qsort(info.segments, info.segments_cnt, sizeof(*info.segments), compare_segments);
	r = load_source(&f->img, debug ? &debug->img : NULL, &info, &source);
	if (r < 0)
		return r;
	if (!source.cfi && source.codes.cnt == 0 && !source.go.segment)
		return source.limited ? UNWIND_INFO_LIMIT : UNWIND_INFO_NONE;
	r = add_segments(b, &source, &info);
	if (r == -E2BIG || (r == 0 && source.limited))
		return UNWIND_INFO_LIMIT;
	return r < 0 ? r : UNWIND_INFO_OK;
}

int unwind_info_read(const struct elf_file *f, const struct elf_file *debug,
		     struct unwind_info *ret)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	uint64_t covered, code = code_bytes(f);
	int outcome, r;

	r = rows_builder_new(&b);
	if (r < 0)
		return r;
	outcome = load(f, debug, b);
	if (outcome < 0)
		return outcome;
	covered = rows_covered(b);
	r = rows_finish(b, &ret->bytes, &ret->sz);
	if (r < 0)
		return r;
	ret->part = outcome != UNWIND_INFO_LIMIT && covered + START_BYTES + code / PART_OF < code;
	return outcome;
}

int unwind_info_load(int fd, uint64_t file_sz, void **ret_bytes, size_t *ret_sz)
{
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	struct unwind_info info = { 0 };
	int r = elf_file_open_copy(fd, file_sz, &f);

	if (r != SYMTAB_OK)
		return r < 0 ? r : UNWIND_INFO_BAD;
	r = unwind_info_read(f, NULL, &info);
	if (r < 0)
		return r;
	*ret_bytes = info.bytes;
	*ret_sz = info.sz;
	return r;
}

int unwind_info_none(void **ret_bytes, size_t *ret_sz)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	int r;

	r = rows_builder_new(&b);
	return r < 0 ? r : rows_finish(b, ret_bytes, ret_sz);
}
