/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files that ask for much: whatever they promise, a load stays within the memory that unwind_info.h names,
 * which is enforced here, and the block within what rows.h says.
 */

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "check.h"
#include "cprof/base/vec.h"
#include "cprof/unwind_info.h"
#include "rows-fixture.h"

#define LOAD_BYTES (112u << 20)
#define OWN_BYTES (64u << 20) /* what a test has of its own */
#ifdef __SANITIZE_ADDRESS__
#define LIMIT RLIM_INFINITY /* what the sanitizer takes is not ours to bound */
#else
#define LIMIT ((rlim_t)LOAD_BYTES + OWN_BYTES)
#endif
#define CODE 0x10000ull
#define GIB (1ull << 30)

typedef VEC(uint8_t) bytes_t;

static void put(bytes_t *b, const void *p, size_t sz)
{
	CHECK_EQ(vec_reserve(b, sz), 0);
	memcpy(b->v + b->cnt, p, sz);
	b->cnt += sz;
}

static void put_int(bytes_t *b, uint64_t v, size_t sz)
{
	put(b, &v, sz);
}

#define PUT(b, ...) put(b, (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

/* As .debug_frame has it: the CFA is rsp + 8, the return address right below it. */
static void put_cie(bytes_t *b)
{
	put_int(b, 20, 4);
	put_int(b, UINT32_MAX, 4);
	PUT(b, 1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1, 0, 0, 0, 0, 0, 0);
}

/* The place of its length, for close_entry(). */
static size_t open_fde(bytes_t *b, uint64_t start, uint64_t sz)
{
	size_t at = b->cnt;

	put_int(b, 0, 4);
	put_int(b, 0, 4);
	put_int(b, start, 8);
	put_int(b, sz, 8);
	return at;
}

static void close_entry(bytes_t *b, size_t at)
{
	uint32_t len = (uint32_t)(b->cnt - at - 4);

	memcpy(b->v + at, &len, sizeof(len));
}

struct file {
	Elf64_Ehdr h;
	Elf64_Phdr p[3];
	Elf64_Shdr s[3];
	char names[32];
};

static const char section_names[32] = "\0.names\0.debug_frame\0.zdebug_fra";

/* @sz bytes of code at CODE of the file, and behind it the section. */
static struct file make_file(uint64_t code_sz, uint64_t section_sz, uint64_t flags)
{
	struct file f = {
		.h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		       .e_type = ET_DYN,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_phoff = offsetof(struct file, p),
		       .e_shoff = offsetof(struct file, s),
		       .e_ehsize = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 3,
		       .e_shentsize = sizeof(Elf64_Shdr),
		       .e_shnum = 3,
		       .e_shstrndx = 1 },
		.p = { { .p_type = PT_LOAD,
			 .p_flags = PF_R | PF_X,
			 .p_offset = CODE,
			 .p_vaddr = CODE,
			 .p_filesz = code_sz,
			 .p_memsz = code_sz } },
		.s = { { .sh_type = SHT_NULL },
		       { .sh_name = 1,
			 .sh_type = SHT_STRTAB,
			 .sh_offset = offsetof(struct file, names),
			 .sh_size = sizeof(f.names) },
		       { .sh_name = 8,
			 .sh_type = SHT_PROGBITS,
			 .sh_flags = flags,
			 .sh_offset = CODE + code_sz,
			 .sh_size = section_sz } },
	};

	memcpy(f.names, section_names, sizeof(f.names));
	return f;
}

struct result {
	int outcome;
	void *bytes;
	size_t sz;
	struct rows_view rows;
};

static void result_done(struct result *r)
{
	free(r->bytes);
}

#define _cleanup_result_ _cleanup_(result_done)

