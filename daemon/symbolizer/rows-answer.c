/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A block of rows may be megabytes, so it goes as a file in memory, which the sampler maps: it is there
 * once. The sampler believes in nothing of it, but that it will not change: it is sealed.
 */

#include "rows-answer.h"

#include <string.h>

#include "cprof/base/sealed.h"
#include "cprof/unwind_info.h"

static int make(uint32_t object, enum wire_rows_status status, const void *bytes, size_t sz,
		struct rows_answer *ret)
{
	int fd = sealed_new("cprof-rows", bytes, sz);

	if (fd < 0)
		return fd;
	rows_answer_bare(object, status, ret);
	ret->m.bytes = sz;
	ret->fd = fd;
	return 0;
}

void rows_answer_bare(uint32_t object, enum wire_rows_status status, struct rows_answer *ret)
{
	*ret = (struct rows_answer){
		.m = { .head = { .size = sizeof(ret->m), .type = WIRE_ROWS, .id = object },
		       .status = status },
		.fd = -EBADF,
	};
}

int rows_answer_none(uint32_t object, enum wire_rows_status status, struct rows_answer *ret)
{
	_cleanup_free_ void *bytes = NULL;
	size_t sz;
	int r;

	r = unwind_info_none(&bytes, &sz);
	return r < 0 ? r : make(object, status, bytes, sz, ret);
}

void rows_answer_part(const struct elf_file *f, enum wire_part part, struct rows_answer *ret)
{
	struct wire_rows *m = &ret->m;
	char name[ELF_FILE_LINK_MAX + 1];
	uint32_t crc;

	_Static_assert(ELF_FILE_LINK_MAX == WIRE_LINK_MAX, "the name goes in whole");
	m->part |= part;
	if (!elf_file_link(f, name, &crc))
		return;
	m->link_len = (uint32_t)strlen(name);
	memcpy(m->link, name, m->link_len);
}

static const enum wire_rows_status statuses[] = {
	[UNWIND_INFO_OK] = WIRE_ROWS_OK,
	[UNWIND_INFO_NONE] = WIRE_ROWS_NONE,
	[UNWIND_INFO_LIMIT] = WIRE_ROWS_LIMIT,
};

int rows_answer_pages(const struct wire_make_pages *m, struct unwind_pages *rows,
		      struct rows_answer *ret)
{
	uint32_t object = (uint32_t)m->head.id;
	struct unwind_info info = { 0 };
	int r;

	_Static_assert(WIRE_PAGES_MAX == UNWIND_PAGES_MAX, "all that are asked for");
	r = unwind_pages_read(rows, (const uint32_t *)(m + 1), m->cnt, &info);
	if (r == -ENOMEM)
		return rows_answer_none(object, WIRE_ROWS_LIMIT, ret);
	if (r < 0)
		return rows_answer_none(object, WIRE_ROWS_BAD, ret);
	r = make(object, statuses[r], info.bytes, info.sz, ret);
	if (r == 0)
		ret->m.lined = WIRE_LINED_PAGES;
	free(info.bytes);
	return r;
}

int rows_answer_make(uint32_t object, const struct elf_file *f, const struct elf_file *debug,
		     struct rows_answer *ret)
{
	struct unwind_info info = { 0 };
	int r;

	r = unwind_info_read(f, debug, &info);
	if (r == -ENOMEM)
		return rows_answer_none(object, WIRE_ROWS_LIMIT, ret);
	if (r < 0)
		return rows_answer_none(object, WIRE_ROWS_BAD, ret);
	r = make(object, statuses[r], info.bytes, info.sz, ret);
	if (r == 0 && info.part)
		rows_answer_part(f, WIRE_PART_ROWS, ret);
	free(info.bytes);
	return r;
}

void rows_answer_done(struct rows_answer *a)
{
	a->fd = fd_close(a->fd);
}
