/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table has a section of its own, by one of two names. Where it has not (linkers put what is relocated
 * elsewhere), or section headers are gone, its head is looked for in what is loaded and not executable: that
 * is done only for files that say that they are Go's, or say nothing. In programs that may lie anywhere what
 * the loader writes is applied first; of a table since 1.18 that is at most one address.
 */

#include "go-table.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"

#define SEARCH_MAX (256ull << 20)
#define SEARCH_SZ (64u << 10)
#define TRIES_MAX 4
#define ALIGN 8
#define OTHER_MAX (64u << 10) /* of a segment that is Go's alone */
#define MODULE_SZ 512	      /* what gopclntab_module() looks at, and more */

/* As a number of 8 bytes: the lowest magic there is, and what follows each. */
#define MAGIC_MIN 0xfffffff0u
#define MACHINE 0x08010000u

static int bytes_read(void *ctx, uint64_t offset, void *dst, size_t sz)
{
	const struct go_bytes *b = ctx;
	int r = elf_image_read(b->img, b->offset + offset, dst, sz);

	if (r != SYMTAB_OK)
		return r < 0 ? r : -EIO;
	if (b->relocs)
		relocations_apply(b->relocs, b->addr + offset, dst, sz);
	return 0;
}

static struct gopclntab_bytes readable(struct go_bytes *b, uint64_t sz)
{
	return (struct gopclntab_bytes){ .read = bytes_read, .ctx = b, .size = sz };
}

void go_table_done(struct go_table *t)
{
	relocations_done(&t->relocs);
	*t = (struct go_table){ 0 };
}

static int read_head(const struct gopclntab_file *f, struct gopclntab_head *ret)
{
	uint8_t head[GOPCLNTAB_HEAD_SZ];
	size_t sz = (size_t)MIN(f->table.size, (uint64_t)sizeof(head));
	int r = f->table.read(f->table.ctx, 0, head, sz);

	if (r < 0)
		return r;
	return gopclntab_head(head, sz, f->table.size, ret) < 0 ? -ENOENT : 0;
}

/* Reads the head as it is in memory, and keeps what the rest of the table needs for that. */
static int open_table(struct go_table *t, struct gopclntab_head *ret)
{
	const struct elf_image *img = t->table.img;
	uint64_t addr = t->table.addr, sz;
	int r = read_head(&t->file, ret);

	if (r < 0 || img->ehdr.e_type != ET_DYN)
		return r;
	sz = ret->version >= GOPCLNTAB_118 ? GOPCLNTAB_HEAD_SZ : t->file.table.size;
	r = relocations_load(img, addr, addr + MIN(sz, UINT64_MAX - addr), &t->relocs);
	if (r < 0)
		return r;
	t->table.relocs = &t->relocs;
	return read_head(&t->file, ret);
}

/* The runtime's description of the program, when the loader writes it. */
static int module_by_relocation(const struct go_table *t, const struct gopclntab_head *head,
				struct gopclntab_module *ret)
{
	_cleanup_(relocations_done) struct relocations relocs = { 0 };
	struct go_bytes b = { .img = t->table.img, .relocs = &relocs };
	struct gopclntab_bytes data;
	const Elf64_Phdr *p;
	int r = relocations_find(b.img, t->table.addr, &b.addr);

	p = r < 0 ? NULL : elf_image_segment(b.img, b.addr);
	if (!p)
		return r < 0 ? r : -ENOENT;
	r = relocations_load(b.img, b.addr, b.addr + MIN(UINT64_MAX - b.addr, (uint64_t)MODULE_SZ),
			     &relocs);
	if (r < 0)
		return r;
	b.offset = p->p_offset + (b.addr - p->p_vaddr);
	data = readable(&b, MIN(p->p_filesz - (b.addr - p->p_vaddr), (uint64_t)MODULE_SZ));
	return gopclntab_module(head, t->table.addr, &data, ret);
}

static bool is_data(const struct elf_image *img, const Elf64_Phdr *p)
{
	return p->p_type == PT_LOAD && !(p->p_flags & PF_X) &&
	       elf_image_holds(img, p->p_offset, p->p_filesz);
}

/* In the segments that are written to, or in the others. */
static int module_by_search(const struct go_table *t, const struct gopclntab_head *head,
			    uint32_t writable, struct gopclntab_module *ret)
{
	const struct elf_image *img = t->table.img;
	uint64_t left = SEARCH_MAX;
	int r = -ENOENT;

	for (uint32_t i = 0; r == -ENOENT && i < img->phdrs_cnt; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];
		struct go_bytes b = { .img = img, .offset = p->p_offset, .addr = p->p_vaddr };
		struct gopclntab_bytes data = readable(&b, MIN(p->p_filesz, left));

		if (!is_data(img, p) || (p->p_flags & PF_W) != writable)
			continue;
		left -= data.size;
		r = gopclntab_module(head, t->table.addr, &data, ret);
	}
	return r;
}

/* Most have it in memory that is written to, which is the smaller part by far. */
static int find_module(const struct go_table *t, const struct gopclntab_head *head,
		       struct gopclntab_module *ret)
{
	int r = module_by_relocation(t, head, ret);

	if (r == -ENOENT)
		r = module_by_search(t, head, PF_W, ret);
	if (r == -ENOENT)
		r = module_by_search(t, head, 0, ret);
	return r;
}

int go_table_module(const struct go_table *t, struct gopclntab_module *ret)
{
	struct gopclntab_head head;
	int r = read_head(&t->file, &head);

	return r < 0 ? r : find_module(t, &head, ret);
}

