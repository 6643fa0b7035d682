/* SPDX-License-Identifier: Apache-2.0 */

/* Files that debugging information is spread over, and sections that are packed. */

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "dwarf-fixture.h"
#include "inflater.h"

#define PLAIN_SZ ((size_t)6 << 20)

/* Text that packs about as debugging information does. */
static uint8_t *make_plain(void)
{
	uint8_t *p = malloc(PLAIN_SZ);
	uint32_t x = 1;

	CHECK(p);
	for (size_t i = 0; i < PLAIN_SZ; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)(x >> 24 < 200 ? i >> 7 : x >> 16);
	}
	return p;
}

struct packed {
	uint8_t *plain;
	struct elf_file *f;
	struct elf_section section;
};

/* By zstd in two frames, as it may be. */
static size_t compress_to(uint8_t *bytes, size_t room, const uint8_t *plain,
			  enum elf_packing packing)
{
	uLongf sz = room;
	size_t first, second;

	if (packing == ELF_ZLIB) {
		CHECK(compress2(bytes, &sz, plain, PLAIN_SZ, 6) == Z_OK);
		return sz;
	}
	first = ZSTD_compress(bytes, room, plain, PLAIN_SZ - 100000, 3);
	CHECK(!ZSTD_isError(first));
	second = ZSTD_compress(bytes + first, room - first, plain + PLAIN_SZ - 100000, 100000, 3);
	CHECK(!ZSTD_isError(second));
	return first + second;
}

static struct packed pack(enum elf_packing packing)
{
	struct packed k = { .plain = make_plain() };
	size_t room = PLAIN_SZ + PLAIN_SZ / 8;
	_cleanup_free_ uint8_t *bytes = malloc(room);
	struct section_of s = { ".debug_str", bytes, 0 };
	int fd;

	CHECK(bytes);
	s.sz = compress_to(bytes, room, k.plain, packing);
	fd = make_elf(&s, 1);
	CHECK_EQ(elf_file_open(fd, (uint64_t)lseek(fd, 0, SEEK_END), &k.f), 0);
	CHECK(elf_file_section(k.f, ".debug_str", &k.section));
	k.section.plain_sz = PLAIN_SZ;
	k.section.packing = packing;
	return k;
}

static void unpack(struct packed *k)
{
	k->f = elf_file_close(k->f);
	free(k->plain);
}

static void read_here_and_there(struct packed *k, size_t memory, int times)
{
	struct ledger l = { .work = UINT64_MAX, .bytes_max = memory };
	_cleanup_(inflater_freep) struct inflater *in = NULL;
	uint8_t got[5000];
	uint32_t x = 7;

	CHECK_EQ(inflater_new(k->f, &k->section, &l, &in), 0);
	for (int i = 0; i < times; i++) {
		size_t at, sz;

		x = x * 1664525 + 1013904223;
		at = x % PLAIN_SZ;
		sz = MIN((size_t)(x >> 8) % sizeof(got), PLAIN_SZ - at);
		CHECK_EQ(inflater_read(in, at, got, sz), 0);
		CHECK(memcmp(got, k->plain + at, sz) == 0);
	}
	CHECK(l.bytes <= memory);
	in = inflater_free(in);
	CHECK_EQ(l.bytes, 0);
}

TEST(any_place_of_a_packed_section)
{
	struct packed k = pack(ELF_ZLIB);

	read_here_and_there(&k, (size_t)32 << 20, 300);
	/* With room for three chunks, and no point. */
	read_here_and_there(&k, 300000, 40);
	unpack(&k);
	k = pack(ELF_ZSTD);
	read_here_and_there(&k, (size_t)32 << 20, 300);
	/* What it looks back to, and a few chunks. */
	read_here_and_there(&k, (size_t)3 << 20, 40);
	unpack(&k);
}

/* However many pieces there is room for, and also where there is none for one more. */
TEST(room_for_so_many_pieces)
{
	struct packed k = pack(ELF_ZLIB);

	for (size_t memory = 200000; memory < (size_t)3 << 20; memory += (size_t)64 << 10)
		read_here_and_there(&k, memory, 10 + (int)(memory >> 16));
	unpack(&k);
}

