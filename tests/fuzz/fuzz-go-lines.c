/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a Go program's data (the first 256 of them) and table of functions, or as an ELF file, of which
 * lines are wanted. Beyond "no crash": answers ascend, each is about what was asked, says what places may
 * hold, and no more bytes are read than the work that is allowed can need.
 */

#include <sys/mman.h>

#include "../unit/bytes.h"
#include "cprof/go_lines.h"
#include "cprof/symtab.h"
#include "fuzz.h"

#define TEXT 0x401000ULL
#define MEMORY 0x500000ULL
#define MEMORY_SZ 256u
#define ASKED 64
#define WORK (1u << 14)
#define WINDOW_SZ 4096

struct seen {
	const uint64_t *asked;
	size_t next; /* no answer is about one before */
	size_t cnt;
	size_t flat;
};

static int on_found(void *ctx, const struct gopclntab_answer *a)
{
	struct seen *s = ctx;

	FUZZ_CHECK(a->i >= s->next && a->i < ASKED);
	FUZZ_CHECK(a->start <= s->asked[a->i] && s->asked[a->i] < a->end);
	FUZZ_CHECK(a->cnt >= 1 && a->cnt <= GOPCLNTAB_PLACES_MAX);
	FUZZ_CHECK(!a->flat || a->cnt == 1);
	for (size_t i = 0; i < a->cnt; i++) {
		const struct gopclntab_place *p = &a->places[i];
		size_t len = strlen(p->function);

		FUZZ_CHECK(len <= GOPCLNTAB_PLACE_TEXT_MAX + 5);
		FUZZ_CHECK(strlen(p->file) <= GOPCLNTAB_PLACE_TEXT_MAX);
		FUZZ_CHECK(!p->linkage || strlen(p->linkage) <= GOPCLNTAB_PLACE_TEXT_MAX);
		FUZZ_CHECK((p->line == 0) == (p->file[0] == '\0'));
		FUZZ_CHECK(p->line <= INT32_MAX && p->start_line <= INT32_MAX);
	}
	s->next = a->i + 1;
	s->cnt++;
	s->flat += a->flat;
	return 0;
}

static void check_facts(const struct seen *seen, const struct gopclntab_lines_facts *facts, int r)
{
	FUZZ_CHECK(r >= 0 && r <= GOPCLNTAB_LIMIT && r != GOPCLNTAB_NONE);
	FUZZ_CHECK(facts->found == seen->cnt && facts->flat == seen->flat);
	FUZZ_CHECK(facts->bad <= 2ull * ASKED && facts->cut <= facts->found);
}

struct counted {
	struct bytes bytes;
	uint64_t base; /* what is below is zeros */
	uint64_t read;
};

static int read_counted(void *ctx, uint64_t offset, void *dst, size_t sz)
{
	struct counted *c = ctx;

	FUZZ_CHECK(sz > 0);
	c->read += sz;
	if (offset >= c->base)
		return bytes_read(&c->bytes, offset - c->base, dst, sz);
	memset(dst, 0, sz);
	if (sz > c->base - offset)
		return bytes_read(&c->bytes, 0, (uint8_t *)dst + (c->base - offset),
				  sz - (size_t)(c->base - offset));
	return 0;
}

static void find(const struct gopclntab_sources *sources, const uint64_t *asked)
{
	const struct gopclntab_lines_limits limits = { .rows = 4096, .work = WORK };
	_cleanup_(gopclntab_lines_freep) struct gopclntab_lines *l = NULL;
	struct counted *table = sources->file.table.ctx;
	struct gopclntab_lines_facts facts;
	int r = gopclntab_lines_new(sources, &limits, &l);

	FUZZ_CHECK(r == GOPCLNTAB_OK || r == GOPCLNTAB_NONE);
	if (r != GOPCLNTAB_OK)
		return;
	FUZZ_CHECK(gopclntab_lines_trees(l) <= GOPCLNTAB_TREES_BAD);
	table->read = 0;
	for (int i = 0; i < 2; i++) {
		struct seen seen = { .asked = asked };
		struct gopclntab_lines_sink sink = { on_found, &seen };

		r = gopclntab_lines_find(l, asked, ASKED, &sink, &facts);
		check_facts(&seen, &facts, r);
	}
	/* Ten windows for a number or a call, and for each that is asked for what leads to its function. */
	FUZZ_CHECK(table->read <= 2ull * (WORK + 64 * ASKED) * 10 * WINDOW_SZ);
}

static void take_table(const uint8_t *data, size_t sz)
{
	size_t cnt = MIN(sz, (size_t)MEMORY_SZ);
	struct counted memory = { { data, cnt }, MEMORY, 0 };
	struct counted table = { { data + cnt, sz - cnt }, 0, 0 };
	struct gopclntab_sources sources = {
		.file.table = { read_counted, &table, sz - cnt },
		.file.text = TEXT,
		.memory = { read_counted, &memory, MEMORY + cnt },
		.module = { .text = TEXT, .bases = { MEMORY + 0x40, MEMORY }, .bases_cnt = 2 },
	};
	uint64_t asked[ASKED];

	for (size_t i = 0; i < ASKED; i++)
		asked[i] = i < ASKED / 2 ? TEXT + 3 * i : TEXT + 96 + ((uint64_t)i << (i / 4));
	find(&sources, asked);
	sources.module.bases_cnt = 0;
	find(&sources, asked);
}

static void take_file(const uint8_t *data, size_t sz)
{
	const struct gopclntab_lines_limits limits = { .rows = 4096, .work = WORK };
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	_cleanup_(go_lines_closep) struct go_lines *l = NULL;
	uint64_t asked[ASKED];
	struct seen seen = { .asked = asked };
	struct gopclntab_lines_sink sink = { on_found, &seen };
	struct gopclntab_lines_facts facts;
	int fd = memfd_create("fuzz", MFD_CLOEXEC), r;

	FUZZ_CHECK(fd >= 0 && write(fd, data, sz) == (ssize_t)sz);
	if (elf_file_open(fd, sz, &f) != SYMTAB_OK)
		return;
	r = go_lines_open(f, &limits, &l);
	FUZZ_CHECK(r == -EIO || (r >= 0 && r <= SYMTAB_BAD && (r == SYMTAB_OK) == (l != NULL)));
	if (!l)
		return;
	for (size_t i = 0; i < ASKED; i++)
		asked[i] = sz * i / ASKED;
	r = go_lines_find(l, asked, ASKED, &sink, &facts);
	if (r != -EIO)
		check_facts(&seen, &facts, r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	if (sz > 4 && memcmp(data, "\177ELF", 4) == 0)
		take_file(data, sz);
	else
		take_table(data, sz);
	return 0;
}
