/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which symbols are functions. Section headers say no more than whether a symbol is code and where its
 * section ends; those of a debug file say the same as those of the file that it is of.
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
/* As SYMTAB_LIMITS_DEFAULT has: of tables that say more nothing is read. */
#define SYMBOLS_MAX 2000000

static const Elf64_Shdr *find_section(const struct elf_image *img, uint32_t type)
{
	for (uint32_t i = 0; i < img->shdrs_cnt; i++)
		if (img->shdrs[i].sh_type == type)
			return &img->shdrs[i];
	return NULL;
}

/* They are looked at no further than to see that they end. */
static int leave_strings(const struct elf_image *img, const Elf64_Shdr *s,
			 enum symtab_source source, struct gather *g)
{
	char last;
	int r = elf_image_read(img, s->sh_offset + s->sh_size - 1, &last, 1);

	if (r != SYMTAB_OK)
		return r;
	return last == '\0' ? gather_strings_in_file(g, source, s->sh_offset, s->sh_size)
			    : SYMTAB_BAD;
}

static int read_strings(const struct elf_image *img, const Elf64_Shdr *s, enum symtab_source source,
			struct gather *g)
{
	char *strings;
	int r;

	if (s->sh_size == 0 || !elf_image_holds(img, s->sh_offset, s->sh_size))
		return SYMTAB_BAD;
	if (g->strings.in_file)
		return leave_strings(img, s, source, g);
	r = gather_strings(g, source, s->sh_size);
	if (r != SYMTAB_OK)
		return r;
	strings = g->strings.v[source];
	r = elf_image_read(img, s->sh_offset, strings, (size_t)s->sh_size);
	if (r == SYMTAB_OK && strings[s->sh_size - 1] != '\0')
		r = SYMTAB_BAD;
	if (r != SYMTAB_OK)
		gather_drop_strings(g, source);
	return r;
}

int symbol_table_open(const struct elf_image *img, enum symtab_source source, struct gather *g,
		      struct symbol_table *ret)
{
	const uint32_t type = source == SYMTAB_SOURCE_DYNSYM ? SHT_DYNSYM : SHT_SYMTAB;
	const Elf64_Shdr *s = find_section(img, type), *strings;
	int r;

	*ret = (struct symbol_table){ .img = img, .source = source };
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
	if (s->sh_size / sizeof(Elf64_Sym) > g->symbols_left)
		return SYMTAB_LIMIT;
	if (s->sh_size < sizeof(Elf64_Sym))
		return SYMTAB_OK;
	r = read_strings(img, strings, source, g);
	if (r != SYMTAB_OK)
		return r;
	ret->offset = s->sh_offset;
	ret->cnt = s->sh_size / sizeof(Elf64_Sym);
	g->symbols_left -= ret->cnt;
	return SYMTAB_OK;
}

bool symbol_name_is_function(const char *s)
{
	if (s[0] == '\0' || (s[0] == '.' && s[1] == 'L'))
		return false;
	return !(s[0] == '$' && (s[1] == '\0' || s[2] == '\0' || s[2] == '.'));
}

int candidate_strings_read(const struct candidate_strings *s, const struct elf_image *img,
			   uint32_t name, char *dst, size_t sz)
{
	const unsigned int source = name >> NAME_SOURCE_SHIFT;
	const uint32_t at = name & NAME_PLACE_MASK;

	if (!s->v[source])
		return elf_image_read(img, s->at[source] + at, dst, sz);
	memcpy(dst, s->v[source] + at, sz);
	return SYMTAB_OK;
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

/* One table on its way to the gatherer. */
struct pass {
	const struct symbol_table *table;
	struct gather *gather;
};

/*
 * Names in the file are read when they are asked for, and what is no function is found then (file-names.h). But
 * for labels: few of those are functions, and one that is none may be the end of the function before it.
 */
static bool is_named_in_file(const struct pass *pass, uint32_t name, int rank)
{
	struct gather *g = pass->gather;
	const size_t sz = g->strings.sz[pass->table->source];
	char text[4] = { 0 };

	if (name == 0 || name >= sz)
		return false;
	if (!(rank & CANDIDATE_NOTYPE))
		return true;
	if (g->reads_left == 0) {
		g->outcome = -E2BIG;
		return false;
	}
	g->reads_left--;
	return candidate_strings_read(&g->strings, pass->table->img,
				      (uint32_t)pass->table->source << NAME_SOURCE_SHIFT | name,
				      text, MIN(sizeof(text) - 1, sz - name)) == SYMTAB_OK &&
	       symbol_name_is_function(text);
}

static bool is_named(const struct pass *pass, uint32_t name, int rank)
{
	const struct candidate_strings *s = &pass->gather->strings;
	const enum symtab_source source = pass->table->source;

	if (s->in_file)
		return is_named_in_file(pass, name, rank);
	return name < s->sz[source] && symbol_name_is_function(s->v[source] + name);
}

static void add_symbol(const Elf64_Sym *sym, void *ctx)
{
	const struct pass *pass = ctx;
	const struct symbol_table *t = pass->table;
	struct gather_function f = { .vaddr = sym->st_value, .string = sym->st_name };
	int rank = symbol_rank(sym);

	if (rank < 0)
		return;
	f.room = room_in_section(t->img, sym);
	if (f.room == 0 || !is_named(pass, sym->st_name, rank))
		return;
	if (sym->st_size > 0)
		f.room = MIN(f.room, sym->st_size);
	f.rank = (uint8_t)((unsigned int)rank | t->source);
	gather_add(pass->gather, &f);
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

		/* A sparse file has room for any number, and takes none. */
		if (!s || s->sh_entsize != sizeof(Elf64_Sym) || (s->sh_flags & SHF_COMPRESSED) ||
		    s->sh_size / sizeof(Elf64_Sym) > SYMBOLS_MAX)
			continue;
		r = each_symbol(img, s->sh_offset, s->sh_size / sizeof(Elf64_Sym), fn, ctx);
		if (r < 0)
			return r;
	}
	return 0;
}

int symbol_table_each(const struct symbol_table *t, elf_symbol_fn fn, void *ctx)
{
	return each_symbol(t->img, t->offset, t->cnt, fn, ctx);
}

int symbol_table_add(const struct symbol_table *t, struct gather *g)
{
	struct pass pass = { .table = t, .gather = g };

	return each_symbol(t->img, t->offset, t->cnt, add_symbol, &pass);
}