/* What zstd went over is kept: back and forth costs nothing more. */
TEST(it_is_unpacked_once)
{
	struct packed k = pack(ELF_ZSTD);
	struct ledger l = { .work = UINT64_MAX, .bytes_max = (size_t)32 << 20 };
	_cleanup_(inflater_freep) struct inflater *in = NULL;
	uint8_t got;

	CHECK_EQ(inflater_new(k.f, &k.section, &l, &in), 0);
	CHECK_EQ(inflater_read(in, PLAIN_SZ - 1, &got, 1), 0);
	CHECK(UINT64_MAX - l.work >= PLAIN_SZ);
	l.work = 0;
	for (size_t at = 0; at < PLAIN_SZ; at += 300000) {
		CHECK_EQ(inflater_read(in, at, &got, 1), 0);
		CHECK_EQ(got, k.plain[at]);
	}
	unpack(&k);
}

TEST(what_can_be_had_again_goes)
{
	struct packed k = pack(ELF_ZLIB);
	struct ledger l = { .work = UINT64_MAX, .bytes_max = (size_t)32 << 20 };
	_cleanup_(inflater_freep) struct inflater *in = NULL;
	uint8_t got[20000];
	uint64_t work;
	size_t bytes;

	CHECK_EQ(inflater_new(k.f, &k.section, &l, &in), 0);
	for (size_t at = 0; at < PLAIN_SZ; at += 70000)
		CHECK_EQ(inflater_read(in, at, got, 1), 0);
	bytes = l.bytes;
	inflater_rest(in);
	inflater_rest(in);
	CHECK(l.bytes < bytes / 2);
	/* From a check point on, and not from the beginning. */
	work = l.work;
	CHECK_EQ(inflater_read(in, PLAIN_SZ - sizeof(got), got, sizeof(got)), 0);
	CHECK(memcmp(got, k.plain + PLAIN_SZ - sizeof(got), sizeof(got)) == 0);
	CHECK(work - l.work < (uint64_t)2 << 20);
	read_here_and_there(&k, (size_t)32 << 20, 10);
	in = inflater_free(in);
	CHECK_EQ(l.bytes, 0);
	unpack(&k);
}

static struct ledger roomy(void)
{
	return (struct ledger){
		.work = UINT64_MAX,
		.bytes_max = (size_t)32 << 20,
		.whole_max = PLAIN_SZ,
	};
}

static void check_byte(struct inflater *in, const struct packed *k, size_t at)
{
	uint8_t got;

	CHECK_EQ(inflater_read(in, at, &got, 1), 0);
	CHECK_EQ(got, k->plain[at]);
}

TEST(a_section_of_ordinary_size_is_unpacked_at_once)
{
	struct packed k = pack(ELF_ZLIB);
	struct ledger l = roomy();
	_cleanup_(inflater_freep) struct inflater *in = NULL;
	size_t bytes;

	CHECK_EQ(inflater_new(k.f, &k.section, &l, &in), 0);
	bytes = l.bytes;
	check_byte(in, &k, PLAIN_SZ - 1);
	CHECK_EQ(l.bytes, bytes + PLAIN_SZ);
	CHECK(l.work >= UINT64_MAX - 2 * PLAIN_SZ);
	inflater_settle(in);
	for (size_t at = 0; at < PLAIN_SZ; at += 70001)
		check_byte(in, &k, at);
	CHECK(l.work >= UINT64_MAX - 2 * PLAIN_SZ);
	inflater_rest(in);
	CHECK_EQ(l.bytes, bytes);
	check_byte(in, &k, 5);
	CHECK_EQ(l.bytes, bytes + PLAIN_SZ);
	in = inflater_free(in);
	CHECK_EQ(l.bytes, 0);
	unpack(&k);
}

