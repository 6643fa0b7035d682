/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The functions of an ELF file, by file offset.
 *
 * A frame is known by its offset in the file, so symbols are turned from link addresses into file
 * offsets here, once, by the executable PT_LOAD that holds them; p_vaddr and p_offset may differ by
 * anything (prelinked libraries, ET_EXEC, large pages). Section headers say no more than whether a
 * symbol is code and where its section ends. Both tables are read: .dynsym is all that is left of
 * stripped files, and .symtab may lack what a packager removed.
 *
 * STT_FUNC and STT_GNU_IFUNC are functions. STT_NOTYPE is what hand-written assembly leaves behind;
 * such labels count only where no function is. Local labels (".L", "$x") never do.
 */

#include "elf-symbols.h"

#include <string.h>

struct table {
	const Elf64_Sym *v;
	size_t cnt;
	const char *strings;
	size_t strings_sz;
	uint8_t rank; /* added to that of its symbols */
	uint8_t idx;
};

struct reader {
	const struct elf_image *img;
	const struct symtab_info *info;
	uint64_t base; /* the lowest executable offset */
	struct candidate *candidates;
	uint32_t cnt;
};

static const Elf64_Shdr *find_section(const struct elf_image *img, uint32_t type)
{
	for (uint32_t i = 0; i < img->shdrs_cnt; i++)
		if (img->shdrs[i].sh_type == type)
			return &img->shdrs[i];
	return NULL;
}

/* SYMTAB_OK with an empty table when the file has none (or a compressed one). */
static int table_read(const struct elf_image *img, uint32_t type, uint32_t symbols_max,
		      struct table *t)
{
	const Elf64_Shdr *s = find_section(img, type), *strings;
	Elf_Data *data;
	int r;

	if (!s)
		return SYMTAB_OK;
	if (s->sh_entsize != sizeof(Elf64_Sym) || s->sh_link == 0 || s->sh_link >= img->shdrs_cnt ||
	    !elf_image_holds(img, s->sh_offset, s->sh_size))
		return SYMTAB_BAD;
	strings = &img->shdrs[s->sh_link];
	if (strings->sh_type != SHT_STRTAB)
		return SYMTAB_BAD;
	if ((s->sh_flags | strings->sh_flags) & SHF_COMPRESSED)
		return SYMTAB_OK;
	if (s->sh_size / sizeof(Elf64_Sym) > symbols_max)
		return SYMTAB_LIMIT;

	if (s->sh_size < sizeof(Elf64_Sym))
		return SYMTAB_OK;

	r = elf_image_data(img, s->sh_offset, s->sh_size - s->sh_size % sizeof(Elf64_Sym),
			   ELF_T_SYM, &data);
	if (r != SYMTAB_OK)
		return r;
	t->v = data->d_buf;
	t->cnt = data->d_size / sizeof(Elf64_Sym);
	r = elf_image_data(img, strings->sh_offset, strings->sh_size, ELF_T_BYTE, &data);
	if (r != SYMTAB_OK)
		return r;
	t->strings = data->d_buf;
	t->strings_sz = data->d_size;
	if (t->strings_sz == 0 || t->strings[t->strings_sz - 1] != '\0')
		return SYMTAB_BAD;
	return SYMTAB_OK;
}

static bool is_function_name(const struct table *t, uint32_t name)
{
	const char *s;

	if (name >= t->strings_sz || t->strings[name] == '\0')
		return false;
	s = t->strings + name;
	if (s[0] == '.' && s[1] == 'L')
		return false;
	return !(s[0] == '$' && (s[1] == '\0' || s[2] == '\0' || s[2] == '.'));
}

/* The rank of a function, or -1: not one. */
static int symbol_rank(const Elf64_Sym *sym)
{
	unsigned int bind = ELF64_ST_BIND(sym->st_info);
	int rank = 0;

	switch (ELF64_ST_TYPE(sym->st_info)) {
	case STT_FUNC:
	case STT_GNU_IFUNC:
		break;
	case STT_NOTYPE:
		rank |= CANDIDATE_NOTYPE;
		break;
	default:
		return -1;
	}
	if (bind == STB_WEAK)
		rank |= CANDIDATE_WEAK;
	else if (bind != STB_GLOBAL && bind != STB_GNU_UNIQUE)
		rank |= CANDIDATE_LOCAL;
	if (sym->st_size == 0)
		rank |= CANDIDATE_UNSIZED;
	return rank;
}

