/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as an ELF file whose code's rows are wanted. Whatever is in them, the block passes the check
 * that the sampler makes.
 */

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cprof/elf_file.h"
#include "cprof/rows.h"
#include "cprof/symtab.h"
#include "cprof/unwind_pages.h"
#include "fuzz.h"

static int memory(const uint8_t *data, size_t sz)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, data, sz) == (ssize_t)sz);
	return fd;
}

/* The file and, with the same bytes, its separate debug file. */
static void take_as_both(const uint8_t *data, size_t sz)
{
	_cleanup_(elf_file_closep) struct elf_file *f = NULL, *debug = NULL;
	char name[ELF_FILE_LINK_MAX + 1];
	struct unwind_info info = { 0 };
	struct rows_view v;
	uint32_t crc;

	if (elf_file_open(memory(data, sz), sz, &f) != SYMTAB_OK ||
	    elf_file_open_debug(memory(data, sz), sz, &debug) != SYMTAB_OK)
		return;
	if (elf_file_link(f, name, &crc))
		FUZZ_CHECK(strlen(name) > 0 && !strchr(name, '/') && name[0] != '.');
	FUZZ_CHECK(elf_file_is_debug_of(debug, f) >= 0);
	if (unwind_info_read(f, debug, &info) < 0)
		return;
	FUZZ_CHECK(rows_check(info.bytes, info.sz, &v) == 0);
	free(info.bytes);
}

/* By the page: the same check, and only those that were asked for are there. */
static void take_pages(const uint8_t *data, size_t sz)
{
	_cleanup_(unwind_pages_closep) struct unwind_pages *p = NULL;
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	const uint32_t pages[] = { 0, 1, 2, 16, 0x1000, UINT32_MAX };
	struct unwind_info info = { 0 };
	struct rows_view v;
	int r;

	if (elf_file_open(memory(data, sz), sz, &f) != SYMTAB_OK ||
	    unwind_pages_open(f, 0, &p) != 1)
		return;
	r = unwind_pages_read(p, pages, sizeof(pages) / sizeof(*pages), &info);
	if (r < 0)
		return;
	FUZZ_CHECK(r == UNWIND_INFO_OK || r == UNWIND_INFO_LIMIT);
	FUZZ_CHECK(rows_check(info.bytes, info.sz, &v) == 0);
	FUZZ_CHECK(v.head->pages_cnt > 0);
	for (uint32_t i = 0; i < v.head->pages_cnt; i++) {
		uint32_t page = v.head->page_first + i;

		FUZZ_CHECK(v.page_rows[i] == CPROF_PAGE_ABSENT || page < 3 || page == 16 ||
			   page == 0x1000 || page == UINT32_MAX);
	}
	free(info.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	int fd = memory(data, sz), r;
	void *bytes = NULL;
	size_t bytes_sz;
	struct rows_view v;

	r = unwind_info_load(fd, sz, &bytes, &bytes_sz);
	close(fd);
	FUZZ_CHECK(r >= 0 && r <= UNWIND_INFO_BAD && (bytes == NULL) == (r == UNWIND_INFO_BAD));
	take_as_both(data, sz);
	take_pages(data, sz);
	if (!bytes)
		return 0;
	FUZZ_CHECK(rows_check(bytes, bytes_sz, &v) == 0);
	FUZZ_CHECK(r != UNWIND_INFO_NONE || v.head->pages_cnt == 0);
	free(bytes);
	return 0;
}
