/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A call into another file goes through a stub that jumps to where a word of the file's memory says, and a
 * relocation tells the loader whose address belongs into that word. No symbol says what the stub is, so its own
 * instruction is read: which word it is. Where stubs come in pairs, for the first call and for all others
 * (-fcf-protection), the first one's pushes the number of the relocation instead.
 *
 * A relocation without a symbol (IRELATIVE) tells a function of the file itself that chooses one: that is an
 * indirect function, and what it is called, if any table says so, the stub is called after.
 *
 * It is what objdump does; instructions that nobody knows, and stubs of words that no relocation is for, have no
 * name.
 */

#include "plt-names.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/vec.h"

#define SECTION_BYTES_MAX (1u << 20) /* of one section of stubs */
#define RELOCATIONS_MAX (4ULL << 20) /* that are looked at */
#define PIECE_CNT 1024
#define SUFFIX "@plt"
#define NAME_MAX_LEN (SYMTAB_NAME_MAX - (sizeof(SUFFIX) - 1))
#define BY_NUMBER (1ULL << 63)

struct plt_stub {
	uint64_t key; /* the address of its word, or BY_NUMBER and that of its relocation */
	uint64_t vaddr;
	uint64_t resolver; /* 0: it is for a symbol of another file */
	uint32_t sz;
	uint32_t symbol; /* of .dynsym; 0: not known */
	uint32_t string; /* in the source's, then in ours */
	uint32_t source; /* SYMTAB_SOURCE_MAX: no name */
};

static int compare_keys(const void *a, const void *b)
{
	const struct plt_stub *x = a, *y = b;

	return CMP(x->key, y->key);
}

static int compare_resolvers(const void *a, const void *b)
{
	const struct plt_stub *x = a, *y = b;

	return CMP(x->resolver, y->resolver);
}

/* Which word the @sz bytes of a stub at @vaddr jump by. */
static bool read_stub(const uint8_t *p, size_t sz, uint64_t vaddr, uint64_t *ret_key)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	size_t at = 0;
	uint32_t number;
	int32_t distance;

	if (sz >= sizeof(endbr64) && memcmp(p, endbr64, sizeof(endbr64)) == 0)
		at = sizeof(endbr64);
	if (at < sz && p[at] == 0xf2) /* bnd */
		at++;
	if (sz - at >= 6 && p[at] == 0xff && p[at + 1] == 0x25) { /* jmp *distance(%rip) */
		memcpy(&distance, p + at + 2, sizeof(distance));
		*ret_key = (vaddr + at + 6 + (uint64_t)(int64_t)distance) & ~BY_NUMBER;
		return true;
	}
	if (at > 0 && sz - at >= 5 && p[at] == 0x68) { /* push $number */
		memcpy(&number, p + at + 1, sizeof(number));
		*ret_key = BY_NUMBER | number;
		return true;
	}
	return false;
}

static int add_section(const struct elf_image *img, const Elf64_Shdr *s, struct plt_names *n)
{
	uint64_t step = s->sh_entsize == 8 ? 8 : 16, key;
	_cleanup_free_ uint8_t *bytes = NULL;
	struct plt_stub *v;
	int r;

	if (s->sh_type != SHT_PROGBITS || s->sh_size < step || s->sh_size > SECTION_BYTES_MAX ||
	    !(s->sh_flags & SHF_EXECINSTR) || (s->sh_flags & SHF_COMPRESSED))
		return SYMTAB_OK;
	bytes = malloc((size_t)s->sh_size);
	v = bytes ? reallocarray(n->v, n->cnt + s->sh_size / step, sizeof(*v)) : NULL;
	if (!v)
		return -ENOMEM;
	n->v = v;
	r = elf_image_read(img, s->sh_offset, bytes, (size_t)s->sh_size);
	for (uint64_t at = 0; r == SYMTAB_OK && at + step <= s->sh_size; at += step) {
		if (read_stub(bytes + at, (size_t)step, s->sh_addr + at, &key))
			n->v[n->cnt++] = (struct plt_stub){
				.key = key,
				.vaddr = s->sh_addr + at,
				.sz = (uint32_t)step,
				.source = SYMTAB_SOURCE_MAX,
			};
	}
	return MIN(r, 0);
}

static void found(struct plt_names *n, uint64_t key, const Elf64_Rela *rela)
{
	const struct plt_stub wanted = { .key = key };
	struct plt_stub *s = bsearch(&wanted, n->v, n->cnt, sizeof(*n->v), compare_keys);

	if (!s)
		return;
	if (ELF64_R_TYPE(rela->r_info) == R_X86_64_IRELATIVE)
		s->resolver = (uint64_t)rela->r_addend;
	else
		s->symbol = (uint32_t)ELF64_R_SYM(rela->r_info);
}