/* No room, no time, or damaged at its end, of which a stream hears only when it is there. */
TEST(what_cannot_be_had_at_once_is_had_in_pieces)
{
	struct packed k = pack(ELF_ZLIB);

	for (int way = 0; way < 4; way++) {
		struct ledger l = roomy();
		_cleanup_(inflater_freep) struct inflater *in = NULL;
		struct elf_section s = k.section;

		if (way == 0)
			l.whole_max = PLAIN_SZ - 1;
		else if (way == 1)
			l.bytes_max = PLAIN_SZ * 2;
		else if (way == 2)
			l.work = PLAIN_SZ;
		else
			s.sz -= 100;
		CHECK_EQ(inflater_new(k.f, &s, &l, &in), 0);
		check_byte(in, &k, 5);
		check_byte(in, &k, 100000);
		CHECK(l.bytes < PLAIN_SZ / 2);
		in = inflater_free(in);
		CHECK_EQ(l.bytes, 0);
	}
	unpack(&k);
}

/* A stream that looks back further than we keep. */
TEST(a_window_that_is_too_large)
{
	struct packed k = { .plain = make_plain() };
	ZSTD_CCtx *z = ZSTD_createCCtx();
	size_t room = PLAIN_SZ + PLAIN_SZ / 8;
	_cleanup_free_ uint8_t *bytes = malloc(room);
	struct section_of s = { ".debug_str", bytes, 0 };
	struct ledger l = { .work = UINT64_MAX, .bytes_max = (size_t)32 << 20 };
	ZSTD_inBuffer from = { k.plain, PLAIN_SZ, 0 };
	ZSTD_outBuffer to = { bytes, room, 0 };
	struct inflater *in;
	uint8_t got;
	int fd;

	CHECK(bytes && z);
	ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, 24);
	CHECK(!ZSTD_isError(ZSTD_compressStream2(z, &to, &from, ZSTD_e_flush)));
	CHECK_EQ(ZSTD_compressStream2(z, &to, &from, ZSTD_e_end), 0);
	ZSTD_freeCCtx(z);
	s.sz = to.pos;
	fd = make_elf(&s, 1);
	CHECK_EQ(elf_file_open(fd, (uint64_t)lseek(fd, 0, SEEK_END), &k.f), 0);
	CHECK(elf_file_section(k.f, ".debug_str", &k.section));
	k.section.plain_sz = PLAIN_SZ;
	k.section.packing = ELF_ZSTD;
	CHECK_EQ(inflater_new(k.f, &k.section, &l, &in), 0);
	CHECK_EQ(inflater_read(in, 0, &got, 1), -EOPNOTSUPP);
	CHECK_EQ(inflater_read(in, 0, &got, 1), -EOPNOTSUPP);
	in = inflater_free(in);
	CHECK_EQ(l.bytes, 0);
	unpack(&k);
}

/* Points spare most of the way: to the end and back costs a part of it, and not all. */
TEST(points_spare_work)
{
	struct packed k = pack(ELF_ZLIB);
	struct ledger l = { .work = UINT64_MAX, .bytes_max = (size_t)1 << 20 };
	_cleanup_(inflater_freep) struct inflater *in = NULL;
	uint64_t before;
	uint8_t got;

	CHECK_EQ(inflater_new(k.f, &k.section, &l, &in), 0);
	CHECK_EQ(inflater_read(in, PLAIN_SZ - 1, &got, 1), 0);
	for (size_t at = PLAIN_SZ - 1; at > PLAIN_SZ / 2; at -= 300000) {
		before = l.work;
		CHECK_EQ(inflater_read(in, at, &got, 1), 0);
		CHECK(before - l.work < (3 << 20) * 2);
	}
	unpack(&k);
}