/* Loads it with no more memory than is promised. */
static void load(const struct file *f, const void *section, size_t sz, struct result *ret)
{
	struct rlimit before, limit;
	int fd = memfd_create("file", MFD_CLOEXEC);

	CHECK(fd >= 0 && pwrite(fd, f, sizeof(*f), 0) == sizeof(*f));
	CHECK_EQ(ftruncate(fd, (off_t)(f->s[2].sh_offset + f->s[2].sh_size)), 0);
	CHECK_EQ(pwrite(fd, section, sz, (off_t)f->s[2].sh_offset), sz);
	CHECK_EQ(getrlimit(RLIMIT_DATA, &before), 0);
	limit = before;
	limit.rlim_cur = MIN(LIMIT, limit.rlim_max);
	CHECK_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
	*ret = (struct result){ 0 };
	ret->outcome =
		unwind_info_load(fd, f->s[2].sh_offset + f->s[2].sh_size, &ret->bytes, &ret->sz);
	CHECK_EQ(setrlimit(RLIMIT_DATA, &before), 0);
	CHECK(ret->outcome >= 0 && ret->outcome < UNWIND_INFO_BAD);
	CHECK_EQ(rows_check(ret->bytes, ret->sz, &ret->rows), 0);
	close(fd);
}

static int32_t cfa_at(const struct result *r, uint64_t offset)
{
	const struct cprof_rule *rule = rows_find(&r->rows, offset);

	return rule->cfa == CPROF_CFA_REG ? rule->cfa_off : -1;
}

/* Five million rows of two rules, one for each byte of code. */
TEST(very_many_rows)
{
	_cleanup_result_ struct result r = { 0 };
	bytes_t b = { 0 };
	struct file f;
	size_t at;

	put_cie(&b);
	at = open_fde(&b, CODE, 5000000);
	for (uint32_t i = 0; i < 5000000; i++)
		PUT(&b, 0x41, 0x0e, (uint8_t)(i % 2 ? 8 : 16));
	close_entry(&b, at);
	f = make_file(5000000, b.cnt, 0);
	load(&f, b.v, b.cnt, &r);
	vec_done(&b);
	CHECK_EQ(r.outcome, UNWIND_INFO_LIMIT);
	CHECK(r.rows.head->rows_cnt > 4000000 && r.rows.head->rows_cnt < 4300000);
	CHECK_EQ(cfa_at(&r, CODE), 8);
	CHECK_EQ(cfa_at(&r, CODE + 1), 16);
	CHECK_EQ(cfa_at(&r, CODE + 3999999), 16);
	CHECK_EQ(rows_find(&r.rows, CODE + 4999999)->cfa, CPROF_CFA_GAP);
}

TEST(very_many_rules)
{
	_cleanup_result_ struct result r = { 0 };
	bytes_t b = { 0 };
	struct file f;
	size_t at;

	put_cie(&b);
	at = open_fde(&b, CODE, 100000);
	for (uint32_t i = 0; i < 100000; i++)
		PUT(&b, 0x41, 0x0e, (uint8_t)(0x80 | (i & 0x7f)), (uint8_t)(0x80 | (i >> 7 & 0x7f)),
		    (uint8_t)(i >> 14));
	close_entry(&b, at);
	f = make_file(100000, b.cnt, 0);
	load(&f, b.v, b.cnt, &r);
	vec_done(&b);
	CHECK_EQ(r.outcome, UNWIND_INFO_LIMIT);
	CHECK(r.rows.head->rules_cnt > 8000 && r.rows.head->rules_cnt <= ROWS_RULES_MAX);
	CHECK_EQ(cfa_at(&r, CODE + 8000), 7999);
	CHECK_EQ(rows_find(&r.rows, CODE + 99999)->cfa, CPROF_CFA_GAP);
}