/* How many bytes of code follow the symbol in its section; 0: none, or it is no code. */
static uint64_t room_in_section(const struct elf_image *img, const Elf64_Sym *sym)
{
	const Elf64_Shdr *s;

	if (sym->st_shndx == SHN_UNDEF || sym->st_shndx >= img->shdrs_cnt)
		return 0;
	s = &img->shdrs[sym->st_shndx];
	if (!(s->sh_flags & SHF_EXECINSTR) || sym->st_value < s->sh_addr ||
	    sym->st_value - s->sh_addr >= s->sh_size)
		return 0;
	return s->sh_size - (sym->st_value - s->sh_addr);
}

static const struct object_segment *find_segment(const struct symtab_info *info, uint64_t vaddr)
{
	for (uint32_t i = 0; i < info->segments_cnt; i++) {
		const struct object_segment *s = &info->segments[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz)
			return s;
	}
	return NULL;
}

static void add_symbol(struct reader *rd, const struct table *t, const Elf64_Sym *sym)
{
	int rank = symbol_rank(sym);
	const struct object_segment *seg;
	uint64_t room, offset;

	if (rank < 0 || !is_function_name(t, sym->st_name))
		return;
	room = room_in_section(rd->img, sym);
	seg = find_segment(rd->info, sym->st_value);
	if (room == 0 || !seg)
		return;
	room = MIN(room, seg->filesz - (sym->st_value - seg->vaddr));
	if (sym->st_size > 0)
		room = MIN(room, sym->st_size);
	offset = seg->offset + (sym->st_value - seg->vaddr) - rd->base;
	rd->candidates[rd->cnt++] = (struct candidate){
		.from = (uint32_t)offset,
		.to = (uint32_t)(offset + room),
		.string = sym->st_name,
		.rank = (uint8_t)rank | t->rank,
		.table = t->idx,
	};
}

/* Offsets are kept in 32 bits: *ret_base, and false when the executable part is larger than that. */
static bool find_base(const struct symtab_info *info, uint64_t *ret_base)
{
	uint64_t base = UINT64_MAX, end = 0;

	for (uint32_t i = 0; i < info->segments_cnt; i++) {
		const struct object_segment *s = &info->segments[i];

		base = MIN(base, s->offset);
		end = MAX(end, s->offset + s->filesz);
	}
	*ret_base = base;
	return end - base < UINT32_MAX;
}

static int read_candidates(struct reader *rd, const struct table tables[static 2])
{
	size_t cnt = tables[0].cnt + tables[1].cnt;

	rd->candidates = malloc(MAX(cnt, (size_t)1) * sizeof(*rd->candidates));
	if (!rd->candidates)
		return -ENOMEM;
	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < tables[i].cnt; k++)
			add_symbol(rd, &tables[i], &tables[i].v[k]);
	return SYMTAB_OK;
}

int elf_symbols_load(const struct elf_image *img, const struct symtab_info *info,
		     const struct symtab_limits *limits, struct ranges *ret)
{
	struct table tables[2] = { { .idx = 0 }, { .rank = CANDIDATE_DYNSYM, .idx = 1 } };
	struct candidate_strings strings = { .version_mark = '@' };
	_cleanup_free_ struct candidate *candidates = NULL;
	struct reader rd = { .img = img, .info = info };
	int r;

	if (info->segments_cnt == 0) {
		*ret = (struct ranges){ 0 };
		return SYMTAB_OK;
	}
	if (!find_base(info, &rd.base))
		return SYMTAB_LIMIT;
	r = table_read(img, SHT_SYMTAB, limits->symbols, &tables[0]);
	if (r != SYMTAB_OK)
		return r;
	r = table_read(img, SHT_DYNSYM, limits->symbols - (uint32_t)tables[0].cnt, &tables[1]);
	if (r != SYMTAB_OK)
		return r;
	r = read_candidates(&rd, tables);
	candidates = rd.candidates;
	if (r != SYMTAB_OK)
		return r;

	for (int i = 0; i < 2; i++) {
		strings.v[i] = tables[i].strings;
		strings.sz[i] = tables[i].strings_sz;
	}
	r = ranges_build(candidates, rd.cnt, &strings, limits->bytes, ret);
	if (r == SYMTAB_OK)
		ret->base = rd.base;
	return r;
}