static void end_and_go_on(enum elf_packing packing, uint64_t work, int least)
{
	struct packed k = pack(packing);
	struct ledger l = { .work = 0, .bytes_max = (size_t)16 << 20 };
	_cleanup_(inflater_freep) struct inflater *in = NULL;
	uint8_t got = 0;
	int r, tries = 0;

	CHECK_EQ(inflater_new(k.f, &k.section, &l, &in), 0);
	while ((r = inflater_read(in, PLAIN_SZ - 1, &got, 1)) == -E2BIG) {
		CHECK(tries++ < 10);
		l.work = work;
	}
	CHECK_EQ(r, 0);
	CHECK_EQ(got, k.plain[PLAIN_SZ - 1]);
	CHECK(tries >= least);
	unpack(&k);
}

TEST(work_goes_on_where_it_ended)
{
	end_and_go_on(ELF_ZLIB, 4 << 20, 6);
	end_and_go_on(ELF_ZSTD, 1 << 20, 6);
}

static void lie(enum elf_packing packing)
{
	struct packed k = pack(packing);
	struct ledger l = { .work = UINT64_MAX, .bytes_max = (size_t)16 << 20 };
	struct elf_section s = k.section;
	struct inflater *in = NULL;
	uint8_t got;

	/* More than it can be, which zstd has no limit for. */
	s.plain_sz = s.sz * 1033;
	if (packing == ELF_ZLIB)
		CHECK_EQ(inflater_new(k.f, &s, &l, &in), -EBADMSG);
	s.plain_sz = UINT64_MAX;
	if (packing == ELF_ZLIB)
		CHECK_EQ(inflater_new(k.f, &s, &l, &in), -EBADMSG);
	CHECK(!in);
	/* More than it is: up to there it can be read. */
	s.plain_sz = PLAIN_SZ + 70000;
	CHECK_EQ(inflater_new(k.f, &s, &l, &in), 0);
	CHECK_EQ(inflater_read(in, PLAIN_SZ + 69999, &got, 1), -EBADMSG);
	CHECK_EQ(inflater_read(in, 5000, &got, 1), 0);
	CHECK_EQ(got, k.plain[5000]);
	in = inflater_free(in);
	/* Less is there than it takes. */
	s = k.section;
	s.sz /= 2;
	CHECK_EQ(inflater_new(k.f, &s, &l, &in), 0);
	CHECK_EQ(inflater_read(in, PLAIN_SZ - 1, &got, 1), -EBADMSG);
	CHECK_EQ(inflater_read(in, 5000, &got, 1), 0);
	in = inflater_free(in);
	/* Other bytes. */
	s = k.section;
	s.offset += 1000;
	CHECK_EQ(inflater_new(k.f, &s, &l, &in), 0);
	CHECK_EQ(inflater_read(in, 0, &got, 1), -EBADMSG);
	in = inflater_free(in);
	unpack(&k);
}

TEST(packed_sections_that_lie)
{
	lie(ELF_ZLIB);
	lie(ELF_ZSTD);
}

/* A terabyte by zstd, of which a megabyte is asked for: its size is a claim, and what is unpacked is work. */
TEST(a_section_that_claims_a_terabyte)
{
	struct packed k = pack(ELF_ZSTD);
	struct ledger l = { .work = 16 << 20, .bytes_max = (size_t)8 << 20 };
	_cleanup_(inflater_freep) struct inflater *in = NULL;
	uint8_t got;

	k.section.plain_sz = 1ULL << 40;
	CHECK_EQ(inflater_new(k.f, &k.section, &l, &in), 0);
	CHECK_EQ(inflater_read(in, PLAIN_SZ / 2, &got, 1), 0);
	CHECK_EQ(got, k.plain[PLAIN_SZ / 2]);
	CHECK_EQ(inflater_read(in, (1ULL << 40) - 1, &got, 1), -EBADMSG);
	CHECK(l.bytes <= l.bytes_max);
	unpack(&k);
}

