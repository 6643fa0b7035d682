/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a reader of debugging information (dwarf.h) needs of an ELF file: where sections lie, what they are
 * packed with, and bytes. A packed section begins with how large it is unpacked, in the form of the gABI
 * (SHF_COMPRESSED) or in the one before it (.zdebug_*: "ZLIB" and the size, the highest byte first); that is
 * handed on as what it is, a claim.
 */

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "elf-file.h"

#define NAME_SZ 32
#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2 /* since glibc 2.37 */
#endif

#define PREFIX ".debug_"

bool elf_file_address(const struct elf_file *f, uint64_t offset, uint64_t *ret)
{
	for (uint32_t i = 0; i < f->img.phdrs_cnt; i++) {
		const Elf64_Phdr *p = &f->img.phdrs[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && offset >= p->p_offset &&
		    offset - p->p_offset < p->p_filesz) {
			*ret = p->p_vaddr + (offset - p->p_offset);
			return true;
		}
	}
	return false;
}

bool elf_file_offset(const struct elf_file *f, uint64_t addr, uint64_t *ret)
{
	for (uint32_t i = 0; i < f->img.phdrs_cnt; i++) {
		const Elf64_Phdr *p = &f->img.phdrs[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && addr >= p->p_vaddr &&
		    addr - p->p_vaddr < p->p_filesz) {
			*ret = p->p_offset + (addr - p->p_vaddr);
			return true;
		}
	}
	return false;
}

bool elf_file_tells_lines(const struct elf_file *f)
{
	static const char *const names[] = { ".debug_info", ".zdebug_info", ".gopclntab",
					     ".data.rel.ro.gopclntab", ".go.buildinfo" };

	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		if (elf_image_section(&f->img, names[i]))
			return true;
	}
	return f->img.shdrs_cnt == 0;
}

bool elf_file_has_code(const struct elf_file *f, uint64_t addr)
{
	for (uint32_t i = 0; i < f->img.phdrs_cnt; i++) {
		const Elf64_Phdr *p = &f->img.phdrs[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && addr >= p->p_vaddr &&
		    addr - p->p_vaddr < p->p_memsz)
			return true;
	}
	return false;
}

enum elf_packing elf_packing_of(uint32_t type)
{
	switch (type) {
	case ELFCOMPRESS_ZLIB:
		return ELF_ZLIB;
	case ELFCOMPRESS_ZSTD:
		return ELF_ZSTD;
	default:
		return ELF_OTHER;
	}
}

static bool section_of(const struct elf_image *img, const Elf64_Shdr *h, struct elf_section *ret)
{
	struct elf_section s = { .offset = h->sh_offset, .sz = h->sh_size };
	Elf64_Chdr c;

	s.plain_sz = s.sz;
	*ret = s;
	if (!(h->sh_flags & SHF_COMPRESSED))
		return true;
	if (s.sz < sizeof(c) || elf_image_read(img, s.offset, &c, sizeof(c)) != SYMTAB_OK)
		return false;
	*ret = (struct elf_section){
		.offset = s.offset + sizeof(c),
		.sz = s.sz - sizeof(c),
		.plain_sz = c.ch_size,
		.packing = elf_packing_of(c.ch_type),
	};
	return true;
}

static bool old_packed_section(const struct elf_image *img, const Elf64_Shdr *h,
			       struct elf_section *ret)
{
	struct {
		char magic[4];
		uint32_t sz[2];
	} c;

	if (h->sh_size < sizeof(c) ||
	    elf_image_read(img, h->sh_offset, &c, sizeof(c)) != SYMTAB_OK ||
	    memcmp(c.magic, "ZLIB", sizeof(c.magic)) != 0)
		return false;
	*ret = (struct elf_section){
		.offset = h->sh_offset + sizeof(c),
		.sz = h->sh_size - sizeof(c),
		.plain_sz = (uint64_t)be32toh(c.sz[0]) << 32 | be32toh(c.sz[1]),
		.packing = ELF_ZLIB,
	};
	return true;
}

bool elf_file_section(const struct elf_file *f, const char *name, struct elf_section *ret)
{
	const Elf64_Shdr *h = elf_image_section(&f->img, name);
	char old[NAME_SZ];

	if (h)
		return section_of(&f->img, h, ret);
	if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) != 0)
		return false;
	(void)snprintf(old, sizeof(old), ".z%s", name + 1);
	h = elf_image_section(&f->img, old);
	return h && old_packed_section(&f->img, h, ret);
}

int elf_file_read(const struct elf_file *f, uint64_t offset, void *dst, size_t sz)
{
	int r = elf_image_read(&f->img, offset, dst, sz);

	return r == SYMTAB_BAD ? -EBADMSG : r;
}

uint32_t elf_file_build_id(const struct elf_file *f, const uint8_t **ret)
{
	*ret = f->info.build_id;
	return f->info.build_id_sz;
}
