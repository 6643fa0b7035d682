/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * elf-oracle — what symtab should say, found the slow and plain way: the file mapped, every symbol
 * looked at for every question. For files of this machine, which do not lie.
 */

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

struct oracle {
	const unsigned char *bytes;
	size_t sz;
	int fd;
};

/* False when the file is no ELF file that we profile. */
__attribute__((unused)) static bool oracle_open(struct oracle *o, const char *path)
{
	struct stat st;
	const Elf64_Ehdr *h;

	*o = (struct oracle){ .fd = open(path, O_RDONLY | O_CLOEXEC) };
	if (o->fd < 0 || fstat(o->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size < (off_t)sizeof(*h))
		return false;
	o->sz = (size_t)st.st_size;
	o->bytes = mmap(NULL, o->sz, PROT_READ, MAP_PRIVATE, o->fd, 0);
	CHECK(o->bytes != MAP_FAILED);
	h = (const Elf64_Ehdr *)o->bytes;
	return memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 && h->e_ident[EI_CLASS] == ELFCLASS64 &&
	       h->e_machine == EM_X86_64 && (h->e_type == ET_EXEC || h->e_type == ET_DYN);
}

__attribute__((unused)) static void oracle_close(struct oracle *o)
{
	if (o->bytes)
		munmap((void *)(uintptr_t)o->bytes, o->sz);
	if (o->fd >= 0)
		close(o->fd);
}

static const Elf64_Phdr *oracle_phdrs(const struct oracle *o, int *cnt)
{
	const Elf64_Ehdr *h = (const Elf64_Ehdr *)o->bytes;

	*cnt = h->e_phnum;
	return (const Elf64_Phdr *)(o->bytes + h->e_phoff);
}

/* The first executable PT_LOAD after @skip others; NULL: no more. */
__attribute__((unused)) static const Elf64_Phdr *oracle_text(const struct oracle *o, int skip)
{
	int cnt;
	const Elf64_Phdr *p = oracle_phdrs(o, &cnt);

	for (int i = 0; i < cnt; i++)
		if (p[i].p_type == PT_LOAD && (p[i].p_flags & PF_X) && p[i].p_filesz > 0 &&
		    skip-- == 0)
			return &p[i];
	return NULL;
}

typedef void (*oracle_symbol_fn)(const Elf64_Sym *sym, const char *name, void *ctx);

static void oracle_table(const struct oracle *o, uint32_t type, oracle_symbol_fn fn, void *ctx)
{
	const Elf64_Ehdr *h = (const Elf64_Ehdr *)o->bytes;
	const Elf64_Shdr *s = (const Elf64_Shdr *)(o->bytes + h->e_shoff);

	for (int i = 0; i < h->e_shnum; i++) {
		const Elf64_Sym *sym = (const Elf64_Sym *)(o->bytes + s[i].sh_offset);
		const char *strings;

		if (s[i].sh_type != type)
			continue;
		strings = (const char *)(o->bytes + s[s[i].sh_link].sh_offset);
		for (size_t k = 0; k < s[i].sh_size / sizeof(*sym); k++) {
			uint32_t shndx = sym[k].st_shndx;
			int kind = ELF64_ST_TYPE(sym[k].st_info);

			if (shndx == SHN_UNDEF || shndx >= h->e_shnum ||
			    !(s[shndx].sh_flags & SHF_EXECINSTR) || strings[sym[k].st_name] == '\0')
				continue;
			if (kind == STT_FUNC || kind == STT_GNU_IFUNC || kind == STT_NOTYPE)
				fn(&sym[k], strings + sym[k].st_name, ctx);
		}
	}
}

__attribute__((unused)) static void oracle_each(const struct oracle *o, oracle_symbol_fn fn,
						void *ctx)
{
	oracle_table(o, SHT_SYMTAB, fn, ctx);
	oracle_table(o, SHT_DYNSYM, fn, ctx);
}

/* One question, answered by looking at all symbols. */
struct oracle_question {
	uint64_t vaddr;
	const char *name;     /* what symtab said; NULL: nothing */
	uint64_t said;	      /* where it said that the function starts */
	uint64_t sized_start; /* of the innermost sized function around vaddr; 0: none */
	bool name_is_there;   /* @name is one of those at @said */
	bool said_unsized;    /* and has no size there, or no type */
};

__attribute__((unused)) static void oracle_ask(const Elf64_Sym *sym, const char *name, void *ctx)
{
	struct oracle_question *q = ctx;
	int kind = ELF64_ST_TYPE(sym->st_info);
	size_t len = strcspn(name + 1, "@") + 1;

	if (kind != STT_NOTYPE && sym->st_value <= q->vaddr &&
	    q->vaddr - sym->st_value < sym->st_size && sym->st_value > q->sized_start)
		q->sized_start = sym->st_value;
	if (q->name && sym->st_value == q->said && strlen(q->name) == len &&
	    strncmp(q->name, name, len) == 0) {
		q->name_is_there = true;
		q->said_unsized |= sym->st_size == 0 || kind == STT_NOTYPE;
	}
}
