/* SPDX-License-Identifier: Apache-2.0 */

/*
 * test-unwind-go FILE [WAY] — the block of rows made of a Go program says, at very many places, what the
 * program's .eh_frame says, where it says something (C that was linked in), or else what its table of
 * functions says, which is found here in the plainest way. Where neither does, there may be code that is
 * known by itself. "bare": looked at without its section headers; "blank": with nothing where the loader
 * writes, as some linkers leave it. A program without symbols has the names of that table.
 */

#include <errno.h>
#include <inttypes.h>

#include "cprof/base/rng.h"
#include "cprof/cfi.h"
#include "cprof/symtab.h"
#include "cprof/unwind_info.h"
#include "elf-oracle.h"
#include "go-image.h"
#include "rows-fixture.h"

#define PROBES 10000
#define KNOWN_MAX 300 /* bytes of code that is known by itself */

struct stretch {
	uint64_t start;
	uint64_t end;
	struct cprof_rule rule;
};

struct stretches {
	struct stretch *v;
	size_t cnt;
	size_t room;
};

struct comparison {
	struct go_image go;
	struct stretches stretches;
	struct cfi *eh;
	struct rows_view rows;
	uint64_t from_go;
	uint64_t from_eh;
	uint64_t known;
};

static int keep(void *ctx, uint64_t start, uint64_t end, const struct cprof_rule *rule)
{
	struct stretches *s = ctx;

	if (s->cnt == s->room) {
		s->room = MAX(2 * s->room, (size_t)1024);
		s->v = reallocarray(s->v, s->room, sizeof(*s->v));
		CHECK(s->v);
	}
	s->v[s->cnt++] = (struct stretch){ start, end, *rule };
	return 0;
}

