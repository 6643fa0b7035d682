/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A page's rows are those of the entries whose code begins in it, and of the one before the first of them, whose
 * function may reach into it. A little is read around it: what is known by the code itself depends on what is
 * before and behind (known-code.h). Pages side by side are read as one area.
 *
 * How much of the code has an entry is looked up at some places of it: where much has none a debug file may know
 * more, and to find that out such a file is read as a whole.
 */

#include "cprof/unwind_pages.h"

#include <errno.h>
#include <stdlib.h>

#include "cprof/base/vec.h"
#include "elf-file.h"
#include "frame-sections.h"
#include "unwind-fill.h"

#define PAGE_SZ (1ull << CPROF_PAGE_SHIFT)
/* Around an area: more than what is known by itself takes (known-code.c). */
#define MARGIN 1024u
/* Of so many places of the code so many may have no entry: padding. */
#define PLACES 128
#define PLACES_WITHOUT 13
#define PIECE 256 /* entries that are looked at together */

struct unwind_pages {
	const struct elf_file *f;
	struct symtab_info info; /* its segments by offset */
	struct frame_sections sections;
	struct frame_table table;
	uint32_t page_first, pages_cnt;
};

struct unwind_pages *unwind_pages_close(struct unwind_pages *p)
{
	if (!p)
		return NULL;
	frame_sections_done(&p->sections);
	free(p);
	return NULL;
}

/* Sections that say more of its code than .eh_frame does. */
static bool has_more(const struct elf_image *img)
{
	static const char *const names[] = { ".debug_frame", ".zdebug_frame", ".gopclntab",
					     ".data.rel.ro.gopclntab", ".go.buildinfo" };

	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		if (elf_image_section(img, names[i]))
			return true;
	}
	return false;
}

/* All pages that hold code; false: too many. */
static bool find_pages(struct unwind_pages *p)
{
	uint64_t first = UINT64_MAX, end = 0;

	for (uint32_t i = 0; i < p->info.segments_cnt; i++) {
		const struct object_segment *s = &p->info.segments[i];

		first = MIN(first, s->offset >> CPROF_PAGE_SHIFT);
		end = MAX(end, (s->offset + s->filesz + PAGE_SZ - 1) >> CPROF_PAGE_SHIFT);
	}
	if (first >= end || end - first > ROWS_PAGES_MAX || end > UINT32_MAX)
		return false;
	p->page_first = (uint32_t)first;
	p->pages_cnt = (uint32_t)(end - first);
	return true;
}

/* The code's place that is the @nth of PLACES; false: there is none. */
static bool place_of(const struct unwind_pages *p, uint64_t code, uint32_t nth, uint64_t *ret)
{
	uint64_t at = code / PLACES * nth + code / PLACES / 2;

	for (uint32_t i = 0; i < p->f->img.shdrs_cnt; i++) {
		const Elf64_Shdr *s = &p->f->img.shdrs[i];

		if (!elf_image_is_code(&p->f->img, s))
			continue;
		if (at < s->sh_size) {
			*ret = s->sh_addr + at;
			return true;
		}
		at -= s->sh_size;
	}
	return false;
}

/* 1: hardly any code is without an entry; 0 or -errno. */
static int is_told(const struct unwind_pages *p)
{
	uint64_t code = elf_image_code_bytes(&p->f->img), offsets[PLACES], places[PLACES];
	struct cfi_range ranges[PLACES];
	uint32_t without = 0, cnt = 0;
	int r;

	for (uint32_t i = 0; i < PLACES; i++) {
		struct frame_table_entry e;
		uint32_t after;

		if (!place_of(p, code, i, &places[cnt]))
			return 0;
		r = frame_table_after(&p->table, places[cnt], &after);
		if (r == 0 && after > 0)
			r = frame_table_read(&p->table, after - 1, &e, 1);
		if (r < 0)
			return r;
		if (after > 0)
			offsets[cnt++] = e.offset;
		else
			without++;
	}
	r = cfi_ranges(&p->sections.cfi[0], offsets, cnt, ranges);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < cnt; i++)
		without += places[i] < ranges[i].start || places[i] >= ranges[i].end;
	return without <= PLACES_WITHOUT;
}

int unwind_pages_open(const struct elf_file *f, uint64_t frame_min, struct unwind_pages **ret)
{
	_cleanup_(unwind_pages_closep) struct unwind_pages *p = calloc(1, sizeof(*p));
	_cleanup_(elf_file_restp) const struct elf_file *kept = elf_file_keep(f);
	int r;

	(void)kept;
	if (!p)
		return -ENOMEM;
	p->f = f;
	p->info = f->info;
	unwind_sort_segments(&p->info);
	if (f->img.shdrs_cnt == 0 || has_more(&f->img))
		return 0;
	frame_sections_find(&f->img, &p->sections);
	if (p->sections.cnt == 0 || p->sections.cfi[0].size < frame_min ||
	    !frame_table_find(&f->img, &p->sections, &p->table) || !find_pages(p))
		return 0;
	r = is_told(p);
	if (r > 0)
		*ret = TAKE_PTR(p);
	return r;
}

/* What one question is about. */
struct question {
	VEC(struct code_area) areas; /* by place in the file */
	VEC(uint64_t) offsets;	     /* of entries */
	size_t offsets_max;
	bool limited;
};

