/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files of every shape that a linker makes are built here with the compiler that built us, and each
 * answer is held against nm(1); then every ELF file of the machine against a slow search. Files that
 * lie are good ones with bytes changed.
 */

#include "cprof/symtab.h"

#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include "cprof/base/rng.h"
#include "elf-oracle.h"

static const struct symtab_limits limits = { .symbols = 2000000, .bytes = 64 << 20 };

static const char program[] =
	"#include <stdlib.h>\n"
	"volatile int sink;\n"
	"__attribute__((noinline)) void plain(void) { sink++; }\n"
	"__attribute__((noinline, used)) static void hidden(void) { sink += 2; }\n"
	"__attribute__((noinline)) void __under(void) { sink += 3; }\n"
	"extern __typeof(__under) natural __attribute__((alias(\"__under\")));\n"
	"extern __typeof(__under) weak_one __attribute__((weak, alias(\"plain\")));\n"
	"__attribute__((noinline)) void __work(void) { sink += 4; }\n"
	"extern __typeof(__under) work __attribute__((weak, alias(\"__work\")));\n"
	"int data_object = 5;\n"
	"__asm__(\".text\\n.p2align 4\\n.globl outer\\n.type "
	"outer,@function\\nouter:\\nnop\\nnop\\n\"\n"
	"  \".type inner,@function\\ninner:\\nnop\\nnop\\n.size inner,.-inner\\n\"\n"
	"  \"inner_label:\\nnop\\nnop\\nret\\n.size outer,.-outer\\n\"\n"
	"  \".p2align 4\\n.globl no_size\\n.type "
	"no_size,@function\\nno_size:\\nnop\\nnop\\nret\\n\"\n"
	"  \".p2align 4\\n.globl no_type\\nno_type:\\nnop\\nret\\n\"\n"
	"  \".p2align 4\\n.globl after\\n.type after,@function\\nafter:\\nret\\n.size "
	"after,.-after\\n\"\n"
	"  \".p2align 4\\n\");\n"
	"extern void outer(void);\n"
	"#ifndef LIBRARY\n"
	"int main(void) { plain(); hidden(); natural(); work(); outer(); return data_object - 5; "
	"}\n"
	"#endif\n";

static char work_dir[] = "/tmp/test-symtab-XXXXXX";

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *fmt, ...)
{
	char command[2048];
	int len = snprintf(command, sizeof(command), "cd %s && ", work_dir);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command + len, sizeof(command) - (size_t)len, fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		CHECK_FAIL("command failed: %s", command);
}

static void remove_work_dir(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", work_dir);
	if (system(command) != 0)
		fprintf(stderr, "%s stays behind\n", work_dir);
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", work_dir, name);
	return path;
}

/* Builds all files once. */
static void build_files(void)
{
	static bool built; /* a name that was made up may end in X too */
	FILE *f;

	if (built)
		return;
	CHECK(mkdtemp(work_dir));
	built = true;
	atexit(remove_work_dir);
	f = fopen(path_of("p.c"), "we");
	CHECK(f && fputs(program, f) >= 0 && fclose(f) == 0);
	run("cc -O1 -g0 -fPIE -pie -o pie p.c");
	run("cc -O1 -g0 -fno-pie -no-pie -o exec p.c");
	run("cc -O1 -g0 -fPIE -pie -Wl,--build-id=sha1 -o with_id p.c");
	run("cc -O1 -g0 -fPIE -pie -Wl,--build-id=none -o without_id p.c");
	run("cc -O1 -g0 -DLIBRARY -fPIC -shared -o lib.so p.c");
	run("cc -O1 -g0 -DLIBRARY -fPIC -shared -Wl,--hash-style=sysv -o hash.so p.c");
	run("cc -O1 -g0 -DLIBRARY -fPIC -shared -Wl,-Ttext-segment=0x3a00000000 -o prelink.so p.c");
	run("cc -O1 -g0 -DLIBRARY -fPIC -shared -Wl,-z,noseparate-code -o one.so p.c");
	run("strip -o stripped.so lib.so");
	run("strip -o stripped exec");
	run("objcopy --strip-all --remove-section=.dynsym stripped none 2>/dev/null ||"
	    " cp stripped none");
	run("cc -O1 -g0 -c -o object.o p.c");
	run("printf 'VERSION_1 { global: plain; natural; };\\n' > map");
	run("cc -O1 -g0 -DLIBRARY -fPIC -shared -Wl,--version-script=map -o version.so p.c");
}