/* NULL: the table says nothing. */
static const struct cprof_rule *go_at(const struct stretches *s, uint64_t addr)
{
	size_t low = 0, high = s->cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->v[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->cnt && s->v[low].start <= addr ? &s->v[low].rule : NULL;
}

static const struct cprof_rule *eh_at(const struct cfi *eh, uint64_t addr)
{
	int found = eh ? cfi_find(eh, addr) : -ENOENT;
	const struct cprof_rule *rule = found < 0 ? NULL : cfi_rule(eh, (uint16_t)found);

	return rule && rule->cfa != CPROF_CFA_GAP ? rule : NULL;
}

static bool is_same(const struct cprof_rule *a, const struct cprof_rule *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void check_place(struct comparison *c, const Elf64_Phdr *p, uint64_t addr)
{
	const struct cprof_rule *eh = eh_at(c->eh, addr), *go = go_at(&c->stretches, addr);
	const struct cprof_rule *rule = rows_find(&c->rows, p->p_offset + (addr - p->p_vaddr));

	if (eh && is_same(eh, rule)) {
		c->from_eh++;
	} else if (!eh && go && is_same(go, rule)) {
		c->from_go++;
	} else if (!go && (rule->cfa == CPROF_CFA_SIGNAL ||
			   (rule->cfa == CPROF_CFA_REG && rule->ra == CPROF_WHERE_UNDEFINED))) {
		c->known++;
	} else if (eh || go || rule->cfa != CPROF_CFA_GAP) {
		CHECK_FAIL("0x%" PRIx64 ": %s%s says cfa %d, the rows %d", addr, eh ? "eh" : "",
			   go ? "go" : "",
			   eh	? eh->cfa
			   : go ? go->cfa
				: 0,
			   rule->cfa);
	}
}

/* Random places, and each at which a rule of Go's begins or ends. */
static void compare(struct comparison *c, const struct oracle *o)
{
	struct rng rng = { 1 };
	const Elf64_Phdr *p;

	for (int i = 0; (p = oracle_text(o, i)); i++) {
		for (int k = 0; k < PROBES; k++)
			check_place(c, p, p->p_vaddr + rng_next(&rng) % p->p_filesz);
		check_place(c, p, p->p_vaddr);
		check_place(c, p, p->p_vaddr + p->p_filesz - 1);
		for (size_t k = 0; k < c->stretches.cnt; k++) {
			uint64_t start = c->stretches.v[k].start, end = c->stretches.v[k].end;

			if (start < p->p_vaddr || end >= p->p_vaddr + p->p_filesz)
				continue;
			check_place(c, p, start);
			check_place(c, p, end - 1);
			check_place(c, p, end);
		}
	}
}

static void load_reference(struct comparison *c, int fd)
{
	struct gopclntab_sink sink = { .row = keep, .ctx = &c->stretches };
	struct gopclntab_facts facts;
	struct cfi_section s = { .read = bytes_read };
	struct bytes b;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	CHECK(elf);
	go_image_load(&c->go, elf);
	CHECK_EQ(gopclntab_walk(&c->go.file, &sink, &facts), GOPCLNTAB_OK);
	if (elf_bytes_find(elf, ".eh_frame", &b, &s.addr)) {
		s.ctx = &b;
		s.size = b.sz;
		CHECK(cfi_load(&s, 1, &CFI_LIMITS_DEFAULT, &c->eh) >= 0);
	}
	elf_end(elf);
}

static void strip_headers(int fd, const struct oracle *o)
{
	Elf64_Ehdr h = *(const Elf64_Ehdr *)o->bytes;

	h.e_shoff = 0;
	h.e_shnum = 0;
	h.e_shstrndx = 0;
	CHECK_EQ(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
}

/* Where the loader writes there is nothing. */
static void blank_places(int fd, const struct oracle *o)
{
	struct bytes b;
	uint64_t addr;
	int cnt, blanked = 0;
	const Elf64_Phdr *p = oracle_phdrs(o, &cnt);
	Elf *elf = elf_begin(o->fd, ELF_C_READ, NULL);

	CHECK(elf && (elf_bytes_find(elf, ".rela.dyn", &b, &addr) ||
		      elf_bytes_find(elf, ".rela", &b, &addr)));
	for (size_t i = 0; i + sizeof(Elf64_Rela) <= b.sz; i += sizeof(Elf64_Rela)) {
		Elf64_Rela rela;

		memcpy(&rela, b.p + i, sizeof(rela));
		for (int k = 0; k < cnt; k++) {
			uint64_t at = rela.r_offset - p[k].p_vaddr;

			if (ELF64_R_TYPE(rela.r_info) != R_X86_64_RELATIVE ||
			    p[k].p_type != PT_LOAD || at >= p[k].p_filesz)
				continue;
			CHECK_EQ(pwrite(fd, &(uint64_t){ 0 }, 8, (off_t)(p[k].p_offset + at)), 8);
			blanked++;
		}
	}
	CHECK(blanked > 0);
	elf_end(elf);
}

/* The file, or a copy of it in memory. */
static int open_way(const struct oracle *o, const char *way)
{
	int fd;

	if (!way)
		return dup(o->fd);
	fd = memfd_create("way", MFD_CLOEXEC);
	CHECK(fd >= 0 && write(fd, o->bytes, o->sz) == (ssize_t)o->sz);
	if (strcmp(way, "blank") == 0)
		blank_places(fd, o);
	else
		strip_headers(fd, o);
	return fd;
}

struct naming {
	const struct comparison *c;
	const struct oracle *o;
	const struct symtab *symtab;
	unsigned int cnt;
};

static int check_name(void *ctx, const struct gopclntab_func *f)
{
	struct naming *n = ctx;
	struct symtab_symbol found;
	const Elf64_Phdr *p;
	char name[256];

	for (int i = 0; (p = oracle_text(n->o, i)); i++) {
		uint64_t place = p->p_offset + (f->start - p->p_vaddr);

		if (f->start < p->p_vaddr || f->end > p->p_vaddr + p->p_filesz)
			continue;
		CHECK(gopclntab_name(&n->c->go.file, &n->c->go.head, f->name, name, sizeof(name)) >
		      0);
		CHECK(symtab_find(n->symtab, place, &found));
		CHECK(strncmp(found.name, name, sizeof(name) - 1) == 0);
		CHECK_EQ(found.start, place);
		CHECK(symtab_find(n->symtab, place + (f->end - f->start) - 1, &found));
		CHECK_EQ(found.start, place);
		n->cnt++;
	}
	return 0;
}

/* Without symbols each function has the name that the table has. */
static void check_names(const struct comparison *c, const struct oracle *o, int fd)
{
	struct symtab *symtab = NULL;
	struct naming n = { c, o, NULL, 0 };
	struct gopclntab_sink sink = { .func = check_name, .ctx = &n };
	struct gopclntab_facts facts;

	CHECK_EQ(symtab_load(fd, o->sz, &SYMTAB_LIMITS_DEFAULT, &symtab), SYMTAB_OK);
	CHECK(symtab_info(symtab)->sources & 1u << SYMTAB_SOURCE_GO);
	CHECK(!(symtab_info(symtab)->sources & 1u << SYMTAB_SOURCE_SYMTAB));
	n.symtab = symtab;
	CHECK_EQ(gopclntab_walk(&c->go.file, &sink, &facts), GOPCLNTAB_OK);
	CHECK(n.cnt > 0);
	printf("%u functions have their names\n", n.cnt);
	symtab_free(symtab);
}

static const Elf64_Shdr *find_symtab(const struct oracle *o)
{
	const Elf64_Ehdr *h = (const void *)o->bytes;
	const Elf64_Shdr *s = (const void *)(o->bytes + h->e_shoff);

	for (int i = 0; i < h->e_shnum; i++)
		if (s[i].sh_type == SHT_SYMTAB)
			return &s[i];
	return NULL;
}

/* With symbols each function has a name, also those in C, of which Go's table does not know. */
static void check_symbols(const struct oracle *o, int fd)
{
	const Elf64_Shdr *s = find_symtab(o);
	struct symtab *symtab = NULL;
	struct symtab_symbol found;
	const Elf64_Phdr *p;
	unsigned int cnt = 0;

	if (!s)
		return;
	CHECK_EQ(symtab_load(fd, o->sz, &SYMTAB_LIMITS_DEFAULT, &symtab), SYMTAB_OK);
	for (const Elf64_Sym *sym = (const void *)(o->bytes + s->sh_offset);
	     (const char *)(sym + 1) <= (const char *)o->bytes + s->sh_offset + s->sh_size; sym++) {
		if (ELF64_ST_TYPE(sym->st_info) != STT_FUNC || sym->st_size == 0)
			continue;
		for (int i = 0; (p = oracle_text(o, i)); i++) {
			uint64_t place = p->p_offset + (sym->st_value - p->p_vaddr);

			if (sym->st_value < p->p_vaddr || sym->st_value - p->p_vaddr >= p->p_filesz)
				continue;
			CHECK(symtab_find(symtab, place, &found));
			CHECK_EQ(found.start, place);
			cnt++;
		}
	}
	CHECK(cnt > 0);
	printf("%u symbols name their functions\n", cnt);
	symtab_free(symtab);
}

static void run(const char *path, const char *way)
{
	static struct comparison c;
	struct oracle o;
	void *bytes;
	size_t sz;
	int fd;

	if (!oracle_open(&o, path))
		check_skip("no such file here");
	load_reference(&c, o.fd);
	fd = open_way(&o, way);
	CHECK_EQ(unwind_info_load(fd, o.sz, &bytes, &sz), UNWIND_INFO_OK);
	CHECK_EQ(rows_check(bytes, sz, &c.rows), 0);
	compare(&c, &o);
	CHECK(c.from_go > PROBES / 2 && c.known < KNOWN_MAX);
	CHECK(!c.eh || c.from_eh > 0);
	printf("%s %s: %" PRIu64 " places as Go's table says, %" PRIu64 " as .eh_frame, %" PRIu64
	       " by themselves; %u rows, %u rules, %zu bytes\n",
	       path, way ? way : "", c.from_go, c.from_eh, c.known, c.rows.head->rows_cnt,
	       c.rows.head->rules_cnt, sz);
	free(bytes);
	if (way && strcmp(way, "bare") == 0)
		check_names(&c, &o, fd);
	if (!way)
		check_symbols(&o, fd);
	close(fd);
	cfi_free(c.eh);
	free(c.stretches.v);
	free(c.go.image.p);
	oracle_close(&o);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		check_skip("no such file here");
	run(argv[1], argc > 2 ? argv[2] : NULL);
	return EXIT_SUCCESS;
}