static void question_done(struct question *q)
{
	vec_done(&q->areas);
	vec_done(&q->offsets);
}

/* Of a segment what lies around the pages @first up to before @end, and not before @from; 0 or -ENOMEM. */
static int add_area(struct question *q, const struct object_segment *s, struct unwind_stretch pages,
		    uint64_t from)
{
	uint64_t to = MIN((pages.to << CPROF_PAGE_SHIFT) + MARGIN, s->offset + s->filesz);
	struct code_area area = { .segment = s };

	pages.from <<= CPROF_PAGE_SHIFT;
	from = MAX(from, pages.from - MIN(pages.from, (uint64_t)MARGIN));
	if (from >= to)
		return 0;
	area.from = s->vaddr + (from - s->offset);
	area.to = s->vaddr + (to - s->offset);
	return vec_push(&q->areas, area);
}

static int find_areas(const struct unwind_pages *p, const uint32_t *pages, size_t cnt,
		      struct question *q)
{
	uint64_t from = 0;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < p->info.segments_cnt; i++) {
		const struct object_segment *s = &p->info.segments[i];

		from = MAX(from, s->offset);
		for (size_t k = 0, n; r == 0 && k < cnt; k += n) {
			for (n = 1; k + n < cnt && pages[k + n] == pages[k] + n;)
				n++;
			r = add_area(q, s, (struct unwind_stretch){ pages[k], pages[k] + n }, from);
		}
		from = MAX(from, s->offset + s->filesz);
	}
	return r;
}

/* Those whose code begins in it, and the one before. */
static int find_entries(const struct unwind_pages *p, const struct code_area *area,
			struct question *q)
{
	const size_t max = q->offsets_max - q->offsets.cnt;
	struct frame_table_entry piece[PIECE];
	uint32_t from, end, n;
	int r;

	r = frame_table_after(&p->table, area->from, &from);
	if (r == 0)
		r = frame_table_after(&p->table, area->to - 1, &end);
	if (r < 0)
		return r;
	from -= from > 0;
	if (end > from && end - from > max) {
		end = from + (uint32_t)max;
		q->limited = true;
	}
	for (; from < end; from += n) {
		n = MIN(end - from, (uint32_t)PIECE);
		r = frame_table_read(&p->table, from, piece, n);
		if (r == 0)
			r = vec_reserve(&q->offsets, n);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < n; i++) {
			/* Areas meet at one. */
			if (q->offsets.cnt == 0 ||
			    q->offsets.v[q->offsets.cnt - 1] != piece[i].offset)
				q->offsets.v[q->offsets.cnt++] = piece[i].offset;
		}
	}
	return 0;
}

static int load_source(struct unwind_pages *p, const uint32_t *pages, size_t cnt,
		       struct question *q, struct unwind_source *ret)
{
	struct known_where where;
	int r = find_areas(p, pages, cnt, q);

	q->offsets_max = UNWIND_PAGES_ENTRIES_MAX + cnt * UNWIND_PAGES_ENTRIES_EACH;
	for (size_t i = 0; r == 0 && i < q->areas.cnt; i++)
		r = find_entries(p, &q->areas.v[i], q);
	if (r == 0)
		r = cfi_load_entries(&p->sections.cfi[0], q->offsets.v, q->offsets.cnt,
				     &CFI_LIMITS_DEFAULT, &ret->cfi);
	if (r < 0)
		return r;
	ret->limited = r == CFI_LIMIT || q->limited;
	where = (struct known_where){ ret->cfi, q->areas.v, q->areas.cnt };
	return known_codes_find(&p->f->img, &where, false, &ret->codes);
}

static int fill_areas(struct rows_builder *b, const struct question *q,
		      struct unwind_source *source)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < q->areas.cnt; i++) {
		const struct code_area *a = &q->areas.v[i];
		uint64_t bias = a->segment->offset - a->segment->vaddr;

		r = unwind_fill(b, source, a->segment,
				(struct unwind_stretch){ a->from + bias, a->to + bias });
	}
	return r;
}

int unwind_pages_read(struct unwind_pages *p, const uint32_t *pages, size_t cnt,
		      struct unwind_info *ret)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	_cleanup_(question_done) struct question q = { 0 };
	_cleanup_(elf_file_restp) const struct elf_file *kept = elf_file_keep(p->f);
	struct unwind_source source = { 0 };
	int r = rows_builder_new(&b), r2;

	(void)kept;
	if (r == 0)
		r = rows_pages(b, p->page_first, p->pages_cnt);
	if (r < 0)
		return r;
	cnt = MIN(cnt, (size_t)UNWIND_PAGES_MAX);
	for (size_t i = 0; i < cnt; i++)
		rows_present(b, pages[i]);
	r = load_source(p, pages, cnt, &q, &source);
	if (r == 0)
		r = fill_areas(b, &q, &source);
	cfi_free(source.cfi);
	if (r < 0 && r != -E2BIG)
		return r;
	r2 = rows_finish(b, &ret->bytes, &ret->sz);
	if (r2 < 0)
		return r2;
	ret->part = false;
	return r == -E2BIG || source.limited ? UNWIND_INFO_LIMIT : UNWIND_INFO_OK;
}