static struct symtab *load_file(const char *path, int expect)
{
	struct symtab *t = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK_EQ(symtab_load(fd, (uint64_t)st.st_size, &limits, &t), expect);
	close(fd);
	return t;
}

static struct symtab *load_built(const char *name)
{
	build_files();
	return load_file(path_of(name), SYMTAB_OK);
}

/* nm's address of a symbol, as a file offset by the program headers. */
static uint64_t offset_of(const char *name, const char *symbol, const char *nm_options)
{
	char command[256], line[512], found[256];
	struct oracle o;
	unsigned long long vaddr, hit = 0;
	char type;
	FILE *f;

	snprintf(command, sizeof(command), "nm %s %s", nm_options, path_of(name));
	f = popen(command, "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %c %255s", &vaddr, &type, found) == 3 &&
		    strcmp(found, symbol) == 0)
			hit = vaddr;
	CHECK_EQ(pclose(f), 0);
	CHECK(hit != 0);

	CHECK(oracle_open(&o, path_of(name)));
	for (int i = 0;; i++) {
		const Elf64_Phdr *p = oracle_text(&o, i);

		CHECK(p);
		if (hit >= p->p_vaddr && hit - p->p_vaddr < p->p_filesz) {
			hit = hit - p->p_vaddr + p->p_offset;
			break;
		}
	}
	oracle_close(&o);
	return hit;
}

/* A library of @cnt functions of four bytes, the i-th with a name of length(i). */
static void build_many(const char *name, unsigned int cnt, unsigned int (*length)(unsigned int i))
{
	FILE *f;

	build_files();
	f = fopen(path_of("many.s"), "we");
	CHECK(f);
	fputs(".text\n", f);
	for (unsigned int i = 0; i < cnt; i++) {
		static const char fill[] = "_of_many_names_that_are_much_alike";

		fprintf(f, ".type f%06u", i);
		for (int pass = 0; pass < 3; pass++) {
			if (pass > 0)
				fprintf(f, pass == 1 ? "f%06u" : ".size f%06u", i);
			for (unsigned int k = 7; k < length(i); k++)
				fputc(fill[k % (sizeof(fill) - 1)], f);
			fputs(pass == 0 ? ",@function\n" : pass == 1 ? ":.long 0\n" : ",4\n", f);
		}
	}
	CHECK(fclose(f) == 0);
	run("cc -shared -nostdlib -o %s many.s", name);
}

static unsigned int length_any(unsigned int i)
{
	return 7 + i * 7919 % (SYMTAB_NAME_MAX - 6);
}

static unsigned int length_one(unsigned int i)
{
	return i == 0 ? 4000 : 7;
}

static void check_name(const struct symtab *t, uint64_t offset, const char *name, uint64_t start)
{
	struct symtab_symbol s;

	CHECK(symtab_find(t, offset, &s));
	CHECK_STR(s.name, name);
	CHECK_EQ(s.start, start);
}

/* The rules of choice, in a file of any kind. */
static void check_program(const char *file)
{
	struct symtab *t = load_built(file);
	uint64_t plain = offset_of(file, "plain", ""), natural = offset_of(file, "natural", "");
	uint64_t outer = offset_of(file, "outer", ""), inner = offset_of(file, "inner", "");
	uint64_t hidden = offset_of(file, "hidden", ""), no_size = offset_of(file, "no_size", "");
	uint64_t work = offset_of(file, "work", "");
	uint64_t no_type = offset_of(file, "no_type", ""), after = offset_of(file, "after", "");
	struct symtab_symbol s;

	check_name(t, plain, "plain", plain);
	check_name(t, plain + 1, "plain", plain);
	check_name(t, natural, "natural", natural);
	check_name(t, work, "work", work); /* as the C library names what it offers */
	check_name(t, hidden + 1, "hidden", hidden);
	check_name(t, outer + 1, "outer", outer);
	check_name(t, inner, "inner", inner);
	check_name(t, inner + 1, "inner", inner);
	check_name(t, inner + 2, "outer", outer);
	check_name(t, inner + 4, "outer", outer);
	CHECK(!symtab_find(t, inner + 5, &s));
	check_name(t, no_size + 2, "no_size", no_size);
	check_name(t, no_type - 1, "no_size", no_size);
	check_name(t, no_type + 1, "no_type", no_type);
	check_name(t, after, "after", after);
	CHECK(!symtab_find(t, after + 1, &s));
	CHECK(!symtab_find(t, 0, &s));
	CHECK(!symtab_find(t, UINT64_MAX, &s));
	symtab_free(t);
}