/* 4 GB of zeros by zstd in 128 KB: what is allowed is spent, and the memory stays. */
TEST(bomb_by_zstd)
{
	const uint64_t plain_sz = 4ULL << 30;
	_cleanup_free_ uint8_t *zeros = calloc(1, (size_t)1 << 20),
			       *bytes = malloc((size_t)1 << 20);
	struct section_of s = { ".debug_str", bytes, 0 };
	struct ledger l = { .work = 64 << 20, .bytes_max = (size_t)16 << 20 };
	_cleanup_(inflater_freep) struct inflater *in = NULL;
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	ZSTD_CCtx *z = ZSTD_createCCtx();
	ZSTD_outBuffer to = { bytes, (size_t)1 << 20, 0 };
	struct elf_section section;
	uint8_t got;
	int fd;

	CHECK(zeros && bytes && z);
	for (uint64_t i = 0; i < plain_sz >> 20; i++) {
		ZSTD_inBuffer from = { zeros, (size_t)1 << 20, 0 };

		CHECK(!ZSTD_isError(ZSTD_compressStream2(
			z, &to, &from, i + 1 == plain_sz >> 20 ? ZSTD_e_end : ZSTD_e_continue)));
	}
	ZSTD_freeCCtx(z);
	s.sz = to.pos;
	CHECK(s.sz < 256 << 10);
	fd = make_elf(&s, 1);
	CHECK_EQ(elf_file_open(fd, (uint64_t)lseek(fd, 0, SEEK_END), &f), 0);
	CHECK(elf_file_section(f, ".debug_str", &section));
	section.plain_sz = plain_sz;
	section.packing = ELF_ZSTD;
	CHECK_EQ(inflater_new(f, &section, &l, &in), 0);
	CHECK_EQ(inflater_read(in, plain_sz - 1, &got, 1), -E2BIG);
	CHECK_EQ(l.work, 0);
	CHECK(l.bytes <= l.bytes_max);
}

/* 256 MB of zeros in some kilobytes: what is allowed is spent, and the memory stays. */
TEST(bomb)
{
	static const uint64_t plain_sz = 1ULL << 28;
	_cleanup_free_ uint8_t *zeros = calloc(1, (size_t)1 << 20),
			       *bytes = malloc((size_t)2 << 20);
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	const struct dwarf_limits limits = { .bytes = (size_t)8 << 20, .work = (uint64_t)16 << 20 };
	struct section_of s[] = { { ".zdebug_info", bytes, 0 }, { ".debug_abbrev", "", 1 } };
	z_stream z = { .next_out = bytes + 12, .avail_out = (2 << 20) - 12 };
	uint64_t size = htobe64(plain_sz), addr = CODE;
	int fd, r, tries = 0;

	CHECK(zeros && bytes && deflateInit(&z, 9) == Z_OK);
	memcpy(bytes, "ZLIB", 4);
	memcpy(bytes + 4, &size, sizeof(size));
	/* The head of a unit as large as it can be. */
	memcpy(zeros, (const uint8_t[]){ 0xe0, 0xff, 0xff, 0x0f, 4, 0 }, 6);
	for (uint64_t i = 0; i < plain_sz >> 20; i++) {
		z.next_in = zeros;
		z.avail_in = 1 << 20;
		CHECK_EQ(deflate(&z, i + 1 == plain_sz >> 20 ? Z_FINISH : Z_NO_FLUSH) >= 0, 1);
		memset(zeros, 0, 6);
	}
	s[0].sz = z.total_out + 12;
	CHECK_EQ(deflateEnd(&z), Z_OK);
	fd = make_elf(s, 2);
	CHECK_EQ(elf_file_open(fd, (uint64_t)lseek(fd, 0, SEEK_END), &f), 0);
	CHECK_EQ(dwarf_open(f, &limits, 1, &d), DWARF_OK);
	do {
		dwarf_allow(d, limits.work);
		r = dwarf_find(d, &addr, 1, NULL, NULL);
		CHECK(dwarf_bytes(d) <= limits.bytes);
	} while (r == DWARF_LIMIT && tries++ < 3);
	CHECK_EQ(r, DWARF_LIMIT);
}

/* Places as "name:part". */
struct told {
	char text[64][64];
};

