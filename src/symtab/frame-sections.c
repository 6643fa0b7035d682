/* SPDX-License-Identifier: Apache-2.0 */

/*
 * .eh_frame is found by its name; where the section headers were stripped, by what PT_GNU_EH_FRAME says
 * (LSB Core 5.0, 10.6.2), and then it reaches to its terminator, for its size is told nowhere.
 * .debug_frame fills its gaps. It may be packed, in the form of the gABI (SHF_COMPRESSED) or in the
 * one before it (.zdebug_frame), and is then unpacked whole, for its entries point back; how much is
 * bounded, whatever the file promises.
 */

#include "frame-sections.h"

#include <endian.h>
#include <string.h>

#include "cprof/elf_unpack.h"
#include "cprof/unwind_info.h"
#include "elf-file.h"

#define PIECE_SZ 16384
#define HDR_VERSION 1
#define HDR_SZ 12
#define PIECE_CNT 512

/* The encodings of pointers that linkers write into the header of .eh_frame. */
#define PE_ABSPTR 0x00
#define PE_UDATA4 0x03
#define PE_SDATA4 0x0b
#define PE_PCREL 0x10
#define PE_DATAREL 0x30

static int frame_read(void *ctx, uint64_t offset, void *dst, size_t sz)
{
	const struct frame_section *s = ctx;
	int r;

	if (s->bytes) {
		memcpy(dst, s->bytes + offset, sz);
		return 0;
	}
	r = elf_image_read(s->img, s->offset + offset, dst, sz);
	return r == SYMTAB_BAD ? -EIO : r;
}

static void add_section(struct frame_sections *s, struct frame_section section, uint64_t addr,
			uint64_t sz, bool debug)
{
	struct frame_section *at = &s->v[s->cnt];

	*at = section;
	s->cfi[s->cnt++] = (struct cfi_section){
		.read = frame_read, .ctx = at, .size = sz, .addr = addr, .debug = debug
	};
}

void frame_sections_done(struct frame_sections *s)
{
	for (size_t i = 0; i < s->cnt; i++)
		free(s->v[i].bytes);
	*s = (struct frame_sections){ 0 };
}

/* Where .eh_frame begins, by the header that the segment holds; false: it does not say. */
static bool read_hdr(const struct elf_image *img, const Elf64_Phdr *p, uint64_t *ret_addr)
{
	uint8_t hdr[HDR_SZ];
	uint64_t value;
	int32_t narrow;

	if (p->p_filesz < sizeof(hdr) ||
	    elf_image_read(img, p->p_offset, hdr, sizeof(hdr)) != SYMTAB_OK ||
	    hdr[0] != HDR_VERSION)
		return false;
	memcpy(&value, hdr + 4, sizeof(value));
	memcpy(&narrow, hdr + 4, sizeof(narrow));
	if ((hdr[1] & 0x0f) == PE_SDATA4)
		value = (uint64_t)(int64_t)narrow;
	else if ((hdr[1] & 0x0f) == PE_UDATA4)
		value = (uint32_t)narrow;
	else if ((hdr[1] & 0x0f) != PE_ABSPTR)
		return false;
	if ((hdr[1] & 0xf0) == PE_PCREL)
		value += p->p_vaddr + 4;
	else if ((hdr[1] & 0xf0) == PE_DATAREL)
		value += p->p_vaddr;
	else if ((hdr[1] & 0xf0) != 0)
		return false;
	*ret_addr = value;
	return true;
}

static void add_by_segments(const struct elf_image *img, struct frame_sections *s)
{
	const Elf64_Phdr *p;
	uint64_t addr = 0;
	bool found = false;

	for (uint32_t i = 0; i < img->phdrs_cnt && !found; i++) {
		found = img->phdrs[i].p_type == PT_GNU_EH_FRAME &&
			read_hdr(img, &img->phdrs[i], &addr);
	}
	p = found ? elf_image_segment(img, addr) : NULL;
	if (p)
		add_section(s,
			    (struct frame_section){ .img = img,
						    .offset = p->p_offset + (addr - p->p_vaddr) },
			    addr, p->p_filesz - (addr - p->p_vaddr), false);
}

/* All @sz bytes into @dst; what is missing or too much is -EBADMSG. */
static int unpack_all(const struct elf_image *img, const struct elf_section *e, uint8_t *dst)
{
	_cleanup_(elf_unpack_freep) struct elf_unpack *u = NULL;
	struct elf_unpack_io io = { .out = dst, .out_sz = (size_t)e->plain_sz };
	uint64_t offset = e->offset, packed = e->sz;
	uint8_t piece[PIECE_SZ];
	int r = elf_unpack_new(e->packing, &u), ended = 0;

	if (r < 0)
		return r;
	while (r == 0 && packed > 0 && !(ended && e->packing == ELF_ZLIB)) {
		size_t n = (size_t)MIN(packed, (uint64_t)sizeof(piece));

		r = elf_image_read(img, offset, piece, n);
		if (r != SYMTAB_OK)
			return r < 0 ? r : -EBADMSG;
		io.in = piece;
		io.in_sz = n;
		ended = elf_unpack_run(u, &io);
		offset += n;
		packed -= n;
		/* It has ended, is damaged, or is more than it says. */
		if (ended < 0 || io.in_sz > 0)
			break;
	}
	if (ended < 0)
		return ended;
	return ended && io.out_sz == 0 ? 0 : -EBADMSG;
}