TEST(program_pie)
{
	check_program("pie");
}

TEST(program_exec)
{
	check_program("exec");
}

TEST(library)
{
	check_program("lib.so");
	check_program("hash.so");
}

TEST(library_with_other_addresses)
{
	struct symtab *t = load_built("prelink.so");
	const struct symtab_info *info = symtab_info(t);

	CHECK_EQ(info->segments_cnt, 1);
	CHECK(info->segments[0].vaddr > 0x3a00000000);
	symtab_free(t);
	check_program("prelink.so");
}

TEST(library_in_one_segment)
{
	check_program("one.so");
}

TEST(stripped_library_keeps_dynamic_names)
{
	struct symtab *t = load_built("stripped.so");
	uint64_t plain = offset_of("stripped.so", "plain", "-D");
	uint64_t inner = offset_of("lib.so", "inner", "");
	uint64_t hidden = offset_of("lib.so", "hidden", "");
	struct symtab_symbol s;

	check_name(t, plain + 1, "plain", plain);
	check_name(t, inner, "outer", offset_of("stripped.so", "outer", "-D"));
	CHECK(!symtab_find(t, hidden, &s) || strcmp(s.name, "hidden") != 0);
	symtab_free(t);
}

TEST(stripped_program_is_unnamed)
{
	struct symtab *t;

	build_files();
	t = load_file(path_of("none"), SYMTAB_UNNAMED);
	CHECK(t);
	CHECK_EQ(symtab_info(t)->elf, OBJECT_ELF_EXEC);
	CHECK_EQ(symtab_info(t)->segments_cnt, 1);
	symtab_free(t);
}

TEST(versions_are_no_part_of_names)
{
	struct symtab *t = load_built("version.so");
	uint64_t plain = offset_of("version.so", "plain@@VERSION_1", "-D");

	check_name(t, plain, "plain", plain);
	symtab_free(t);
}

/* All of nm's functions, sizes and types included. */
static void check_against_nm(const char *file)
{
	char command[256], line[512], name[256];
	struct symtab *t = load_built(file);
	unsigned long long vaddr, size;
	int checked = 0;
	char type;
	FILE *f;

	snprintf(command, sizeof(command), "nm -S %s", path_of(file));
	f = popen(command, "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		struct symtab_symbol s;
		uint64_t offset;

		if (sscanf(line, "%llx %llx %c %255s", &vaddr, &size, &type, name) != 4 ||
		    !strchr("TtWw", type))
			continue;
		offset = offset_of(file, name, "");
		CHECK(symtab_find(t, offset, &s));
		CHECK_EQ(s.start, offset);
		CHECK(symtab_find(t, offset + size - 1, &s));
		CHECK(s.start >= offset || strcmp(s.name, "outer") == 0);
		checked++;
	}
	CHECK_EQ(pclose(f), 0);
	CHECK(checked >= 6);
	symtab_free(t);
}

TEST(nm_agrees)
{
	check_against_nm("pie");
	check_against_nm("exec");
	check_against_nm("prelink.so");
}

