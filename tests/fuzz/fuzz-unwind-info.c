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
#include "cprof/unwind_info.h"
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
	if (!bytes)
		return 0;
	FUZZ_CHECK(rows_check(bytes, bytes_sz, &v) == 0);
	FUZZ_CHECK(r != UNWIND_INFO_NONE || v.head->pages_cnt == 0);
	free(bytes);
	return 0;
}
