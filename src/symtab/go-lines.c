/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is asked by file offset is answered by address, in the one segment that the table speaks of. The trees
 * of inlined calls lie anywhere in what is loaded; nothing in them is relocated.
 */

#include "cprof/go_lines.h"

#include <errno.h>
#include <string.h>

#include "elf-file.h"
#include "go-table.h"

#define ADDR_MAX (1ULL << 48)

struct go_lines {
	const struct elf_image *img;
	struct go_table table;
	struct gopclntab_lines *lines;
};

static bool is_loaded(const struct elf_image *img, const Elf64_Phdr *p)
{
	return p->p_type == PT_LOAD && p->p_vaddr < ADDR_MAX && p->p_filesz < ADDR_MAX &&
	       elf_image_holds(img, p->p_offset, p->p_filesz);
}

static int memory_read(void *ctx, uint64_t addr, void *dst, size_t sz)
{
	const struct elf_image *img = ctx;

	memset(dst, 0, sz);
	for (uint32_t i = 0; i < img->phdrs_cnt; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];
		uint64_t from = MAX(addr, p->p_vaddr);
		uint64_t to = MIN(addr + sz, p->p_vaddr + p->p_filesz);
		int r;

		if (!is_loaded(img, p) || from >= to)
			continue;
		r = elf_image_read(img, p->p_offset + (from - p->p_vaddr),
				   (uint8_t *)dst + (from - addr), (size_t)(to - from));
		if (r != SYMTAB_OK)
			return r < 0 ? r : -EIO;
	}
	return 0;
}

static struct gopclntab_bytes memory_of(const struct elf_image *img)
{
	struct gopclntab_bytes memory = { .read = memory_read, .ctx = (void *)(uintptr_t)img };

	for (uint32_t i = 0; i < img->phdrs_cnt; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];

		if (is_loaded(img, p))
			memory.size = MAX(memory.size, p->p_vaddr + p->p_filesz);
	}
	return memory;
}

/* Without the description there are no inlined functions, unless they are found by address. */
static int open_lines(struct go_lines *l, const struct gopclntab_lines_limits *limits)
{
	struct gopclntab_sources sources = { .file = l->table.file, .memory = memory_of(l->img) };
	int r = go_table_module(&l->table, &sources.module);

	if (r < 0 && r != -ENOENT && r != -E2BIG)
		return r;
	r = gopclntab_lines_new(&sources, limits, &l->lines);
	if (r < 0)
		return r;
	return r == GOPCLNTAB_OK ? SYMTAB_OK : SYMTAB_UNNAMED;
}

int go_lines_open(const struct elf_file *f, const struct gopclntab_lines_limits *limits,
		  struct go_lines **ret)
{
	_cleanup_(go_lines_closep) struct go_lines *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->img = &f->img;
	r = go_table_find(&f->img, &f->info, &l->table);
	if (r < 0)
		return r == -E2BIG ? SYMTAB_LIMIT : r;
	if (!l->table.segment)
		return SYMTAB_UNNAMED;
	r = open_lines(l, limits);
	if (r == SYMTAB_OK)
		*ret = TAKE_PTR(l);
	return r;
}

struct go_lines *go_lines_close(struct go_lines *l)
{
	if (!l)
		return NULL;
	gopclntab_lines_free(l->lines);
	go_table_done(&l->table);
	free(l);
	return NULL;
}

enum gopclntab_trees go_lines_trees(const struct go_lines *l)
{
	return gopclntab_lines_trees(l->lines);
}

struct relay {
	const struct gopclntab_lines_sink *sink;
	const struct object_segment *segment;
	size_t skipped;
};

static int relay_found(void *ctx, const struct gopclntab_answer *answer)
{
	const struct relay *relay = ctx;
	const struct object_segment *s = relay->segment;
	struct gopclntab_answer a = *answer;

	a.i += relay->skipped;
	/* Of a function that lies about where it is, the part that is in the file. */
	a.start = MAX(a.start, s->vaddr) - s->vaddr + s->offset;
	a.end = MIN(a.end - s->vaddr, s->filesz) + s->offset;
	return relay->sink->found(relay->sink->ctx, &a);
}

int go_lines_find(struct go_lines *l, const uint64_t *places, size_t cnt,
		  const struct gopclntab_lines_sink *sink, struct gopclntab_lines_facts *ret_facts)
{
	struct relay relay = { .sink = sink, .segment = l->table.segment };
	const struct gopclntab_lines_sink relayed = { .found = relay_found, .ctx = &relay };
	const struct object_segment *s = relay.segment;
	_cleanup_free_ uint64_t *addrs = NULL;
	size_t from = 0, to;

	*ret_facts = (struct gopclntab_lines_facts){ 0 };
	while (from < cnt && places[from] < s->offset)
		from++;
	for (to = from; to < cnt && places[to] - s->offset < s->filesz;)
		to++;
	if (from == to)
		return GOPCLNTAB_OK;
	addrs = calloc(to - from, sizeof(*addrs));
	if (!addrs)
		return -ENOMEM;
	for (size_t i = from; i < to; i++)
		addrs[i - from] = places[i] - s->offset + s->vaddr;
	relay.skipped = from;
	return gopclntab_lines_find(l->lines, addrs, to - from, &relayed, ret_facts);
}