TEST(build_id)
{
	struct symtab *t = load_built("with_id");
	char command[256], line[256], want[64] = "", got[64] = "";
	FILE *f;

	CHECK_EQ(symtab_info(t)->build_id_sz, 20);
	for (uint32_t i = 0; i < symtab_info(t)->build_id_sz; i++)
		snprintf(got + 2 * (size_t)i, 3, "%02x", symtab_info(t)->build_id[i]);
	symtab_free(t);

	snprintf(command, sizeof(command), "readelf -n %s", path_of("with_id"));
	f = popen(command, "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		(void)!sscanf(line, " Build ID: %63s", want);
	CHECK_EQ(pclose(f), 0);
	CHECK_STR(got, want);

	t = load_built("without_id");
	CHECK_EQ(symtab_info(t)->build_id_sz, 0);
	symtab_free(t);
}

TEST(limits_hold)
{
	struct symtab_limits few = { .symbols = 3, .bytes = 1 << 20 };
	struct symtab_limits small = { .symbols = 1000000, .bytes = 64 };
	struct symtab *t = NULL;
	struct symtab_symbol s;
	int fd;

	build_files();
	fd = open(path_of("exec"), O_RDONLY | O_CLOEXEC);
	CHECK_EQ(symtab_load(fd, (uint64_t)lseek(fd, 0, SEEK_END), &few, &t), SYMTAB_LIMIT);
	CHECK(t && !symtab_find(t, 0x1000, &s));
	CHECK_EQ(symtab_info(t)->segments_cnt, 1);
	t = symtab_free(t);
	CHECK_EQ(symtab_load(fd, (uint64_t)lseek(fd, 0, SEEK_END), &small, &t), SYMTAB_LIMIT);
	symtab_free(t);
	close(fd);
}

TEST(other_kinds_are_bad)
{
	build_files();
	CHECK(!load_file(path_of("object.o"), SYMTAB_BAD));
	CHECK(!load_file(path_of("p.c"), SYMTAB_BAD));
	CHECK(!load_file("/dev/null", SYMTAB_BAD));
}

/* A writable copy of a small good file. */
static int copy_of(const char *name, uint64_t *ret_sz)
{
	struct oracle o;
	int fd = memfd_create("copy", MFD_CLOEXEC);

	build_files();
	CHECK(oracle_open(&o, path_of(name)));
	CHECK(fd >= 0 && write(fd, o.bytes, o.sz) == (ssize_t)o.sz);
	*ret_sz = o.sz;
	oracle_close(&o);
	return fd;
}

/* Loads with some bytes replaced, asks for places, and puts the bytes back. */
static int load_patched(int fd, uint64_t sz, off_t at, const void *bytes, size_t len)
{
	char old[64];
	struct symtab *t = NULL;
	struct symtab_symbol s;
	int r;

	CHECK(len <= sizeof(old) && pread(fd, old, len, at) == (ssize_t)len);
	CHECK(pwrite(fd, bytes, len, at) == (ssize_t)len);
	r = symtab_load(fd, sz, &limits, &t);
	CHECK(r >= 0 && r <= SYMTAB_BAD);
	CHECK((r == SYMTAB_BAD) == (t == NULL));
	for (uint64_t place = 0; t && place < sz; place += 61)
		if (symtab_find(t, place, &s))
			CHECK(strlen(s.name) <= SYMTAB_NAME_MAX);
	symtab_free(t);
	CHECK(pwrite(fd, old, len, at) == (ssize_t)len);
	return r;
}

TEST(flipped_bits_do_no_harm)
{
	struct rng rng = { .state = 7 };
	uint64_t sz;
	int fd = copy_of("stripped.so", &sz), outcomes[SYMTAB_BAD + 1] = { 0 };

	for (int i = 0; i < 20000; i++) {
		off_t at;
		unsigned char c;

		/* Half of them where it hurts: the header, the program and section headers. */
		if (i % 2 == 0)
			at = (off_t)(rng_next(&rng) % sz);
		else if (i % 4 == 1)
			at = (off_t)(rng_next(&rng) % 700);
		else
			at = (off_t)(sz - 1 - rng_next(&rng) % 1800);
		CHECK(pread(fd, &c, 1, at) == 1);
		c ^= (unsigned char)(1u << (rng_next(&rng) % 8));
		outcomes[load_patched(fd, sz, at, &c, 1)]++;
	}
	CHECK(outcomes[SYMTAB_OK] > 1000 && outcomes[SYMTAB_BAD] > 100);
	close(fd);
}

TEST(cut_files_do_no_harm)
{
	uint64_t sz;
	int fd = copy_of("lib.so", &sz);
	struct symtab *t = NULL;

	for (uint64_t cut = 0; cut < sz; cut += cut < 2048 ? 1 : 97) {
		int r = symtab_load(fd, cut, &limits, &t);

		CHECK_EQ(r, SYMTAB_BAD);
		CHECK(!t);
	}
	/* The size is believed, the file is shorter. */
	CHECK(ftruncate(fd, (off_t)sz / 2) == 0);
	CHECK_EQ(symtab_load(fd, sz, &limits, &t), SYMTAB_BAD);
	close(fd);
}

static Elf64_Off section_header(int fd, uint32_t type)
{
	Elf64_Ehdr h;

	CHECK(pread(fd, &h, sizeof(h), 0) == sizeof(h));
	for (int i = 0; i < h.e_shnum; i++) {
		Elf64_Off at = h.e_shoff + (Elf64_Off)i * sizeof(Elf64_Shdr);
		Elf64_Shdr s;

		CHECK(pread(fd, &s, sizeof(s), (off_t)at) == sizeof(s));
		if (s.sh_type == type)
			return at;
	}
	CHECK_FAIL("no section of type %u", type);
}

TEST(packed_names_are_the_same)
{
	struct symtab_limits packs = { .symbols = 10000, .bytes = 16 << 20 };
	struct symtab_limits keeps = packs;
	struct symtab *packed = NULL, *plain = NULL;
	uint64_t sz, from;
	int fd;

	keeps.plain = SIZE_MAX;
	build_many("many.so", 1500, length_any);
	fd = copy_of("many.so", &sz);
	CHECK_EQ(symtab_load(fd, sz, &packs, &packed), SYMTAB_OK);
	CHECK_EQ(symtab_load(fd, sz, &keeps, &plain), SYMTAB_OK);
	CHECK(symtab_bytes(packed) < symtab_bytes(plain) / 3);
	from = symtab_info(plain)->segments[0].offset;
	/* By great strides, so that each block is unpacked more than once. */
	for (uint64_t i = 0; i < 6000; i++) {
		uint64_t place = from + i * 4099 % 6000;
		struct symtab_symbol a, b;

		CHECK(symtab_find(plain, place, &a) && symtab_find(packed, place, &b));
		CHECK_STR(a.name, b.name);
		CHECK_EQ(a.start, b.start);
		CHECK_EQ(strlen(b.name), length_any((unsigned int)(b.start - from) / 4));
	}
	packs.bytes = symtab_bytes(packed) / 2;
	symtab_free(packed);
	packed = NULL;
	CHECK_EQ(symtab_load(fd, sz, &packs, &packed), SYMTAB_LIMIT);
	symtab_free(packed);
	symtab_free(plain);
	close(fd);
}

/* 5000 functions whose names are one string: 20 MB of text of a file of 200 KB. */
TEST(one_long_name_for_all_is_no_work)
{
	struct symtab_limits keeps = { .symbols = 10000, .bytes = 64 << 20, .plain = SIZE_MAX };
	struct symtab *t = NULL;
	Elf64_Shdr symtab;
	uint32_t longest = 0;
	Elf64_Sym sym;
	uint64_t sz;
	int fd;

	build_many("one.so", 5000, length_one);
	fd = copy_of("one.so", &sz);
	CHECK(pread(fd, &symtab, sizeof(symtab), (off_t)section_header(fd, SHT_SYMTAB)) ==
	      sizeof(symtab));
	/* The first of them has the long one. */
	for (uint64_t at = 0; at < symtab.sh_size; at += sizeof(sym)) {
		off_t off = (off_t)(symtab.sh_offset + at);

		CHECK(pread(fd, &sym, sizeof(sym), off) == sizeof(sym));
		if (ELF64_ST_TYPE(sym.st_info) != STT_FUNC)
			continue;
		if (longest == 0)
			longest = sym.st_name;
		sym.st_name = longest;
		CHECK(pwrite(fd, &sym, sizeof(sym), off) == sizeof(sym));
	}
	CHECK_EQ(symtab_load(fd, sz, &limits, &t), SYMTAB_LIMIT);
	t = symtab_free(t);
	CHECK_EQ(symtab_load(fd, sz, &keeps, &t), SYMTAB_LIMIT);
	symtab_free(t);
	close(fd);
}

/* Any number of names for one place, up to the limit. */
TEST(aliases_without_end)
{
	static const uint32_t counts[] = { 300000, SYMTAB_FUNCTIONS_MAX };
	struct symtab_limits l = SYMTAB_LIMITS_DEFAULT;
	uint64_t sz, plain, more = 0;
	int fd = copy_of("lib.so", &sz);
	off_t symtab = (off_t)section_header(fd, SHT_SYMTAB);
	Elf64_Shdr s, text;
	Elf64_Ehdr h;
	Elf64_Sym sym;

	CHECK(pread(fd, &h, sizeof(h), 0) == sizeof(h));
	CHECK(pread(fd, &s, sizeof(s), symtab) == sizeof(s));
	do {
		CHECK(pread(fd, &sym, sizeof(sym), (off_t)(s.sh_offset + more)) == sizeof(sym));
		more += sizeof(sym);
		CHECK(pread(fd, &text, sizeof(text),
			    (off_t)(h.e_shoff + sym.st_shndx % h.e_shnum * sizeof(text))) ==
		      sizeof(text));
	} while (ELF64_ST_INFO(STB_GLOBAL, STT_FUNC) != sym.st_info ||
		 !(text.sh_flags & SHF_EXECINSTR));
	plain = sym.st_value - text.sh_addr + text.sh_offset;
	for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
		Elf64_Sym *v = malloc(counts[i] * sizeof(*v));
		struct symtab *t = NULL;

		CHECK(v);
		for (uint32_t k = 0; k < counts[i]; k++)
			v[k] = sym;
		s.sh_offset = (sz + 7) & ~7ULL;
		s.sh_size = counts[i] * sizeof(*v);
		CHECK(pwrite(fd, v, s.sh_size, (off_t)s.sh_offset) == (ssize_t)s.sh_size);
		CHECK(pwrite(fd, &s, sizeof(s), symtab) == sizeof(s));
		CHECK_EQ(symtab_load(fd, s.sh_offset + s.sh_size, &l, &t),
			 i == 0 ? SYMTAB_OK : SYMTAB_LIMIT);
		if (i == 0) {
			struct symtab_symbol found;

			CHECK(symtab_find(t, plain, &found) && found.start == plain);
			CHECK(symtab_bytes(t) < 16384);
		}
		symtab_free(t);
		free(v);
	}
	close(fd);
}