/* Those of @s; @numbered: whose numbers stubs push. */
static int match(const struct elf_image *img, const Elf64_Shdr *s, bool numbered,
		 struct plt_names *n)
{
	_cleanup_free_ Elf64_Rela *v = calloc(PIECE_CNT, sizeof(*v));
	uint64_t cnt = s->sh_size / sizeof(*v);
	int r = SYMTAB_OK;

	if (!v)
		return -ENOMEM;
	for (uint64_t at = 0; at < cnt && r == SYMTAB_OK; at += PIECE_CNT) {
		size_t piece = (size_t)MIN(cnt - at, (uint64_t)PIECE_CNT);

		r = elf_image_read(img, s->sh_offset + at * sizeof(*v), v, piece * sizeof(*v));
		for (size_t i = 0; i < piece && r == SYMTAB_OK; i++) {
			uint32_t type = (uint32_t)ELF64_R_TYPE(v[i].r_info);

			if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT &&
			    type != R_X86_64_IRELATIVE)
				continue;
			found(n, v[i].r_offset, &v[i]);
			if (numbered)
				found(n, BY_NUMBER | (at + i), &v[i]);
		}
	}
	return MIN(r, 0);
}

static int match_all(const struct elf_image *img, struct plt_names *n)
{
	uint64_t left = RELOCATIONS_MAX;
	int r = SYMTAB_OK;

	for (uint32_t i = 0; i < img->shdrs_cnt && r == SYMTAB_OK; i++) {
		const Elf64_Shdr *s = &img->shdrs[i];

		if (s->sh_type != SHT_RELA || s->sh_entsize != sizeof(Elf64_Rela) ||
		    !(s->sh_flags & SHF_ALLOC) || s->sh_size / sizeof(Elf64_Rela) > left ||
		    !elf_image_holds(img, s->sh_offset, s->sh_size))
			continue;
		left -= s->sh_size / sizeof(Elf64_Rela);
		r = match(img, s, elf_image_is_named(img, s, ".rela.plt"), n);
	}
	return r;
}

/* What relocations say is a symbol. */
static int name_symbols(const struct symbol_table *dynamic, struct plt_names *n)
{
	int r = SYMTAB_OK;

	for (size_t i = 0; i < n->cnt && r == SYMTAB_OK; i++) {
		struct plt_stub *s = &n->v[i];
		Elf64_Sym sym;

		if (s->symbol == 0 || s->symbol >= dynamic->cnt)
			continue;
		r = elf_image_read(dynamic->img, dynamic->offset + s->symbol * sizeof(sym), &sym,
				   sizeof(sym));
		if (r != SYMTAB_OK)
			break;
		s->string = sym.st_name;
		s->source = dynamic->source;
	}
	return MIN(r, 0);
}

struct resolving {
	struct plt_names *names;
	uint32_t source;
};

/* Of those with one resolver the first has the name, until all is known. */
static void name_resolver(const Elf64_Sym *sym, void *ctx)
{
	const struct resolving *c = ctx;
	const struct plt_names *n = c->names;
	size_t low = 0, high = n->cnt;

	if (sym->st_value == 0 || (ELF64_ST_TYPE(sym->st_info) != STT_FUNC &&
				   ELF64_ST_TYPE(sym->st_info) != STT_GNU_IFUNC))
		return;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (n->v[mid].resolver < sym->st_value)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == n->cnt || n->v[low].resolver != sym->st_value ||
	    n->v[low].source != SYMTAB_SOURCE_MAX)
		return;
	n->v[low].string = sym->st_name;
	n->v[low].source = c->source;
}

static int name_resolvers(const struct symbol_table *const *tables, size_t cnt, struct plt_names *n)
{
	struct resolving c = { .names = n };
	int r = SYMTAB_OK;

	qsort(n->v, n->cnt, sizeof(*n->v), compare_resolvers);
	if (n->v[n->cnt - 1].resolver == 0)
		return SYMTAB_OK;
	for (size_t i = 0; i < cnt && r == SYMTAB_OK; i++) {
		c.source = tables[i]->source;
		r = symbol_table_each(tables[i], name_resolver, &c);
	}
	for (size_t i = 1; i < n->cnt; i++) {
		if (n->v[i].resolver != 0 && n->v[i].resolver == n->v[i - 1].resolver) {
			n->v[i].string = n->v[i - 1].string;
			n->v[i].source = n->v[i - 1].source;
		}
	}
	return MIN(r, 0);
}