/* A damaged one, and one that is packed by what we do not know, is as none. */
static int add_unpacked(const struct elf_image *img, const struct elf_section *e,
			struct frame_sections *s)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	int r;

	if (e->plain_sz > UNWIND_INFO_INFLATED_MAX) {
		s->limited = true;
		return 0;
	}
	bytes = malloc(MAX((size_t)e->plain_sz, (size_t)1));
	if (!bytes)
		return -ENOMEM;
	r = unpack_all(img, e, bytes);
	if (r < 0)
		return r == -EBADMSG || r == -EOPNOTSUPP ? 0 : r;
	add_section(s, (struct frame_section){ .img = img, .bytes = TAKE_PTR(bytes) }, 0,
		    e->plain_sz, true);
	return 0;
}

static int add_packed(const struct elf_image *img, const Elf64_Shdr *h, struct frame_sections *s)
{
	struct elf_section e;
	Elf64_Chdr c;

	if (h->sh_size < sizeof(c) || elf_image_read(img, h->sh_offset, &c, sizeof(c)) != SYMTAB_OK)
		return 0;
	e = (struct elf_section){
		.offset = h->sh_offset + sizeof(c),
		.sz = h->sh_size - sizeof(c),
		.plain_sz = c.ch_size,
		.packing = elf_packing_of(c.ch_type),
	};
	return add_unpacked(img, &e, s);
}

/* "ZLIB" and the size, the highest byte first. */
static int add_old_packed(const struct elf_image *img, const Elf64_Shdr *h,
			  struct frame_sections *s)
{
	struct elf_section e;
	struct {
		char magic[4];
		uint32_t sz[2];
	} c;

	if (h->sh_size < sizeof(c) ||
	    elf_image_read(img, h->sh_offset, &c, sizeof(c)) != SYMTAB_OK ||
	    memcmp(c.magic, "ZLIB", sizeof(c.magic)) != 0)
		return 0;
	e = (struct elf_section){
		.offset = h->sh_offset + sizeof(c),
		.sz = h->sh_size - sizeof(c),
		.plain_sz = (uint64_t)be32toh(c.sz[0]) << 32 | be32toh(c.sz[1]),
		.packing = ELF_ZLIB,
	};
	return add_unpacked(img, &e, s);
}

void frame_sections_find(const struct elf_image *img, struct frame_sections *ret)
{
	const Elf64_Shdr *h = elf_image_section(img, ".eh_frame");

	*ret = (struct frame_sections){ 0 };
	if (h)
		add_section(ret, (struct frame_section){ .img = img, .offset = h->sh_offset },
			    h->sh_addr, h->sh_size, false);
	else
		add_by_segments(img, ret);
}

bool frame_table_find(const struct elf_image *img, const struct frame_sections *s,
		      struct frame_table *ret)
{
	struct {
		uint8_t version, ptr, cnt, table;
		uint32_t addr, entries;
	} hdr;
	uint64_t addr;

	_Static_assert(sizeof(hdr) == HDR_SZ, "as in the file");
	for (uint32_t i = 0; i < img->phdrs_cnt; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];

		if (p->p_type != PT_GNU_EH_FRAME || !read_hdr(img, p, &addr))
			continue;
		if (s->cnt == 0 || addr != s->cfi[0].addr ||
		    elf_image_read(img, p->p_offset, &hdr, sizeof(hdr)) != SYMTAB_OK)
			return false;
		*ret = (struct frame_table){
			.img = img,
			.offset = p->p_offset + sizeof(hdr),
			.addr = p->p_vaddr,
			.section_addr = addr,
			.cnt = hdr.entries,
		};
		return hdr.ptr == (PE_PCREL | PE_SDATA4) && hdr.cnt == PE_UDATA4 &&
		       hdr.table == (PE_DATAREL | PE_SDATA4) &&
		       hdr.entries <= (p->p_filesz - sizeof(hdr)) / FRAME_TABLE_ENTRY_SZ &&
		       elf_image_holds(img, ret->offset,
				       (uint64_t)hdr.entries * FRAME_TABLE_ENTRY_SZ);
	}
	return false;
}

int frame_table_read(const struct frame_table *t, uint32_t from, struct frame_table_entry *ret,
		     uint32_t cnt)
{
	struct {
		int32_t start, entry;
	} piece[PIECE_CNT];

	_Static_assert(sizeof(*piece) == FRAME_TABLE_ENTRY_SZ, "as in the file");
	while (cnt > 0) {
		uint32_t n = MIN(cnt, (uint32_t)PIECE_CNT);
		int r = elf_image_read(t->img, t->offset + (uint64_t)from * sizeof(*piece), piece,
				       n * sizeof(*piece));

		if (r != SYMTAB_OK)
			return r < 0 ? r : -EIO;
		for (uint32_t i = 0; i < n; i++) {
			ret[i].start = t->addr + (uint64_t)(int64_t)piece[i].start;
			ret[i].offset =
				t->addr + (uint64_t)(int64_t)piece[i].entry - t->section_addr;
		}
		from += n;
		ret += n;
		cnt -= n;
	}
	return 0;
}

int frame_table_after(const struct frame_table *t, uint64_t addr, uint32_t *ret)
{
	uint32_t low = 0, high = t->cnt;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		struct frame_table_entry e;
		int r = frame_table_read(t, mid, &e, 1);

		if (r < 0)
			return r;
		if (e.start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	*ret = low;
	return 0;
}

int frame_sections_add_debug(const struct elf_image *img, struct frame_sections *s)
{
	const Elf64_Shdr *h = elf_image_section(img, ".debug_frame");

	if (h && (h->sh_flags & SHF_COMPRESSED))
		return add_packed(img, h, s);
	if (h) {
		add_section(s, (struct frame_section){ .img = img, .offset = h->sh_offset }, 0,
			    h->sh_size, true);
		return 0;
	}
	h = elf_image_section(img, ".zdebug_frame");
	return h ? add_old_packed(img, h, s) : 0;
}
