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
 * Weak is as good as global: a C library's own name is global ("__nanosleep"), and what programs call
 * is the weak one of two at one place.
 *
 * STT_FUNC and STT_GNU_IFUNC are functions. STT_NOTYPE is what hand-written assembly leaves behind;
 * such labels count only where no function is. Local labels (".L", "$x") never do.
 */

#include "elf-symbols.h"

#include <string.h>

#define PIECE_CNT 1024

struct table {
	uint64_t offset; /* of the symbols in the file */
	uint64_t cnt;
	char *strings;
	size_t strings_sz;
	uint8_t rank; /* added to that of its symbols */
	uint8_t idx;
};

struct reader {
	const struct elf_image *img;
	const struct symtab_info *info;
	uint64_t base;		      /* the lowest executable offset */
	struct candidate *candidates; /* NULL: they are counted only */
	uint32_t cnt;
	uint32_t cap;
};

static const Elf64_Shdr *find_section(const struct elf_image *img, uint32_t type)
{
	for (uint32_t i = 0; i < img->shdrs_cnt; i++)
		if (img->shdrs[i].sh_type == type)
			return &img->shdrs[i];
	return NULL;
}

bool elf_symbols_are_all(const struct elf_image *img)
{
	return find_section(img, SHT_SYMTAB) != NULL;
}

static int read_strings(const struct elf_image *img, const Elf64_Shdr *s, size_t sz_max,
			struct table *t)
{
	int r;

	if (s->sh_size == 0 || !elf_image_holds(img, s->sh_offset, s->sh_size))
		return SYMTAB_BAD;
	if (s->sh_size > sz_max)
		return SYMTAB_LIMIT;
	t->strings_sz = (size_t)s->sh_size;
	t->strings = malloc(t->strings_sz);
	if (!t->strings)
		return -ENOMEM;
	r = elf_image_read(img, s->sh_offset, t->strings, t->strings_sz);
	if (r != SYMTAB_OK)
		return r;
	return t->strings[t->strings_sz - 1] == '\0' ? SYMTAB_OK : SYMTAB_BAD;
}

