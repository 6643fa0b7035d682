/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as an ELF file whose debugging information is asked for names, and as each file that it goes on in.
 * Every address is answered once, in text that ends, within the work and the memory that are allowed.
 */

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cprof/dwarf.h"
#include "cprof/elf_file.h"
#include "cprof/symtab.h"
#include "fuzz.h"

#define ADDRS 64
#define BYTES ((size_t)4 << 20)
#define WORK ((uint64_t)1 << 20)
#define ROUNDS 4
#define GIVEN 3

struct seen {
	unsigned int times[ADDRS];
	uint64_t addrs[ADDRS];
};

static int memory(const uint8_t *data, size_t sz)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, data, sz) == (ssize_t)sz);
	return fd;
}

static int take(void *ctx, size_t i, const struct dwarf_place *p)
{
	struct seen *s = ctx;

	FUZZ_CHECK(i < ADDRS && p->addr == s->addrs[i] && s->times[i]++ == 0);
	FUZZ_CHECK(p->outcome != DWARF_LIMIT && p->lines_cnt <= DWARF_LINES_MAX);
	FUZZ_CHECK((p->outcome == DWARF_OK) == (p->lines_cnt > 0));
	for (uint32_t k = 0; k < p->lines_cnt; k++) {
		FUZZ_CHECK(strlen(p->lines[k].name) < DWARF_TEXT_MAX);
		FUZZ_CHECK(strlen(p->lines[k].linkage) < DWARF_TEXT_MAX);
		FUZZ_CHECK(strlen(p->lines[k].file) < DWARF_TEXT_MAX);
	}
	return 0;
}

/* Places all over the code. */
static void choose(const struct elf_file *f, struct seen *s)
{
	uint64_t addr = 0;

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < ADDRS; i++) {
		addr += i % 2 == 0 ? 1 : 61;
		for (unsigned int k = 0; k < 2048 && !elf_file_has_code(f, addr); k++)
			addr = (addr | 0xfff) + 1;
		s->addrs[i] = addr;
	}
}

static void find(struct dwarf *d, const struct elf_file *f)
{
	struct seen s;
	unsigned int rounds = 0, answered = 0;
	int r;

	choose(f, &s);
	do {
		memset(s.times, 0, sizeof(s.times));
		dwarf_allow(d, WORK);
		r = dwarf_find(d, s.addrs, ADDRS, take, &s);
		FUZZ_CHECK(r == DWARF_OK || r == DWARF_LIMIT || r == DWARF_TOO_LARGE ||
			   r == -ENOMEM);
		FUZZ_CHECK(dwarf_bytes(d) <= BYTES + (1 << 20));
	} while (r == DWARF_LIMIT && ++rounds < ROUNDS);
	for (size_t i = 0; i < ADDRS; i++)
		answered += s.times[i];
	FUZZ_CHECK(r != DWARF_OK || answered == ADDRS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	const struct dwarf_limits limits = { .bytes = BYTES, .work = WORK };
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	struct dwarf_want w;

	if (elf_file_open_debug(memory(data, sz), sz, &f) != SYMTAB_OK ||
	    dwarf_open(f, &limits, 1, &d) != DWARF_OK)
		return 0;
	find(d, f);
	for (size_t i = 0; i < GIVEN && dwarf_wants(d, i, &w); i++) {
		struct elf_file *part = NULL;

		FUZZ_CHECK(strlen(w.name) > 0 || w.kind == DWARF_WANT_UNIT);
		if (elf_file_open_part(memory(data, sz), sz, &part) == SYMTAB_OK)
			(void)dwarf_give(d, i, part);
		find(d, f);
	}
	return 0;
}
