/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dwarf-fixture — debugging information written by hand, as an ELF file in memory: one unit with a function that
 * has another one inlined, and a program of lines.
 */

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "cprof/dwarf.h"
#include "cprof/elf_file.h"

#define CODE 0x1000
#define CODE_END 0x9000
#define BYTES_MAX 65536
#define SECTIONS_MAX 12

struct bytes_of {
	uint8_t v[BYTES_MAX];
	size_t cnt;
};

static inline void put(struct bytes_of *b, const void *p, size_t sz)
{
	CHECK(b->cnt + sz <= sizeof(b->v));
	memcpy(b->v + b->cnt, p, sz);
	b->cnt += sz;
}

/* The lowest @sz bytes of a number. */
static inline void put_uint(struct bytes_of *b, uint64_t v, size_t sz)
{
	put(b, &v, sz);
}

static inline void put_text(struct bytes_of *b, const char *s)
{
	put(b, s, strlen(s) + 1);
}

/* Numbers below 128 each: LEB128 of them is the byte itself. */
#define PUT(b, ...) \
	put((b), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* How long the unit is, in front of it. */
static inline void set_size(struct bytes_of *b, size_t at)
{
	uint32_t sz = (uint32_t)(b->cnt - at - 4);

	memcpy(b->v + at, &sz, sizeof(sz));
}

struct image {
	struct bytes_of info, abbrev, line, aranges;
	bool aranges_too;
};

struct section_of {
	const char *name;
	const void *p;
	size_t sz;
};

/* A descriptor of an ELF file with these sections, and code from CODE to CODE_END. */
static inline int make_elf(const struct section_of *sections, uint32_t cnt)
{
	int fd = memfd_create("dwarf", MFD_CLOEXEC);
	Elf64_Shdr headers[SECTIONS_MAX + 2] = { 0 };
	Elf64_Phdr code = { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = CODE };
	Elf64_Ehdr h = { .e_ident = ELFMAG, .e_type = ET_DYN, .e_machine = EM_X86_64 };
	uint64_t at = sizeof(h) + sizeof(code);
	char names[512] = "";
	uint32_t names_sz = 1;

	CHECK(fd >= 0 && cnt <= SECTIONS_MAX);
	for (uint32_t i = 0; i <= cnt; i++) {
		const struct section_of own = { ".shstrtab", names, sizeof(names) };
		const struct section_of *s = i < cnt ? &sections[i] : &own;

		headers[i + 1] = (Elf64_Shdr){
			.sh_name = names_sz,
			.sh_type = i < cnt ? SHT_PROGBITS : SHT_STRTAB,
			.sh_offset = at,
			.sh_size = s->sz,
		};
		strcpy(names + names_sz, s->name);
		names_sz += (uint32_t)strlen(s->name) + 1;
		CHECK(pwrite(fd, s->p, s->sz, (off_t)at) == (ssize_t)s->sz);
		at += s->sz;
	}
	code.p_filesz = sizeof(h);
	code.p_memsz = CODE_END - CODE;
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	h.e_ident[EI_VERSION] = EV_CURRENT;
	h.e_phoff = sizeof(h);
	h.e_phnum = 1;
	h.e_phentsize = sizeof(code);
	h.e_shoff = at;
	h.e_shnum = (uint16_t)(cnt + 2);
	h.e_shentsize = sizeof(headers[0]);
	h.e_shstrndx = (uint16_t)(cnt + 1);
	CHECK(pwrite(fd, &h, sizeof(h), 0) == sizeof(h));
	CHECK(pwrite(fd, &code, sizeof(code), sizeof(h)) == sizeof(code));
	CHECK(pwrite(fd, headers, (cnt + 2) * sizeof(headers[0]), (off_t)at) > 0);
	return fd;
}

static inline struct elf_file *open_image(const struct image *m)
{
	const struct section_of sections[] = {
		{ ".debug_info", m->info.v, m->info.cnt },
		{ ".debug_abbrev", m->abbrev.v, m->abbrev.cnt },
		{ ".debug_line", m->line.v, m->line.cnt },
		{ ".debug_aranges", m->aranges.v, m->aranges.cnt },
	};
	int fd = make_elf(sections, m->aranges_too ? 4 : 3);
	struct elf_file *f;

	CHECK_EQ(elf_file_open(fd, (uint64_t)lseek(fd, 0, SEEK_END), &f), 0);
	return f;
}

/* Codes of the entries below, and of those that single tests add. */
enum code { UNIT = 1, ABSTRACT, FUNCTION, INLINED, INSTANCE, SIBLING, HEAVY, NESTED };

static inline void put_abbrevs(struct bytes_of *b)
{
	/* low_pc by address, high_pc by distance; name, decl_line. */
	PUT(b, UNIT, 0x11, 1, 0x03, 0x08, 0x1b, 0x08, 0x11, 0x01, 0x12, 0x06, 0x10, 0x17, 0, 0);
	PUT(b, ABSTRACT, 0x2e, 0, 0x03, 0x08, 0x3b, 0x0b, 0x6e, 0x08, 0, 0);
	PUT(b, FUNCTION, 0x2e, 1, 0x11, 0x01, 0x12, 0x06, 0x03, 0x08, 0x3b, 0x0b, 0, 0);
	PUT(b, INLINED, 0x1d, 0, 0x31, 0x13, 0x11, 0x01, 0x12, 0x06, 0x58, 0x0b, 0x59, 0x0b, 0x57,
	    0x0b, 0, 0);
	PUT(b, INSTANCE, 0x2e, 0, 0x31, 0x13, 0x11, 0x01, 0x12, 0x06, 0, 0);
	PUT(b, SIBLING, 0x13, 1, 0x01, 0x13, 0, 0);
	/* Attributes that take no bytes. */
	PUT(b, HEAVY, 0x24, 0);
	for (int i = 0; i < 200; i++)
		PUT(b, 0x3f, 0x19);
	PUT(b, 0, 0);
	PUT(b, NESTED, 0x0b, 1, 0, 0);
	PUT(b, 0);
}

/* The head and the root: code of @sz bytes from @start on. */
static inline size_t begin_unit(struct bytes_of *b, uint64_t start, uint32_t sz)
{
	size_t at = b->cnt;

	put_uint(b, 0, 4);
	put_uint(b, 4, 2); /* version */
	put_uint(b, 0, 4);
	PUT(b, 8, UNIT);
	put_text(b, "a.c");
	put_text(b, "/src");
	put_uint(b, start, 8);
	put_uint(b, sz, 4);
	put_uint(b, 0, 4);
	return at;
}

static inline void put_function(struct bytes_of *b, uint64_t start, uint32_t sz, const char *name,
				uint8_t line)
{
	PUT(b, FUNCTION);
	put_uint(b, start, 8);
	put_uint(b, sz, 4);
	put_text(b, name);
	PUT(b, line);
}

static inline void put_inlined(struct bytes_of *b, uint32_t origin, uint64_t start, uint32_t sz)
{
	PUT(b, INLINED);
	put_uint(b, origin, 4);
	put_uint(b, start, 8);
	put_uint(b, sz, 4);
	PUT(b, 1, 25, 3); /* called in the first file, 25:3 */
}

static inline void end_unit(struct bytes_of *b, size_t at)
{
	PUT(b, 0);
	set_size(b, at);
}

static inline void put_lines(struct bytes_of *b)
{
	size_t at = b->cnt, head;

	put_uint(b, 0, 4);
	put_uint(b, 4, 2);
	head = b->cnt;
	put_uint(b, 0, 4);
	PUT(b, 1, 1, 1, (uint8_t)-5, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1);
	put_text(b, "../src/./sub");
	PUT(b, 0);
	put_text(b, "a.c");
	PUT(b, 1, 0, 0);
	put_text(b, "/inc//../inc/b.h");
	PUT(b, 0, 0, 0, 0);
	set_size(b, head);
	PUT(b, 0, 9, 2);
	put_uint(b, 0x2000, 8);
	PUT(b, 3, 19, 1);		       /* 0x2000: line 20 */
	PUT(b, 4, 2, 5, 5, 3, 0x74, 2, 16, 1); /* 0x2010: b.h, column 5, line 8 */
	PUT(b, 4, 1, 5, 0, 3, 18, 2, 16, 1);   /* 0x2020: line 26 */
	PUT(b, 3, 14, 9);
	put_uint(b, 0xe0, 2);
	PUT(b, 1);	    /* 0x2100: line 40 */
	PUT(b, 2, 0x80, 2); /* 256 further */
	PUT(b, 0, 1, 1);
	set_size(b, at);
}

/* Where the abstract function lies in the unit. */
static inline struct image *new_image(uint32_t *ret_abstract)
{
	struct image *m = calloc(1, sizeof(*m));
	size_t at;

	CHECK(m);
	put_abbrevs(&m->abbrev);
	put_lines(&m->line);
	at = begin_unit(&m->info, 0x2000, 0x200);
	*ret_abstract = (uint32_t)(m->info.cnt - at);
	PUT(&m->info, ABSTRACT);
	put_text(&m->info, "inner");
	PUT(&m->info, 7);
	put_text(&m->info, "_Z5innerv");
	put_function(&m->info, 0x2000, 0x100, "outer", 20);
	put_inlined(&m->info, *ret_abstract, 0x2010, 0x10);
	PUT(&m->info, 0);
	put_function(&m->info, 0x2100, 0x100, "late", 39);
	PUT(&m->info, 0);
	end_unit(&m->info, at);
	return m;
}