/* SYMTAB_OK with an empty table when the file has none (or a compressed one). */
static int table_open(const struct elf_image *img, uint32_t type, uint64_t symbols_max,
		      size_t strings_max, struct table *t)
{
	const Elf64_Shdr *s = find_section(img, type), *strings;

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
	t->offset = s->sh_offset;
	t->cnt = s->sh_size / sizeof(Elf64_Sym);
	return read_strings(img, strings, strings_max, t);
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
	if (bind != STB_GLOBAL && bind != STB_WEAK && bind != STB_GNU_UNIQUE)
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

/* One table on its way to candidates. */
struct pass {
	struct reader *reader;
	const struct table *table;
};

static void add_symbol(const Elf64_Sym *sym, void *ctx)
{
	const struct pass *pass = ctx;
	const struct table *t = pass->table;
	struct reader *rd = pass->reader;
	int rank = symbol_rank(sym);
	const struct object_segment *seg;
	uint64_t room, offset;

	if (rank < 0 || !is_function_name(t, sym->st_name))
		return;
	room = room_in_section(rd->img, sym);
	seg = find_segment(rd->info, sym->st_value);
	if (room == 0 || !seg)
		return;
	if (!rd->candidates) {
		rd->cnt++;
		return;
	}
	if (rd->cnt == rd->cap)
		return; /* the file has changed since they were counted */
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

/* In pieces: the symbols of a large file are as much as its names. */
static int each_symbol(const struct elf_image *img, uint64_t offset, uint64_t cnt, elf_symbol_fn fn,
		       void *ctx)
{
	Elf64_Sym piece[PIECE_CNT];

	for (uint64_t at = 0; at < cnt; at += PIECE_CNT) {
		size_t n = (size_t)MIN(cnt - at, (uint64_t)PIECE_CNT);
		int r = elf_image_read(img, offset + at * sizeof(*piece), piece,
				       n * sizeof(*piece));

		if (r != SYMTAB_OK)
			return r;
		for (size_t i = 0; i < n; i++)
			fn(&piece[i], ctx);
	}
	return SYMTAB_OK;
}

int elf_symbols_each(const struct elf_image *img, elf_symbol_fn fn, void *ctx)
{
	static const uint32_t types[] = { SHT_SYMTAB, SHT_DYNSYM };

	for (size_t i = 0; i < ELEMENTSOF(types); i++) {
		const Elf64_Shdr *s = find_section(img, types[i]);
		int r;

		if (!s || s->sh_entsize != sizeof(Elf64_Sym) || (s->sh_flags & SHF_COMPRESSED))
			continue;
		r = each_symbol(img, s->sh_offset, s->sh_size / sizeof(Elf64_Sym), fn, ctx);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_symbols(struct reader *rd, const struct table *t)
{
	struct pass pass = { .reader = rd, .table = t };

	return each_symbol(rd->img, t->offset, t->cnt, add_symbol, &pass);
}

/* Counted first: most symbols of a large file may be data. */
static int read_candidates(struct reader *rd, const struct table tables[static 2])
{
	int r = SYMTAB_OK;

	for (int i = 0; r == SYMTAB_OK && i < 2; i++)
		r = read_symbols(rd, &tables[i]);
	if (r != SYMTAB_OK)
		return r;
	if (rd->cnt > SYMTAB_FUNCTIONS_MAX)
		return SYMTAB_LIMIT;
	rd->cap = rd->cnt;
	rd->cnt = 0;
	rd->candidates = malloc(MAX(rd->cap, 1u) * sizeof(*rd->candidates));
	if (!rd->candidates)
		return -ENOMEM;
	for (int i = 0; r == SYMTAB_OK && i < 2; i++)
		r = read_symbols(rd, &tables[i]);
	return r;
}

static int open_tables(const struct elf_image *img, const struct symtab_limits *limits,
		       struct table tables[static 2], struct candidate_strings *strings)
{
	int r;

	r = table_open(img, SHT_SYMTAB, limits->symbols, SYMTAB_STRINGS_MAX, &tables[0]);
	if (r == SYMTAB_OK)
		r = table_open(img, SHT_DYNSYM, limits->symbols - tables[0].cnt,
			       SYMTAB_STRINGS_MAX - tables[0].strings_sz, &tables[1]);
	for (int i = 0; i < 2; i++) {
		strings->v[i] = tables[i].strings;
		strings->sz[i] = tables[i].strings_sz;
	}
	return r;
}

int elf_symbols_load(const struct elf_image *img, const struct symtab_info *info,
		     const struct symtab_limits *limits, struct ranges *ret)
{
	struct table tables[2] = { { .idx = 0 }, { .rank = CANDIDATE_DYNSYM, .idx = 1 } };
	_cleanup_(candidate_strings_done) struct candidate_strings strings = { .version_mark =
										       '@' };
	_cleanup_free_ struct candidate *candidates = NULL;
	struct reader rd = { .img = img, .info = info };
	int r;

	if (info->segments_cnt == 0) {
		*ret = (struct ranges){ 0 };
		return SYMTAB_OK;
	}
	if (!find_base(info, &rd.base))
		return SYMTAB_LIMIT;
	/* Go's linker says in .symtab how a function is called; its runtime, and who reads its profiles, do not. */
	if (elf_image_section(img, ".gopclntab"))
		strings.tail = ".abi0";
	r = open_tables(img, limits, tables, &strings);
	if (r != SYMTAB_OK)
		return r;
	r = read_candidates(&rd, tables);
	candidates = rd.candidates;
	if (r != SYMTAB_OK)
		return r;
	r = ranges_build(candidates, rd.cnt, &strings, limits, ret);
	if (r == SYMTAB_OK)
		ret->base = rd.base;
	return r;
}
