/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each source is asked as if it were the only one, so that what a better one makes superfluous is told too.
 * Debugging information is not gone through: places that are evenly spread over the code are asked for, as
 * many as make a percentage.
 */

#include "cprof/elf_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cprof/base/cleanup.h"
#include "cprof/dwarf.h"
#include "cprof/elf_file.h"
#include "cprof/go_lines.h"
#include "cprof/rows.h"
#include "cprof/unwind_info.h"

struct elf {
	struct elf_file *file;
	struct elf_file *debug; /* NULL: none */
	uint64_t seed;
	uint64_t places[EXPLAIN_PLACES]; /* offsets in the file, ascending */
	uint64_t addrs[EXPLAIN_PLACES];
	size_t places_cnt;
	struct explain_elf *ret;
};

static void elf_done(struct elf *e)
{
	e->debug = elf_file_close(e->debug);
	e->file = elf_file_close(e->file);
}

static uint32_t state_of(int outcome)
{
	switch (outcome) {
	case SYMTAB_OK:
		return EXPLAIN_THERE;
	case SYMTAB_UNNAMED:
	case SYMTAB_RESTRICTED:
		return EXPLAIN_ABSENT;
	case SYMTAB_LIMIT:
	case -ENOMEM:
		return EXPLAIN_TOO_LARGE;
	default:
		return EXPLAIN_BAD;
	}
}

/* Of these sources; 0: of all. */
static int read_names(const struct elf *e, uint32_t only, struct explain_source *ret)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	struct symtab_limits limits = SYMTAB_LIMITS_DEFAULT;
	int r;

	limits.only = only;
	r = symtab_read(e->file, e->debug, &limits, &t);
	ret->state = state_of(r);
	if (r == SYMTAB_OK)
		symtab_coverage(t, &ret->functions, &ret->bytes);
	if (t && only == 0)
		e->ret->go = symtab_info(t)->go;
	return r;
}

static void read_file(struct elf *e)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	struct symtab_limits limits = SYMTAB_LIMITS_DEFAULT;
	const struct symtab_info *info;
	struct explain_elf *ret = e->ret;
	struct elf_section section;
	uint32_t crc;

	ret->outcome = symtab_read(e->file, NULL, &limits, &t);
	if (!t)
		return;
	info = symtab_info(t);
	ret->elf = info->elf;
	ret->build_id_sz = info->build_id_sz;
	memcpy(ret->build_id, info->build_id, sizeof(ret->build_id));
	for (uint32_t i = 0; i < info->segments_cnt; i++)
		ret->code += info->segments[i].filesz;
	if (!elf_file_link(e->file, ret->link, &crc))
		ret->link[0] = '\0';
	ret->eh_frame = elf_file_section(e->file, ".eh_frame", &section);
	ret->debug_frame = elf_file_section(e->file, ".debug_frame", &section);
	for (size_t i = 0; i < EXPLAIN_PLACES && ret->code > 0; i++) {
		uint64_t at = ret->code / EXPLAIN_PLACES * i +
			      ret->code % EXPLAIN_PLACES * i / EXPLAIN_PLACES;
		uint32_t s = 0;

		while (s < info->segments_cnt && at >= info->segments[s].filesz)
			at -= info->segments[s++].filesz;
		if (s == info->segments_cnt)
			break;
		e->places[e->places_cnt] = info->segments[s].offset + at;
		e->addrs[e->places_cnt++] = info->segments[s].vaddr + at;
	}
}

static int compare_u64(const void *a, const void *b)
{
	return CMP(*(const uint64_t *)a, *(const uint64_t *)b);
}

/* Each once. */
static size_t sort_places(uint64_t *v, size_t cnt)
{
	size_t kept = 0;

	if (cnt > 0)
		qsort(v, cnt, sizeof(*v), compare_u64);
	for (size_t i = 0; i < cnt; i++) {
		if (kept == 0 || v[kept - 1] != v[i])
			v[kept++] = v[i];
	}
	return kept;
}

