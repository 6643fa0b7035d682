/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an ELF file says about itself beside its symbols: kind, executable segments, build id.
 *
 * The build id is the descriptor of the note (NT_GNU_BUILD_ID, "GNU"). It is looked for in the
 * PT_NOTE segments, which survive every strip, then in SHT_NOTE sections, for files whose linker made
 * no segment of it. Only the first 64 KiB of a note are looked at, and a few notes (libelf keeps what
 * it read until the end). A damaged note costs the id only.
 */

#include "elf-image.h"

#include <gelf.h>
#include <string.h>

#define NOTES_MAX 16

static int add_segment(const struct elf_image *img, const Elf64_Phdr *p, struct symtab_info *info)
{
	if (!elf_image_holds(img, p->p_offset, p->p_filesz) ||
	    p->p_vaddr > UINT64_MAX - p->p_filesz)
		return SYMTAB_BAD;
	if (!(p->p_flags & PF_X) || p->p_filesz == 0)
		return SYMTAB_OK;
	if (info->segments_cnt == OBJECT_SEGMENTS_MAX)
		return SYMTAB_BAD;
	info->segments[info->segments_cnt++] = (struct object_segment){
		.offset = p->p_offset,
		.vaddr = p->p_vaddr,
		.filesz = p->p_filesz,
	};
	return SYMTAB_OK;
}

static bool find_build_id(Elf_Data *notes, struct symtab_info *info)
{
	size_t pos = 0, name_pos, desc_pos;
	GElf_Nhdr n;

	while ((pos = gelf_getnote(notes, pos, &n, &name_pos, &desc_pos)) > 0) {
		if (n.n_type != NT_GNU_BUILD_ID || n.n_namesz != sizeof(ELF_NOTE_GNU) ||
		    memcmp((char *)notes->d_buf + name_pos, ELF_NOTE_GNU, n.n_namesz) != 0)
			continue;
		if (n.n_descsz == 0 || n.n_descsz > OBJECT_BUILD_ID_MAX)
			continue;
		memcpy(info->build_id, (char *)notes->d_buf + desc_pos, n.n_descsz);
		info->build_id_sz = n.n_descsz;
		return true;
	}
	return false;
}

/* 1: found; 0: not here; -errno. */
static int build_id_at(const struct elf_image *img, uint64_t offset, uint64_t sz, uint64_t align,
		       struct symtab_info *info)
{
	Elf_Data *notes;
	int r;

	r = elf_image_data(img, offset, MIN(sz, ELF_IMAGE_NOTE_MAX),
			   align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR, &notes);
	if (r < 0)
		return r;
	return r == SYMTAB_OK && find_build_id(notes, info);
}

int elf_image_build_id(const struct elf_image *img, struct symtab_info *info)
{
	unsigned int tries = NOTES_MAX;

	for (uint32_t i = 0; i < img->phdrs_cnt && tries > 0; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];
		int r;

		if (p->p_type != PT_NOTE)
			continue;
		tries--;
		r = build_id_at(img, p->p_offset, p->p_filesz, p->p_align, info);
		if (r != 0)
			return MIN(r, 0);
	}
	for (uint32_t i = 0; i < img->shdrs_cnt && tries > 0; i++) {
		const Elf64_Shdr *s = &img->shdrs[i];
		int r;

		if (s->sh_type != SHT_NOTE || (s->sh_flags & SHF_COMPRESSED))
			continue;
		tries--;
		r = build_id_at(img, s->sh_offset, s->sh_size, s->sh_addralign, info);
		if (r != 0)
			return MIN(r, 0);
	}
	return 0;
}

int elf_image_info(const struct elf_image *img, struct symtab_info *info)
{
	int r;

	info->elf = img->ehdr.e_type == ET_EXEC ? OBJECT_ELF_EXEC : OBJECT_ELF_DYN;
	for (uint32_t i = 0; i < img->phdrs_cnt; i++) {
		if (img->phdrs[i].p_type != PT_LOAD)
			continue;
		r = add_segment(img, &img->phdrs[i], info);
		if (r != SYMTAB_OK)
			return r;
	}
	return elf_image_build_id(img, info);
}