/* One entry for 3 GiB of code that is nothing but a hole; a second segment of a page is behind it. */
TEST(very_much_code)
{
	_cleanup_result_ struct result r = { 0 };
	bytes_t b = { 0 };
	struct file f;

	put_cie(&b);
	close_entry(&b, open_fde(&b, CODE, 3 * GIB));
	f = make_file(3 * GIB, b.cnt, 0);
	load(&f, b.v, b.cnt, &r);
	vec_done(&b);
	CHECK_EQ(r.outcome, UNWIND_INFO_LIMIT);
	CHECK(r.rows.head->pages_cnt <= ROWS_PAGES_MAX);
}

/* The same bytes of the file at two places of memory, and one segment in another. */
TEST(segments_on_top_of_each_other)
{
	_cleanup_result_ struct result r = { 0 };
	bytes_t b = { 0 };
	struct file f;

	put_cie(&b);
	close_entry(&b, open_fde(&b, CODE, 0x2000));
	f = make_file(0x3000, b.cnt, 0);
	f.p[1] = f.p[0];
	f.p[1].p_vaddr += 0x100000;
	f.p[2] = f.p[0];
	f.p[2].p_offset += 0x1000;
	f.p[2].p_filesz -= 0x1000;
	load(&f, b.v, b.cnt, &r);
	vec_done(&b);
	CHECK_EQ(r.outcome, UNWIND_INFO_OK);
	CHECK_EQ(r.rows.head->pages_cnt, 1);
}

/* A compressed section that says it is @sz bytes, and is an entry and zeros, @real bytes in all. */
static void load_compressed(uint32_t type, uint64_t sz, size_t real, struct result *ret)
{
	Elf64_Chdr c = { .ch_type = type, .ch_size = sz };
	uint8_t *plain = calloc(1, real + 1);
	uLongf packed_sz = compressBound(real) + 64;
	uint8_t *packed = malloc(sizeof(c) + packed_sz);
	bytes_t entry = { 0 };
	struct file f;

	CHECK(plain && packed);
	put_cie(&entry);
	close_entry(&entry, open_fde(&entry, CODE, 0x1000));
	memcpy(plain, entry.v, MIN(entry.cnt, real));
	vec_done(&entry);
	memcpy(packed, &c, sizeof(c));
	if (type == ELFCOMPRESS_ZLIB)
		CHECK_EQ(compress(packed + sizeof(c), &packed_sz, plain, real), Z_OK);
	else
		packed_sz = ZSTD_compress(packed + sizeof(c), packed_sz, plain, real, 3);
	CHECK(!ZSTD_isError(packed_sz));
	free(plain);
	f = make_file(0x1000, sizeof(c) + packed_sz, SHF_COMPRESSED);
	load(&f, packed, sizeof(c) + packed_sz, ret);
	free(packed);
}

TEST(promises_of_what_is_compressed)
{
	static const struct {
		uint64_t sz;
		size_t real;
		int outcome;
	} cases[] = {
		{ UINT64_MAX, 10, UNWIND_INFO_LIMIT },
		{ UNWIND_INFO_INFLATED_MAX + 1, UNWIND_INFO_INFLATED_MAX + 1, UNWIND_INFO_LIMIT },
		{ UNWIND_INFO_INFLATED_MAX, UNWIND_INFO_INFLATED_MAX, UNWIND_INFO_OK },
		{ 1000, 1000, UNWIND_INFO_OK },
		{ 1000, UNWIND_INFO_INFLATED_MAX, UNWIND_INFO_NONE }, /* it is more */
		{ 1000, 999, UNWIND_INFO_NONE },		      /* it is less */
		{ 0, 0, UNWIND_INFO_NONE },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		for (uint32_t type = ELFCOMPRESS_ZLIB; type <= 2; type++) { /* and by zstd */
			_cleanup_result_ struct result r = { 0 };

			load_compressed(type, cases[i].sz, cases[i].real, &r);
			CHECK_EQ(r.outcome, cases[i].outcome);
			CHECK_EQ(r.rows.head->pages_cnt, cases[i].outcome == UNWIND_INFO_OK);
		}
	}
}

CHECK_MAIN
