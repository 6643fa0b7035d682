/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* go-image — a Go program as it is in memory, and its table of functions, found in the plainest way. */

#include <stdio.h>
#include <stdlib.h>

#include "cprof/gopclntab.h"
#include "elf-bytes.h"

#define TABLE_ALIGN 8

struct image {
	uint8_t *p; /* by address, relocated */
	size_t sz;
	GElf_Phdr segments[16];
	size_t segments_cnt;
};

struct go_image {
	struct image image;
	struct bytes table_bytes;
	struct bytes code_bytes;
	struct gopclntab_file file;
	struct gopclntab_head head;
};

static void die(const char *what)
{
	fprintf(stderr, "no Go program: %s\n", what);
	exit(2);
}

static void load_segments(Elf *elf, struct image *img)
{
	size_t cnt = 0, sz = 0;
	const char *raw = elf_rawfile(elf, &sz);

	if (elf_getphdrnum(elf, &cnt) < 0)
		die("no segments");
	for (size_t i = 0; i < cnt; i++) {
		GElf_Phdr *p = &img->segments[img->segments_cnt];

		if (!gelf_getphdr(elf, (int)i, p) || p->p_type != PT_LOAD)
			continue;
		img->segments_cnt++;
		if (p->p_vaddr + p->p_filesz > img->sz)
			img->sz = p->p_vaddr + p->p_filesz;
	}
	img->p = calloc(1, img->sz + 1);
	if (!img->p)
		die("no memory");
	for (size_t i = 0; i < img->segments_cnt; i++)
		memcpy(img->p + img->segments[i].p_vaddr, raw + img->segments[i].p_offset,
		       img->segments[i].p_filesz);
}

static void relocate(Elf *elf, const struct image *img)
{
	struct bytes b;
	uint64_t addr;

	if (!elf_bytes_find(elf, ".rela.dyn", &b, &addr) &&
	    !elf_bytes_find(elf, ".rela", &b, &addr))
		return;
	for (size_t i = 0; i + sizeof(Elf64_Rela) <= b.sz; i += sizeof(Elf64_Rela)) {
		Elf64_Rela rela;

		memcpy(&rela, b.p + i, sizeof(rela));
		if (ELF64_R_TYPE(rela.r_info) == R_X86_64_RELATIVE && rela.r_offset + 8 <= img->sz)
			memcpy(img->p + rela.r_offset, &rela.r_addend, 8);
	}
}

/* By its head alone. */
static uint64_t search(struct go_image *c)
{
	for (size_t i = 0; i < c->image.segments_cnt; i++) {
		const GElf_Phdr *p = &c->image.segments[i];
		uint64_t end = p->p_vaddr + p->p_filesz;

		if (p->p_flags & PF_X)
			continue;
		for (uint64_t at = (p->p_vaddr + TABLE_ALIGN - 1) / TABLE_ALIGN * TABLE_ALIGN;
		     at < end; at += TABLE_ALIGN) {
			if (gopclntab_head(c->image.p + at, end - at, end - at, &c->head) < 0)
				continue;
			c->table_bytes = (struct bytes){ c->image.p + at, end - at };
			return at;
		}
	}
	die("no table");
	return 0;
}

static void find_text(struct go_image *c, uint64_t addr)
{
	for (size_t i = 0; i < c->image.segments_cnt; i++) {
		const GElf_Phdr *p = &c->image.segments[i];
		struct bytes b = { c->image.p + p->p_vaddr, p->p_filesz };
		struct gopclntab_bytes data = { bytes_read, &b, b.sz };

		if (p->p_flags & PF_X) {
			c->code_bytes = b;
			c->file.code = (struct gopclntab_bytes){ bytes_read, &c->code_bytes, b.sz };
			c->file.code_addr = p->p_vaddr;
		} else if (gopclntab_text(&c->head, addr, &data, &c->file.text) == 0 &&
			   c->head.text != 0 && c->head.text != c->file.text) {
			die("head and module disagree");
		}
	}
}

/* The file has to have one; it is looked for by its head, and held against its section's name. */
static void go_image_load(struct go_image *c, Elf *elf)
{
	uint64_t named, addr;
	struct bytes b;

	load_segments(elf, &c->image);
	relocate(elf, &c->image);
	addr = search(c);
	if ((elf_bytes_find(elf, ".gopclntab", &b, &named) ||
	     elf_bytes_find(elf, ".data.rel.ro.gopclntab", &b, &named)) &&
	    named != addr)
		die("the table is not where its section is");
	find_text(c, addr);
	c->file.table = (struct gopclntab_bytes){ bytes_read, &c->table_bytes, c->table_bytes.sz };
}