/* Names of stubs on their way to be strings. */
struct making {
	const struct elf_image *img;
	struct gather *gather;
	VEC(char) text;
	char name[NAME_MAX_LEN + sizeof(SUFFIX)];
};

/* The length of what a stub is called, without the suffix, which is then in m->name; 0: it has no name. */
static size_t name_of(struct making *m, const struct plt_stub *s)
{
	const struct candidate_strings *strings = &m->gather->strings;
	size_t most, len;
	const char *mark;

	if (s->source == SYMTAB_SOURCE_MAX || s->string >= strings->sz[s->source])
		return 0;
	most = MIN(strings->sz[s->source] - s->string, NAME_MAX_LEN);
	if (strings->v[s->source])
		most = strnlen(strings->v[s->source] + s->string, most);
	if (candidate_strings_read(strings, m->img, s->source << NAME_SOURCE_SHIFT | s->string,
				   m->name, most) != SYMTAB_OK)
		return 0;
	len = strnlen(m->name, most);
	mark = len > 1 ? memchr(m->name + 1, '@', len - 1) : NULL;
	return mark ? (size_t)(mark - m->name) : len;
}

/* 0 or -errno; -EFBIG: they are more than may be. */
static int make_string(struct making *m, struct plt_stub *s, size_t len)
{
	size_t sz = len + sizeof(SUFFIX);
	int r;

	if (m->text.cnt + sz > m->gather->strings_left)
		return -EFBIG;
	r = vec_reserve(&m->text, sz);
	if (r < 0)
		return r;
	memcpy(m->name + len, SUFFIX, sizeof(SUFFIX));
	memcpy(m->text.v + m->text.cnt, m->name, sz);
	s->string = (uint32_t)m->text.cnt;
	m->text.cnt += sz;
	return 0;
}

/* Those that have a name, with it as strings of their own. */
static int make_strings(struct making *m, struct plt_names *n)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < n->cnt && r == 0; i++) {
		size_t len = name_of(m, &n->v[i]);

		if (len == 0)
			continue;
		r = make_string(m, &n->v[i], len);
		n->v[kept++] = n->v[i];
	}
	n->cnt = r == 0 ? kept : 0;
	if (r < 0)
		return r == -EFBIG ? SYMTAB_OK : r; /* beyond the limits there are none */
	return kept > 0 ? gather_strings_made(m->gather, SYMTAB_SOURCE_PLT, TAKE_PTR(m->text.v),
					      m->text.cnt)
			: SYMTAB_OK;
}

/* Of names that stay in the file so many may be read. */
static int name_stubs(const struct elf_image *img, struct gather *g, struct plt_names *n)
{
	_cleanup_free_ struct making *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	if (g->strings.in_file && n->cnt > g->reads_left)
		return -E2BIG;
	m->img = img;
	m->gather = g;
	r = make_strings(m, n);
	vec_done(&m->text);
	return r;
}

int plt_names_open(const struct elf_image *img, const struct symbol_table *const *tables,
		   size_t tables_cnt, struct gather *g, struct plt_names *ret)
{
	static const char *const sections[] = { ".plt", ".plt.sec", ".plt.got", ".iplt" };
	int r = SYMTAB_OK;

	*ret = (struct plt_names){ 0 };
	for (size_t i = 0; i < ELEMENTSOF(sections) && r == SYMTAB_OK; i++) {
		const Elf64_Shdr *s = elf_image_section(img, sections[i]);

		if (s)
			r = add_section(img, s, ret);
	}
	if (r != SYMTAB_OK || ret->cnt == 0)
		return r;
	qsort(ret->v, ret->cnt, sizeof(*ret->v), compare_keys);
	r = match_all(img, ret);
	if (r == SYMTAB_OK)
		r = name_symbols(tables[0], ret);
	if (r == SYMTAB_OK)
		r = name_resolvers(tables, tables_cnt, ret);
	return r == SYMTAB_OK ? name_stubs(img, g, ret) : r;
}

int plt_names_add(const struct plt_names *n, struct gather *g)
{
	for (size_t i = 0; i < n->cnt; i++)
		gather_add(g, &(struct gather_function){
				      .vaddr = n->v[i].vaddr,
				      .room = n->v[i].sz,
				      .string = n->v[i].string,
				      .rank = SYMTAB_SOURCE_PLT,
			      });
	return SYMTAB_OK;
}

void plt_names_done(struct plt_names *n)
{
	free(n->v);
	*n = (struct plt_names){ 0 };
}