static int take(void *ctx, size_t i, const struct dwarf_place *p)
{
	struct told *t = ctx;

	CHECK(i < 64);
	(void)snprintf(t->text[i], sizeof(t->text[i]), "%s:%d",
		       p->lines_cnt > 0 ? p->lines[0].name : "none", p->part);
	return 0;
}

enum { SKELETON = 20, SPLIT };

/* A skeleton's root with the id; code of 0x100 bytes. */
static void put_skeleton(struct bytes_of *b, uint64_t id)
{
	size_t at = b->cnt;

	put_uint(b, 0, 4);
	put_uint(b, 4, 2);
	put_uint(b, 0, 4);
	PUT(b, 8, SKELETON);
	put_text(b, "a.dwo");
	put_text(b, "/src");
	put_uint(b, id, 8);
	put_uint(b, 0x2000 + id * 0x100, 8);
	put_uint(b, 0x100, 4);
	set_size(b, at);
}

static struct elf_file *make_program(unsigned int units)
{
	_cleanup_free_ struct image *m = calloc(1, sizeof(*m));

	CHECK(m);
	PUT(&m->abbrev, SKELETON, 0x11, 0, 0xb0, 0x42, 0x08, 0x1b, 0x08, 0xb1, 0x42, 0x07, 0x11,
	    0x01, 0x12, 0x06, 0, 0, 0);
	for (unsigned int i = 0; i < units; i++)
		put_skeleton(&m->info, i);
	return open_image(m);
}

/* The rest of that unit. */
static struct elf_file *make_dwo(uint64_t id)
{
	_cleanup_free_ struct image *m = calloc(1, sizeof(*m));
	const struct section_of sections[] = {
		{ ".debug_info.dwo", m->info.v, 0 },
		{ ".debug_abbrev.dwo", m->abbrev.v, 0 },
	};
	struct section_of s[2];
	struct elf_file *f;
	char name[16];
	int fd;

	CHECK(m);
	put_abbrevs(&m->abbrev);
	m->abbrev.cnt--;
	PUT(&m->abbrev, SPLIT, 0x11, 1, 0xb1, 0x42, 0x07, 0, 0, 0);
	put_uint(&m->info, 0, 4);
	put_uint(&m->info, 4, 2);
	put_uint(&m->info, 0, 4);
	PUT(&m->info, 8, SPLIT);
	put_uint(&m->info, id, 8);
	(void)snprintf(name, sizeof(name), "f%u", (unsigned int)id);
	put_function(&m->info, 0x2000 + id * 0x100, 0x100, name, 1);
	PUT(&m->info, 0, 0);
	set_size(&m->info, 0);
	memcpy(s, sections, sizeof(s));
	s[0].sz = m->info.cnt;
	s[1].sz = m->abbrev.cnt;
	fd = make_elf(s, 2);
	CHECK_EQ(elf_file_open_part(fd, (uint64_t)lseek(fd, 0, SEEK_END), &f), 0);
	return f;
}

TEST(split_units_are_wanted_and_checked)
{
	_cleanup_(elf_file_closep) struct elf_file *f = make_program(2);
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	static const uint64_t addrs[] = { 0x2010, 0x2110 };
	struct dwarf_want w;
	struct told t;

	CHECK_EQ(dwarf_open(f, &DWARF_LIMITS_DEFAULT, 1, &d), DWARF_OK);
	CHECK(!dwarf_wants(d, 0, &w));
	CHECK_EQ(dwarf_find(d, addrs, 2, take, &t), DWARF_OK);
	CHECK_STR(t.text[0], "none:1");
	CHECK(dwarf_wants(d, 0, &w));
	CHECK(w.kind == DWARF_WANT_UNIT && w.unit == 0 && !w.given);
	CHECK_STR(w.name, "a.dwo");
	CHECK_STR(w.dir, "/src");
	CHECK(dwarf_wants(d, 1, &w) && w.unit == 1 && !dwarf_wants(d, 2, &w));

	/* Another one's; the program itself; what does not exist. */
	CHECK_EQ(dwarf_give(d, 0, make_dwo(1)), DWARF_NONE);
	CHECK_EQ(dwarf_give(d, 0, make_program(2)), DWARF_NONE);
	CHECK_EQ(dwarf_give(d, 2, make_dwo(2)), DWARF_NONE);
	CHECK_EQ(dwarf_find(d, addrs, 2, take, &t), DWARF_OK);
	CHECK_STR(t.text[0], "none:1");

	CHECK_EQ(dwarf_give(d, 0, make_dwo(0)), DWARF_OK);
	CHECK_EQ(dwarf_give(d, 0, make_dwo(0)), DWARF_NONE);
	CHECK(dwarf_wants(d, 0, &w) && w.given);
	CHECK_EQ(dwarf_find(d, addrs, 2, take, &t), DWARF_OK);
	CHECK_STR(t.text[0], "f0:0");
	CHECK_STR(t.text[1], "none:1");
}