TEST(headers_that_lie_are_bad)
{
	uint64_t sz, huge = 900ULL << 30, zero = 0, far = UINT64_MAX - 8;
	int fd = copy_of("lib.so", &sz);
	off_t symtab = (off_t)section_header(fd, SHT_SYMTAB);
	uint16_t many = 0xffff, none = 0;
	Elf64_Ehdr h;
	uint32_t link = 0x7fffffff;

#define SH(field) (symtab + (off_t)offsetof(Elf64_Shdr, field))
#define EH(field) ((off_t)offsetof(Elf64_Ehdr, field))
	CHECK_EQ(load_patched(fd, sz, 0, ELFMAG, SELFMAG), SYMTAB_OK);
	CHECK_EQ(load_patched(fd, sz, SH(sh_size), &huge, 8), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, SH(sh_size), &far, 8), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, SH(sh_offset), &far, 8), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, SH(sh_offset), &huge, 8), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, SH(sh_entsize), &zero, 8), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, SH(sh_link), &link, 4), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, SH(sh_link), &zero, 4), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, EH(e_shnum), &many, 2), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, EH(e_shnum), &none, 2), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, EH(e_phnum), &many, 2), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, EH(e_phnum), &none, 2), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, EH(e_shoff), &huge, 8), SYMTAB_BAD);
	CHECK_EQ(load_patched(fd, sz, EH(e_phoff), &far, 8), SYMTAB_BAD);
	CHECK(pread(fd, &h, sizeof(h), 0) == sizeof(h));
	h.e_ident[EI_CLASS] = ELFCLASS32;
	CHECK_EQ(load_patched(fd, sz, 0, &h, sizeof(h)), SYMTAB_BAD);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2MSB;
	CHECK_EQ(load_patched(fd, sz, 0, &h, sizeof(h)), SYMTAB_BAD);
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	h.e_machine = EM_AARCH64;
	CHECK_EQ(load_patched(fd, sz, 0, &h, sizeof(h)), SYMTAB_BAD);
	h.e_machine = EM_X86_64;
	h.e_type = ET_CORE;
	CHECK_EQ(load_patched(fd, sz, 0, &h, sizeof(h)), SYMTAB_BAD);
	close(fd);
}