static int count_place(void *ctx, size_t i, const struct dwarf_place *place)
{
	struct explain_dwarf *d = ctx;
	bool lined = false;

	if (place->outcome != DWARF_OK || place->lines_cnt == 0)
		return 0;
	for (uint32_t k = 0; k < place->lines_cnt; k++)
		lined |= place->lines[k].line > 0;
	d->named += place->lines[place->lines_cnt - 1].name[0] != '\0' ||
		    place->lines[place->lines_cnt - 1].linkage[0] != '\0';
	d->lined += lined;
	d->inlined += place->lines_cnt > 1;
	return 0;
}

static uint32_t dwarf_state(int r)
{
	switch (r) {
	case DWARF_OK:
		return EXPLAIN_THERE;
	case DWARF_NONE:
		return EXPLAIN_ABSENT;
	case DWARF_LIMIT:
	case DWARF_TOO_LARGE:
	case -ENOMEM:
		return EXPLAIN_TOO_LARGE;
	case DWARF_UNSUPPORTED:
		return EXPLAIN_UNSUPPORTED;
	default:
		return EXPLAIN_BAD;
	}
}

/* What its sections say by themselves. */
static void read_sections(const struct elf_file *f, struct explain_dwarf *ret)
{
	struct elf_section s;
	uint8_t head[14];
	size_t at;

	if (elf_file_section(f, ".gnu_debugaltlink", &s))
		ret->dwz = 1;
	if (!elf_file_section(f, ".debug_info", &s))
		return;
	ret->info_sz = s.sz;
	ret->packed = s.packing == ELF_PLAIN ? 0 : s.packing == ELF_ZLIB ? 1 : 2;
	if (ret->packed || s.sz < sizeof(head) ||
	    elf_file_read(f, s.offset, head, sizeof(head)) < 0)
		return;
	at = head[0] == 0xff && head[1] == 0xff && head[2] == 0xff && head[3] == 0xff ? 12 : 4;
	ret->version = head[at] | (uint32_t)head[at + 1] << 8;
}

static void read_dwarf(struct elf *e, const struct elf_file *f, struct explain_dwarf *ret)
{
	const struct dwarf_limits limits = DWARF_LIMITS_DEFAULT;
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	struct dwarf_want want;
	size_t cnt;
	int r;

	read_sections(f, ret);
	r = dwarf_open(f, &limits, e->seed, &d);
	ret->state = dwarf_state(r);
	if (r != DWARF_OK)
		return;
	cnt = sort_places(e->addrs, e->places_cnt);
	r = dwarf_find(d, e->addrs, cnt, count_place, ret);
	ret->places = (uint32_t)cnt;
	if (r != DWARF_OK)
		ret->state = dwarf_state(r);
	for (size_t i = 0; dwarf_wants(d, i, &want); i++)
		ret->split += want.kind == DWARF_WANT_UNIT;
}

static int count_answer(void *ctx, const struct gopclntab_answer *a)
{
	struct explain_dwarf *d = ctx;
	bool lined = false;

	for (size_t k = 0; k < a->cnt; k++)
		lined |= a->places[k].line > 0;
	d->named += a->cnt > 0;
	d->lined += lined;
	d->inlined += a->cnt > 1;
	return 0;
}

static void read_go(struct elf *e)
{
	_cleanup_(go_lines_closep) struct go_lines *g = NULL;
	struct explain_dwarf *ret = &e->ret->go_lines;
	const struct gopclntab_lines_sink sink = { .found = count_answer, .ctx = ret };
	struct gopclntab_lines_facts facts;
	size_t cnt;
	int r;

	r = go_lines_open(e->file, &GOPCLNTAB_LINES_LIMITS_DEFAULT, &g);
	ret->state = state_of(r);
	if (r != SYMTAB_OK)
		return;
	cnt = sort_places(e->places, e->places_cnt);
	ret->places = (uint32_t)cnt;
	(void)go_lines_find(g, e->places, cnt, &sink, &facts);
}

