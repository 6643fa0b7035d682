/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as an ELF file. Beyond "no crash": what is found covers the place asked for, begins not
 * after it, and is found again at its own beginning.
 */

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cprof/elf_file.h"
#include "cprof/symtab_lean.h"
#include "fuzz.h"

static void ask(const struct symtab *t, uint64_t place)
{
	struct symtab_symbol s, again;

	if (!symtab_find(t, place, &s))
		return;
	FUZZ_CHECK(s.start <= place);
	FUZZ_CHECK(strlen(s.name) > 0 && strlen(s.name) <= SYMTAB_NAME_MAX);
	FUZZ_CHECK(symtab_find(t, s.start, &again) && again.start == s.start);
	FUZZ_CHECK(strcmp(again.name, s.name) == 0);
}

static int load(const uint8_t *bytes, size_t sz, const struct symtab_limits *limits,
		struct symtab **ret)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC), r;

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, bytes, sz) == (ssize_t)sz);
	r = symtab_load(fd, sz, limits, ret);
	close(fd);
	return r;
}

static bool is_same(const struct symtab *x, const struct symtab *y, uint64_t place)
{
	struct symtab_symbol a = { 0 }, b = { 0 };
	bool found = symtab_find(x, place, &a);

	return symtab_find(y, place, &b) == found &&
	       (!found || (a.start == b.start && strcmp(a.name, b.name) == 0));
}

/* One whose names stay in the file never crashes, whatever it finds; and is as @t in the end. */
static void load_lean(const uint8_t *bytes, size_t sz, const struct symtab_limits *limits,
		      const struct symtab *t)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct symtab *lean = NULL;
	struct elf_file *f = NULL;
	struct symtab_symbol s;

	FUZZ_CHECK(fd >= 0 && write(fd, bytes, sz) == (ssize_t)sz);
	FUZZ_CHECK(elf_file_open(fd, sz, &f) == SYMTAB_OK);
	FUZZ_CHECK(symtab_read_lean(f, limits, &lean) <= SYMTAB_LIMIT && lean);
	elf_file_close(f);
	for (uint64_t place = 0; place < sz; place += 1 + sz / 509) {
		if (symtab_find(lean, place, &s))
			FUZZ_CHECK(s.start <= place && strlen(s.name) <= SYMTAB_NAME_MAX);
	}
	if (symtab_fill(lean, limits) == SYMTAB_OK) {
		FUZZ_CHECK(!symtab_is_lean(lean));
		for (uint64_t place = 0; place < sz; place += 1 + sz / 509)
			FUZZ_CHECK(is_same(lean, t, place));
	}
	symtab_free(lean);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t sz)
{
	struct symtab_limits limits = { .symbols = 10000, .bytes = 1 << 20 };
	struct symtab *t = NULL;
	const struct symtab_info *info;
	int r;

	r = load(bytes, sz, &limits, &t);
	FUZZ_CHECK(r >= 0 && r <= SYMTAB_BAD && (t == NULL) == (r == SYMTAB_BAD));
	if (!t)
		return 0;
	info = symtab_info(t);
	FUZZ_CHECK(symtab_bytes(t) <= limits.bytes + 4096);
	FUZZ_CHECK(info->segments_cnt <= OBJECT_SEGMENTS_MAX);
	FUZZ_CHECK(info->build_id_sz <= OBJECT_BUILD_ID_MAX);
	for (uint64_t place = 0; place < sz; place += 1 + sz / 509)
		ask(t, place);
	for (uint32_t i = 0; i < info->segments_cnt; i++) {
		ask(t, info->segments[i].offset);
		ask(t, info->segments[i].vaddr);
		ask(t, info->segments[i].offset + info->segments[i].filesz - 1);
	}
	load_lean(bytes, sz, &limits, t);
	symtab_free(t);
	return 0;
}