/* The one that was not used for longest is wanted again. */
TEST(few_units_stay_open)
{
	_cleanup_(elf_file_closep) struct elf_file *f = make_program(DWARF_GIVEN_MAX + 1);
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	uint64_t addrs[DWARF_GIVEN_MAX + 1];
	struct dwarf_want w;
	struct told t;

	for (size_t i = 0; i <= DWARF_GIVEN_MAX; i++)
		addrs[i] = 0x2000 + 0x100 * i;
	CHECK_EQ(dwarf_open(f, &DWARF_LIMITS_DEFAULT, 1, &d), DWARF_OK);
	CHECK_EQ(dwarf_find(d, addrs, DWARF_GIVEN_MAX + 1, take, &t), DWARF_OK);
	for (size_t i = 0; i < DWARF_GIVEN_MAX; i++)
		CHECK_EQ(dwarf_give(d, i, make_dwo(i)), DWARF_OK);
	CHECK_EQ(dwarf_find(d, addrs, 1, take, &t), DWARF_OK);
	CHECK_STR(t.text[0], "f0:0");
	CHECK_EQ(dwarf_give(d, DWARF_GIVEN_MAX, make_dwo(DWARF_GIVEN_MAX)), DWARF_OK);
	CHECK(dwarf_wants(d, 0, &w) && w.given);
	CHECK(dwarf_wants(d, 1, &w) && !w.given);
	CHECK_EQ(dwarf_find(d, addrs, DWARF_GIVEN_MAX + 1, take, &t), DWARF_OK);
	CHECK_STR(t.text[0], "f0:0");
	CHECK_STR(t.text[1], "none:1");
	CHECK_STR(t.text[2], "f2:0");
	CHECK_STR(t.text[DWARF_GIVEN_MAX], "f32:0");
}

TEST(supplement_is_wanted_by_build_id)
{
	uint32_t abstract;
	_cleanup_free_ struct image *m = new_image(&abstract);
	const struct section_of sections[] = {
		{ ".debug_info", m->info.v, m->info.cnt },
		{ ".debug_abbrev", m->abbrev.v, m->abbrev.cnt },
		{ ".gnu_debugaltlink", "../common.dwz\0\1\2\3\4", 18 },
	};
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	_cleanup_(dwarf_closep) struct dwarf *d = NULL;
	int fd = make_elf(sections, 3);
	struct dwarf_want w;

	CHECK_EQ(elf_file_open(fd, (uint64_t)lseek(fd, 0, SEEK_END), &f), 0);
	CHECK_EQ(dwarf_open(f, &DWARF_LIMITS_DEFAULT, 1, &d), DWARF_OK);
	CHECK(dwarf_wants(d, 0, &w) && !dwarf_wants(d, 1, &w));
	CHECK(w.kind == DWARF_WANT_SUPPLEMENT && w.build_id_sz == 4);
	CHECK(memcmp(w.build_id, "\1\2\3\4", 4) == 0);
	CHECK_STR(w.name, "../common.dwz");
	CHECK_EQ(dwarf_give(d, 0, make_dwo(0)), DWARF_NONE);
}

CHECK_MAIN
