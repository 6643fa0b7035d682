/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a file's bytes cause ends up in a status: a file that lies is bad, one that is too much for us
 * is over the limit, and neither stops the role. Text from files is demangled and then cleaned here,
 * once; the sampler checks it again, for it does not believe us.
 */

#include "answer.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>

#include "cprof/object_source.h"
#include "cprof/symtab_lean.h"
#include "cprof/base/str.h"

/* What reading a larger file leaves free in the heap is given back. */
#define TRIM_FILE_BYTES (4u << 20)
#define ROWS_PART 32 /* rows are about so much of a file */

static uint32_t object_of(const struct wire_file *m)
{
	return (uint32_t)MIN(m->head.id, (uint64_t)UINT32_MAX);
}

/* *ret_elf: the file, if it is one of ours; another's descriptor is closed. */
static int load_file(int fd, const struct wire_file *m, struct symtab_limits limits,
		     struct symtab **ret, struct elf_file **ret_elf)
{
	_cleanup_close_ int owned = fd;
	struct stat st;
	int r;

	if (fstat(owned, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return SYMTAB_BAD;
	if (m->kind == WIRE_FILE_PERF_MAP) {
		limits.symbols = PERF_MAP_LINES_MAX;
		return symtab_load_jit(owned, (uint64_t)st.st_size, &limits, ret);
	}
	r = elf_file_open(TAKE_FD(owned), MIN(m->file_sz, (uint64_t)st.st_size), ret_elf);
	return r == SYMTAB_OK ? symtab_read_lean(*ret_elf, &limits, ret) : r;
}

/* Of an outcome or -errno. */
static enum wire_object_status status_of(int r)
{
	switch (r) {
	case SYMTAB_OK:
		return WIRE_OBJECT_READY;
	case SYMTAB_UNNAMED:
	case SYMTAB_RESTRICTED:
		return WIRE_OBJECT_UNNAMED;
	case SYMTAB_LIMIT:
	case -ENOMEM:
		return WIRE_OBJECT_LIMIT;
	default:
		return WIRE_OBJECT_BAD;
	}
}

#define SAME(source) (OBJECT_SOURCE_##source == 1u << SYMTAB_SOURCE_##source)
_Static_assert(SAME(SYMTAB) && SAME(DEBUG) && SAME(DEBUGDATA) && SAME(GO) && SAME(DYNSYM) &&
		       SAME(PLT) && SAME(KALLSYMS) && SAME(PERF_MAP) && SAME(JITDUMP),
	       "the sampler knows sources by the same bits");

static void make_object(uint32_t object, enum wire_object_status status, const struct symtab *t,
			union answer *ret)
{
	struct wire_object *m = &ret->object;
	const struct symtab_info *info;

	*m = (struct wire_object){
		.head = { .size = sizeof(*m), .type = WIRE_OBJECT, .id = object },
		.status = status,
	};
	if (!t)
		return;
	info = symtab_info(t);
	m->elf = info->elf;
	m->text_start = info->text_start;
	m->text_end = info->text_end;
	m->segments_cnt = info->segments_cnt;
	memcpy(m->segments, info->segments, info->segments_cnt * sizeof(*m->segments));
	m->sources = info->sources;
	m->build_id_sz = info->build_id_sz;
	memcpy(m->build_id, info->build_id, info->build_id_sz);
}

/* Keeps the result of a load and tells it. Takes @table's symtab: only what has names is kept. */
static int conclude(struct tables *t, struct table *table, int outcome, union answer *ret)
{
	int r;

	table->status = status_of(outcome);
	make_object(table->object, table->status, table->symtab, ret);
	if (table->status != WIRE_OBJECT_READY)
		table->symtab = symtab_free(table->symtab);
	r = tables_put(t, table);
	if (r == -ENOSPC)
		ret->object.status = WIRE_OBJECT_LIMIT;
	return r == -ENOSPC ? 0 : r;
}

static struct symtab_limits limits_of(const struct tables *t, uint32_t owner)
{
	struct symtab_limits limits = SYMTAB_LIMITS_DEFAULT;

	limits.bytes = MIN(limits.bytes, tables_room(t, owner));
	return limits;
}

/* What reading a larger file left free in the heap is given back. */
static void trim(uint64_t file_sz)
{
	if (file_sz > TRIM_FILE_BYTES)
		(void)malloc_trim(0);
}

int answer_file(struct tables *t, const struct wire_file *m, int fd, union answer *ret,
		struct elf_file **ret_elf)
{
	struct symtab_limits limits = limits_of(t, m->owner);
	struct table table = {
		.object = object_of(m),
		.owner = m->owner,
	};
	bool cut;
	int r;

	*ret_elf = NULL;
	r = load_file(fd, m, limits, &table.symtab, ret_elf);
	trim(m->file_sz);
	cut = r == SYMTAB_OK && symtab_info(table.symtab)->cut;
	r = conclude(t, &table, r, ret);
	if (cut && ret->object.status == WIRE_OBJECT_READY)
		ret->object.status = WIRE_OBJECT_CUT;
	return r;
}

int answer_release(struct tables *t, uint32_t object)
{
	const struct table *table = tables_get(t, object);
	int r;

	if (!table || !table->symtab || !symtab_is_lean(table->symtab))
		return 0;
	r = tables_fill(t, object);
	(void)malloc_trim(0);
	return r;
}

/* Were its symbols taken out? A debug file may have them. */
static bool lacks_names(const struct table *table)
{
	if (!table)
		return false;
	if (table->status == WIRE_OBJECT_READY)
		return !(symtab_info(table->symtab)->sources & SYMTAB_SOURCES_WHOLE);
	return table->status == WIRE_OBJECT_UNNAMED;
}

/* What its debug file may say more of, beside rows. */
static void tell_part(struct tables *t, struct file *file, struct rows_answer *ret)
{
	if (lacks_names(tables_get(t, file->object)))
		rows_answer_part(file->elf, WIRE_PART_NAMES, ret);
	file->part = ret->m.part;
	file->rows_sz = ret->m.bytes;
}

int answer_rows(struct tables *t, struct file *file, struct rows_answer *ret)
{
	int r;

	if (!file->elf)
		return rows_answer_none(file->object, file->status, ret);
	r = rows_answer_make(file->object, file->elf, NULL, ret);
	if (r < 0)
		return r;
	tell_part(t, file, ret);
	trim(ret->m.bytes * ROWS_PART);
	return 0;
}

int answer_rows_or_pages(struct tables *t, struct pages *pages, struct file *file,
			 const struct wire_make_pages *m, struct rows_answer *ret)
{
	int r = m && file->elf ? pages_open(pages, file->object, file->elf) : 0;

	if (r <= 0)
		return r == -ENOMEM ? r : answer_rows(t, file, ret);
	r = rows_answer_pages(m, pages_get(pages, file->object), ret);
	if (r == 0)
		tell_part(t, file, ret);
	return r;
}

struct elf_file *answer_open_debug(const struct file *file, int fd)
{
	_cleanup_(elf_file_closep) struct elf_file *debug = NULL;
	_cleanup_close_ int owned = fd;
	struct stat st;
	int r = -EBADF;

	if (file->elf && fstat(owned, &st) == 0 && S_ISREG(st.st_mode))
		r = elf_file_open_debug(TAKE_FD(owned), (uint64_t)st.st_size, &debug);
	if (r != SYMTAB_OK || elf_file_is_debug_of(debug, file->elf) != 1)
		return NULL;
	return TAKE_PTR(debug);
}

/* The table that there was stays if there are no more, or more than there is room for. 1: *ret says which; 0 or -errno. */
static int debug_names(struct tables *t, const struct file *file, const struct elf_file *debug,
		       union answer *ret)
{
	const struct table *old = tables_get(t, file->object);
	struct table table = { .object = file->object };
	struct symtab_limits limits;
	int r;

	if (!lacks_names(old))
		return 0;
	table.owner = old->owner;
	limits = limits_of(t, table.owner);
	if (table.owner != 0)
		limits.bytes =
			MIN(limits.bytes, t->bytes_max / 4); /* there is room, whoever has to go */
	r = symtab_read(file->elf, debug, &limits, &table.symtab);
	if (r != SYMTAB_OK || !(symtab_info(table.symtab)->sources & 1u << SYMTAB_SOURCE_DEBUG)) {
		symtab_free(table.symtab);
		make_object(file->object, WIRE_OBJECT_LIMIT, NULL, ret);
		return status_of(r) == WIRE_OBJECT_LIMIT;
	}
	r = conclude(t, &table, r, ret);
	return r < 0 ? r : ret->object.status == WIRE_OBJECT_READY;
}

/* 0 or -errno; *ret stays as it is when they say no more than before. */
static int debug_rows(const struct file *file, const struct elf_file *debug,
		      struct rows_answer *ret)
{
	_cleanup_(rows_answer_done) struct rows_answer made = ROWS_ANSWER_INIT;
	int r = rows_answer_make(file->object, file->elf, debug, &made);

	if (r < 0 || made.m.bytes == file->rows_sz ||
	    (made.m.status != WIRE_ROWS_OK && made.m.status != WIRE_ROWS_LIMIT))
		return r;
	*ret = made;
	ret->m.part = 0;
	ret->m.link_len = 0;
	made.fd = -EBADF;
	return 0;
}

int answer_debug(struct tables *t, const struct file *file, const struct elf_file *debug,
		 union answer *ret_object, struct rows_answer *ret)
{
	int names = 0, r = 0;

	rows_answer_bare(file->object, WIRE_ROWS_OTHER, ret);
	if (file->part & WIRE_PART_NAMES)
		names = debug_names(t, file, debug, ret_object);
	if (names > 0)
		rows_answer_bare(file->object, WIRE_ROWS_KEPT, ret);
	if (names >= 0 && (file->part & WIRE_PART_ROWS))
		r = debug_rows(file, debug, ret);
	(void)malloc_trim(0);
	return r < 0 ? r : names;
}

int answer_kernel(struct tables *t, int fd, union answer *ret)
{
	struct symtab_limits limits = limits_of(t, 0);
	struct table table = { .object = CPROF_OBJECT_KERNEL };
	int r = SYMTAB_RESTRICTED;

	if (fd >= 0)
		r = symtab_load_kernel(fd, &limits, &table.symtab);
	return conclude(t, &table, r, ret);
}

int answer_vdso(struct tables *t, int fd, union answer *ret, struct rows_answer *ret_rows)
{
	_cleanup_(elf_file_closep) struct elf_file *elf = NULL;
	struct symtab_limits limits = limits_of(t, 0);
	struct table table = { .object = CPROF_OBJECT_VDSO };
	struct stat st;
	int r = SYMTAB_UNNAMED;

	*ret_rows = ROWS_ANSWER_INIT;
	if (fd >= 0 && fstat(fd, &st) == 0)
		r = elf_file_open(fcntl(fd, F_DUPFD_CLOEXEC, 0), (uint64_t)st.st_size, &elf);
	if (elf) {
		(void)rows_answer_make(table.object, elf, NULL, ret_rows);
		r = symtab_read(elf, NULL, &limits, &table.symtab);
	}
	r = conclude(t, &table, r, ret);
	if (r == 0 && ret_rows->fd < 0)
		r = rows_answer_none(table.object, WIRE_ROWS_NONE, ret_rows);
	return r;
}