/* How many bytes have a rule that is none to say that nothing is known. */
static uint64_t covered(const void *bytes, size_t sz)
{
	struct rows_view v;
	uint64_t sum = 0, row = 0;

	if (rows_check(bytes, sz, &v) < 0)
		return 0;
	for (uint32_t p = 0; p < v.head->pages_cnt; p++) {
		const uint32_t cnt = rows_of_page(v.page_rows[p]);

		for (uint32_t i = 0; i < cnt; i++, row++) {
			uint32_t end = i + 1 < cnt ? CPROF_ROW_PC(v.rows[row + 1]) : 65536;

			if (CPROF_ROW_RULE(v.rows[row]) != 0)
				sum += end - CPROF_ROW_PC(v.rows[row]);
		}
	}
	return sum;
}

static uint64_t read_rows(const struct elf_file *f, const struct elf_file *debug)
{
	struct unwind_info info = { 0 };
	uint64_t sum = 0;
	int r = unwind_info_read(f, debug, &info);

	if (r >= 0 && r != UNWIND_INFO_BAD && info.bytes)
		sum = covered(info.bytes, info.sz);
	free(info.bytes);
	return sum;
}

static int open_copy(int fd, uint64_t file_sz, bool debug, struct elf_file **ret)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	return debug ? elf_file_open_debug(copy, file_sz, ret) : elf_file_open(copy, file_sz, ret);
}

static void find_debug(struct elf *e, const int *debugs, size_t cnt)
{
	struct explain_elf *ret = e->ret;

	for (size_t i = 0; i < cnt && !e->debug; i++) {
		_cleanup_(elf_file_closep) struct elf_file *f = NULL;
		struct stat st;
		int r;

		if (fstat(debugs[i], &st) < 0 ||
		    open_copy(debugs[i], (uint64_t)st.st_size, true, &f) != SYMTAB_OK) {
			ret->debug_is = MAX(ret->debug_is, (uint32_t)EXPLAIN_BAD);
			continue;
		}
		r = elf_file_is_debug_of(f, e->file);
		if (r == -EFBIG)
			ret->debug_is = EXPLAIN_TOO_LARGE;
		if (r != 1)
			continue;
		e->debug = TAKE_PTR(f);
		ret->debug_of = (uint32_t)i + 1;
		ret->debug_is = EXPLAIN_THERE;
	}
}

static void read_all(struct elf *e)
{
	struct explain_elf *ret = e->ret;

	for (uint32_t i = 0; i < SYMTAB_SOURCE_MAX; i++)
		(void)read_names(e, 1u << i, &ret->names[i]);
	(void)read_names(e, 0, &ret->all);
	read_dwarf(e, e->file, &ret->own);
	if (e->debug)
		read_dwarf(e, e->debug, &ret->debug);
	read_go(e);
	ret->rows = read_rows(e->file, NULL);
	ret->rows_debug = e->debug ? read_rows(e->file, e->debug) : ret->rows;
}

void explain_elf(const struct explain_files *files, uint64_t seed, struct explain_elf *ret)
{
	_cleanup_(elf_done) struct elf e = { .seed = seed, .ret = ret };
	struct stat st;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (fstat(files->fd, &st) < 0)
		r = -errno;
	else
		r = S_ISREG(st.st_mode) ? open_copy(files->fd, (uint64_t)st.st_size, false, &e.file)
					: SYMTAB_BAD;
	ret->outcome = r;
	if (r != SYMTAB_OK)
		return;
	read_file(&e);
	if (ret->outcome == SYMTAB_BAD || ret->outcome < 0 || files->head)
		return;
	find_debug(&e, files->debugs, MIN(files->debugs_cnt, (uint32_t)EXPLAIN_DEBUGS_MAX));
	read_all(&e);
}