TEST(sparse_giants_cost_nothing)
{
	uint64_t sz, huge = 900ULL << 30;
	int fd = copy_of("lib.so", &sz);
	off_t symtab = (off_t)section_header(fd, SHT_SYMTAB);
	struct symtab *t = NULL;
	int r;

	if (ftruncate(fd, 1LL << 40) < 0) {
		close(fd);
		check_skip("no sparse file of 1 TiB here");
	}
	CHECK(pwrite(fd, &huge, 8, SH(sh_size)) == 8);
	r = symtab_load(fd, 1ULL << 40, &limits, &t);
	CHECK(r == SYMTAB_LIMIT || r == SYMTAB_BAD);
	symtab_free(t);
	close(fd);
}

/* The machine's own files. */
struct sweep {
	struct rng rng;
	int files, asked, named;
	time_t end;
};

/* Symbols do not tell of what has its names by Go's table: test-unwind-go does. */
static bool is_go_without_symbols(const struct oracle *o)
{
	const Elf64_Ehdr *h = (const void *)o->bytes;
	const Elf64_Shdr *s = (const void *)(o->bytes + h->e_shoff);
	bool go = false;

	for (int i = 0; i < h->e_shnum; i++) {
		const char *names = (const char *)o->bytes + s[h->e_shstrndx].sh_offset;

		if (s[i].sh_type == SHT_SYMTAB)
			return false;
		go |= strcmp(names + s[i].sh_name, ".gopclntab") == 0;
	}
	return go;
}

