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
#include "unwind-fill.h"

/* Of a file's code so much may be without a rule, as padding, before it counts as told in part. */
#define PART_OF 8
/* Of the C library's code that each program begins and ends with nobody says anything. */
#define START_BYTES 320

static void source_done(struct unwind_source *s)
{
	s->cfi = cfi_free(s->cfi);
	go_table_done(&s->go);
}

/* @debug: of the separate debug file; NULL: there is none. */
static int load_source(const struct elf_image *img, const struct elf_image *debug,
		       const struct symtab_info *info, struct unwind_source *ret)
{
	_cleanup_(frame_sections_done) struct frame_sections sections = { 0 };
	struct code_area areas[OBJECT_SEGMENTS_MAX];
	struct known_where where = { .areas = areas, .areas_cnt = info->segments_cnt };
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
	for (uint32_t i = 0; i < info->segments_cnt; i++) {
		const struct object_segment *segment = &info->segments[i];

		areas[i] = (struct code_area){ segment, segment->vaddr,
					       segment->vaddr + segment->filesz };
	}
	where.cfi = ret->cfi;
	return known_codes_find(img, &where, ret->go.alone && !ret->cfi, &ret->codes);
}

/* Where segments overlap in the file the first one counts. */
static int add_segments(struct rows_builder *b, struct unwind_source *source,
			const struct symtab_info *info)
{
	uint64_t from = 0;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < info->segments_cnt; i++) {
		const struct object_segment *s = &info->segments[i];

		from = MAX(from, s->offset);
		if (from - s->offset >= s->filesz)
			continue;
		r = unwind_fill(b, source, s,
				(struct unwind_stretch){ from, s->offset + s->filesz });
		from = s->offset + s->filesz;
	}
	return r;
}

/* Of sections that hold code; where there are no sections, of segments. */
static uint64_t code_bytes(const struct elf_file *f)
{
	uint64_t sum = elf_image_code_bytes(&f->img);

	for (uint32_t i = 0; f->img.shdrs_cnt == 0 && i < f->info.segments_cnt; i++)
		sum += f->info.segments[i].filesz;
	return sum;
}

static int load(const struct elf_file *f, const struct elf_file *debug, struct rows_builder *b)
{
	_cleanup_(source_done) struct unwind_source source = { 0 };
	struct symtab_info info = f->info;
	int r;

	unwind_sort_segments(&info);
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
	_cleanup_(elf_file_restp) const struct elf_file *kept = elf_file_keep(f);
	uint64_t covered, code = code_bytes(f);
	int outcome, r;

	(void)kept;
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
