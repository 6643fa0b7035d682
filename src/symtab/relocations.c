/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A program that may lie anywhere has no address in its file: the loader writes them. Relative relocations
 * with addends (R_X86_64_RELATIVE in DT_RELA) are most of them, and linkers leave the place in the file
 * empty; those of DT_RELR have their addend in place, so the file is as it should be already. The table may
 * have millions of entries in any order: it is gone through in pieces, and only what is asked for is kept.
 */

#include "relocations.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"

#define DYNAMIC_MAX 1024       /* entries */
#define ENTRIES_MAX (4u << 20) /* that are looked at */
#define KEPT_MAX (256u << 10)  /* 4 MiB */
#define PIECE_CNT 1024

struct table {
	uint64_t offset; /* in the file */
	uint64_t cnt;
};

/* DT_RELA and its size; 0 where it has none. */
static int read_dynamic(const struct elf_image *img, const Elf64_Phdr *p, uint64_t *ret_addr,
			uint64_t *ret_sz)
{
	uint64_t cnt = MIN(p->p_filesz / sizeof(Elf64_Dyn), (uint64_t)DYNAMIC_MAX);

	for (uint64_t i = 0; i < cnt; i++) {
		Elf64_Dyn d;
		int r = elf_image_read(img, p->p_offset + i * sizeof(d), &d, sizeof(d));

		if (r != SYMTAB_OK)
			return MIN(r, 0);
		if (d.d_tag == DT_NULL)
			return 0;
		if (d.d_tag == DT_RELA)
			*ret_addr = d.d_un.d_ptr;
		else if (d.d_tag == DT_RELASZ)
			*ret_sz = d.d_un.d_val;
	}
	return 0;
}

/* One that is not all in the file is none. */
static int find_table(const struct elf_image *img, struct table *ret)
{
	uint64_t addr = 0, sz = 0;
	const Elf64_Phdr *s;
	int r = 0;

	*ret = (struct table){ 0 };
	for (uint32_t i = 0; r == 0 && i < img->phdrs_cnt; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];

		if (p->p_type == PT_DYNAMIC && elf_image_holds(img, p->p_offset, p->p_filesz)) {
			r = read_dynamic(img, p, &addr, &sz);
			break;
		}
	}
	s = addr != 0 ? elf_image_segment(img, addr) : NULL;
	if (r < 0 || !s || sz > s->p_filesz - (addr - s->p_vaddr))
		return r;
	*ret = (struct table){ s->p_offset + (addr - s->p_vaddr), sz / sizeof(Elf64_Rela) };
	return 0;
}

/* Another value than 0 ends it and is returned. */
typedef int (*each_fn)(const struct relocation *r, void *ctx);

static int each_in(const Elf64_Rela *v, size_t cnt, each_fn fn, void *ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < cnt; i++) {
		if (ELF64_R_TYPE(v[i].r_info) == R_X86_64_RELATIVE)
			r = fn(&(struct relocation){ v[i].r_offset, (uint64_t)v[i].r_addend }, ctx);
	}
	return r;
}

static int each(const struct elf_image *img, each_fn fn, void *ctx)
{
	_cleanup_free_ Elf64_Rela *v = calloc(PIECE_CNT, sizeof(*v));
	struct table t;
	int r;

	if (!v)
		return -ENOMEM;
	r = find_table(img, &t);
	if (r < 0)
		return r;
	if (t.cnt > ENTRIES_MAX)
		return -E2BIG;
	for (uint64_t i = 0; r == 0 && i < t.cnt; i += PIECE_CNT) {
		size_t n = (size_t)MIN(t.cnt - i, (uint64_t)PIECE_CNT);

		r = elf_image_read(img, t.offset + i * sizeof(*v), v, n * sizeof(*v));
		if (r != SYMTAB_OK)
			return MIN(r, 0);
		r = each_in(v, n, fn, ctx);
	}
	return r;
}

struct keeper {
	struct relocations *kept;
	size_t room;
	uint64_t from, to;
};

static int keep(const struct relocation *r, void *ctx)
{
	struct keeper *k = ctx;
	struct relocation *v;

	if (r->addr < k->from || r->addr >= k->to)
		return 0;
	if (k->kept->cnt == KEPT_MAX)
		return -E2BIG;
	if (k->kept->cnt == k->room) {
		k->room = MAX(2 * k->room, (size_t)64);
		v = reallocarray(k->kept->v, k->room, sizeof(*v));
		if (!v)
			return -ENOMEM;
		k->kept->v = v;
	}
	k->kept->v[k->kept->cnt++] = *r;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct relocation *x = a, *y = b;

	return CMP(x->addr, y->addr);
}

int relocations_load(const struct elf_image *img, uint64_t from, uint64_t to,
		     struct relocations *ret)
{
	struct keeper k = { .kept = ret, .from = from, .to = to };
	int r;

	*ret = (struct relocations){ 0 };
	r = each(img, keep, &k);
	if (ret->cnt > 0)
		qsort(ret->v, ret->cnt, sizeof(*ret->v), compare);
	return r;
}

void relocations_done(struct relocations *r)
{
	free(r->v);
	*r = (struct relocations){ 0 };
}

/* The first one that reaches behind @addr. */
static size_t first_of(const struct relocations *r, uint64_t addr)
{
	size_t low = 0, high = r->cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->v[mid].addr <= addr && addr - r->v[mid].addr >= sizeof(r->v->value))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void relocations_apply(const struct relocations *r, uint64_t addr, uint8_t *bytes, size_t sz)
{
	for (size_t i = first_of(r, addr); i < r->cnt; i++) {
		const struct relocation *at = &r->v[i];
		size_t skip = at->addr < addr ? (size_t)(addr - at->addr) : 0;
		size_t to = at->addr < addr ? 0 : (size_t)MIN(at->addr - addr, (uint64_t)sz);

		if (to == sz)
			return;
		memcpy(bytes + to, (const uint8_t *)&at->value + skip,
		       MIN(sizeof(at->value) - skip, sz - to));
	}
}

struct finder {
	uint64_t value;
	uint64_t addr;
};

static int is_it(const struct relocation *r, void *ctx)
{
	struct finder *f = ctx;

	f->addr = r->addr;
	return r->value == f->value;
}

int relocations_find(const struct elf_image *img, uint64_t value, uint64_t *ret_addr)
{
	struct finder f = { .value = value };
	int r = each(img, is_it, &f);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret_addr = f.addr;
	return 0;
}