/* A number of the list of functions, which has the start of each, and the end of the last. */
static int list_at(const struct go_table *t, const struct gopclntab_head *h, uint64_t i,
		   uint64_t *ret)
{
	size_t word = h->version >= GOPCLNTAB_118 ? sizeof(uint32_t) : sizeof(uint64_t);

	*ret = 0;
	return t->file.table.read(t->file.table.ctx, h->funcs + 2 * i * word, ret, word);
}

static int find_text(struct go_table *t, const struct gopclntab_head *head, uint64_t *ret_end)
{
	uint64_t *text = &t->file.text;
	struct gopclntab_module module;
	int r = 0;

	*text = head->text;
	if (head->version < GOPCLNTAB_118) {
		r = list_at(t, head, 0, text);
	} else if (*text == 0) {
		r = find_module(t, head, &module);
		*text = r == 0 ? module.text : 0;
	}
	if (r == 0)
		r = list_at(t, head, head->funcs_cnt, ret_end);
	if (r == 0 && head->version >= GOPCLNTAB_118)
		*ret_end += *text;
	return r;
}

static void set_segment(struct go_table *t, const struct symtab_info *info, uint64_t end)
{
	const uint64_t text = t->file.text;

	for (uint32_t i = 0; i < info->segments_cnt; i++) {
		const struct object_segment *s = &info->segments[i];

		if (text < s->vaddr || text - s->vaddr >= s->filesz)
			continue;
		t->segment = s;
		t->alone = info->segments_cnt == 1 && end >= text &&
			   end - text + OTHER_MAX >= s->filesz;
		t->code = (struct go_bytes){ .img = t->table.img,
					     .offset = s->offset,
					     .addr = s->vaddr };
		t->file.code = readable(&t->code, s->filesz);
		t->file.code_addr = s->vaddr;
		return;
	}
}

/* 0; -ENOENT: there is no table; -E2BIG; -errno. */
static int try_table(const struct symtab_info *info, struct go_bytes place, uint64_t sz,
		     struct go_table *t)
{
	struct gopclntab_head head;
	uint64_t end;
	int r;

	t->table = place;
	t->file.table = readable(&t->table, sz);
	r = open_table(t, &head);
	if (r == 0)
		r = find_text(t, &head, &end);
	if (r == 0)
		set_segment(t, info, end);
	if (r == 0 && t->segment)
		return 0;
	go_table_done(t);
	return r < 0 ? r : -ENOENT;
}

struct search {
	const struct elf_image *img;
	const struct symtab_info *info;
	struct go_table *table;
	uint64_t left; /* bytes that may still be read */
	unsigned int tries;
	uint8_t bytes[SEARCH_SZ];
};

static bool is_magic(const uint8_t *bytes)
{
	uint32_t v[2];

	memcpy(v, bytes, sizeof(v));
	return v[0] >= MAGIC_MIN && v[1] == MACHINE;
}

/* In the @sz bytes that are read, from @at of the segment on. */
static int search_piece(struct search *s, const Elf64_Phdr *p, uint64_t at, size_t sz)
{
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i + ALIGN <= sz; i += ALIGN) {
		struct go_bytes place = { .img = s->img,
					  .offset = p->p_offset + at + i,
					  .addr = p->p_vaddr + at + i };

		if (!is_magic(s->bytes + i))
			continue;
		if (s->tries-- == 0)
			return -E2BIG;
		r = try_table(s->info, place, p->p_filesz - at - i, s->table);
	}
	return r;
}

static int search_segment(struct search *s, const Elf64_Phdr *p)
{
	int r = -ENOENT;

	for (uint64_t at = -p->p_vaddr % ALIGN; r == -ENOENT && at < p->p_filesz; at += SEARCH_SZ) {
		size_t sz = (size_t)MIN(p->p_filesz - at, (uint64_t)SEARCH_SZ);

		if (s->left < sz)
			return -E2BIG;
		s->left -= sz;
		r = elf_image_read(s->img, p->p_offset + at, s->bytes, sz);
		if (r != SYMTAB_OK)
			return r < 0 ? r : -ENOENT;
		r = search_piece(s, p, at, sz);
	}
	return r;
}

static int search(const struct elf_image *img, const struct symtab_info *info, struct go_table *t)
{
	_cleanup_free_ struct search *s = malloc(sizeof(*s));
	int r = -ENOENT;

	if (!s)
		return -ENOMEM;
	s->img = img;
	s->info = info;
	s->table = t;
	s->left = SEARCH_MAX;
	s->tries = TRIES_MAX;
	for (uint32_t i = 0; r == -ENOENT && i < img->phdrs_cnt; i++) {
		if (is_data(img, &img->phdrs[i]))
			r = search_segment(s, &img->phdrs[i]);
	}
	return r;
}

int go_table_find(const struct elf_image *img, const struct symtab_info *info, struct go_table *ret)
{
	const Elf64_Shdr *h = elf_image_section(img, ".gopclntab");
	int r = -ENOENT;

	*ret = (struct go_table){ 0 };
	if (!h)
		h = elf_image_section(img, ".data.rel.ro.gopclntab");
	if (h)
		r = try_table(
			info,
			(struct go_bytes){ .img = img, .offset = h->sh_offset, .addr = h->sh_addr },
			h->sh_size, ret);
	if (r == -ENOENT && (img->shdrs_cnt == 0 || elf_image_section(img, ".go.buildinfo")))
		r = search(img, info, ret);
	return r == -ENOENT ? 0 : r;
}