static void sweep_file(struct sweep *sw, const char *path)
{
	struct symtab *t = NULL;
	struct oracle o;
	const Elf64_Phdr *text = NULL;
	int r;

	if (!oracle_open(&o, path) || !(text = oracle_text(&o, 0)) || is_go_without_symbols(&o)) {
		oracle_close(&o);
		return;
	}
	r = symtab_load(o.fd, o.sz, &limits, &t);
	if (r != SYMTAB_OK && r != SYMTAB_UNNAMED)
		CHECK_FAIL("%s: outcome %d", path, r);
	sw->files++;
	for (int i = 0; i < 24; i++) {
		const Elf64_Phdr *other = oracle_text(&o, i % 3);
		struct oracle_question q = { 0 };
		struct symtab_symbol s;
		uint64_t offset;

		text = other ? other : text;
		offset = text->p_offset + rng_next(&sw->rng) % text->p_filesz;
		q.vaddr = offset - text->p_offset + text->p_vaddr;
		if (symtab_find(t, offset, &s)) {
			if (strstr(s.name, "@plt"))
				continue; /* by no symbol: test-plt.c */
			q.name = s.name;
			q.said = s.start - text->p_offset + text->p_vaddr;
			sw->named++;
		}
		sw->asked++;
		oracle_each(&o, oracle_ask, &q);
		if (q.name && !q.name_is_there)
			CHECK_FAIL("%s: %#" PRIx64 ": no %s there", path, q.vaddr, q.name);
		if (q.sized_start != 0 && (!q.name || q.said < q.sized_start))
			CHECK_FAIL("%s: %#" PRIx64 ": %s, not of %#" PRIx64, path, q.vaddr,
				   q.name ? q.name : "nothing", q.sized_start);
		if (q.name && q.said != q.sized_start && !q.said_unsized)
			CHECK_FAIL("%s: %#" PRIx64 ": beyond the end of %s", path, q.vaddr, q.name);
	}
	symtab_free(t);
	oracle_close(&o);
}

static void sweep_dir(struct sweep *sw, const char *path, int files_max)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char file[PATH_MAX];

	files_max += sw->files;
	while (d && (e = readdir(d)) && sw->files < files_max && time(NULL) < sw->end) {
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		sweep_file(sw, file);
	}
	if (d)
		closedir(d);
}

TEST(every_file_of_this_machine)
{
	struct sweep sw = { .rng = { .state = 42 }, .end = time(NULL) + 10 };

	sweep_dir(&sw, "/usr/bin", 150);
	sweep_dir(&sw, "/usr/lib/x86_64-linux-gnu", 250);
	sweep_dir(&sw, "/usr/lib64", 20);
	fprintf(stderr, "  %d files, %d places asked, %d named\n", sw.files, sw.asked, sw.named);
	CHECK(sw.files > 20 && sw.named > sw.files);
}

CHECK_MAIN
