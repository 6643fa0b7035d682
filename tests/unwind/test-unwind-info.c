/* SPDX-License-Identifier: Apache-2.0 */

/*
 * test-unwind-info KIND FILE [WAY...] — the block of rows made of a file says, at each of very many
 * places, what the parser's table says of the same address; the sections are found here in the plainest
 * way. Where they differ it must be code that is known by itself, and of that there has to be what KIND
 * says: "entry" ("short") and "thread" (a root), "handler" (a signal frame), "debug" (.eh_frame alone says
 * less).
 * Behind the end of a signal's frame there is one place more than the file says.
 * A WAY is how the file is looked at: "bare" without its section headers.
 */

#include <elf.h>
#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#include "bytes.h"
#include "cprof/base/rng.h"
#include "cprof/cfi.h"
#include "cprof/unwind_info.h"
#include "elf-oracle.h"
#include "rows-fixture.h"

#define PROBES 10000
#define WHOLE_MAX (1 << 20) /* of smaller files each place is looked at */
#define ENTRY_MAX 64
#define SHORT_MAX 24	 /* musl's */
#define THREAD_BYTES 15	 /* of musl's __clone, from where the thread is alone */
#define HANDLER_BYTES 11 /* of __restore_rt, and the ones before and behind it */

static const Elf64_Shdr *section_of(const struct oracle *o, const char *name)
{
	const Elf64_Ehdr *h = (const void *)o->bytes;
	const Elf64_Shdr *s = (const void *)(o->bytes + h->e_shoff);
	const char *names = (const char *)o->bytes + s[h->e_shstrndx].sh_offset;

	for (int i = 0; i < h->e_shnum; i++) {
		if (strcmp(names + s[i].sh_name, name) == 0 && s[i].sh_type != SHT_NOBITS)
			return &s[i];
	}
	return NULL;
}

/* To be freed. */
static uint8_t *inflated(const uint8_t *packed, size_t packed_sz, size_t sz)
{
	uint8_t *bytes = malloc(sz);
	uLongf got = sz;

	CHECK(bytes && uncompress(bytes, &got, packed, packed_sz) == Z_OK && got == sz);
	return bytes;
}

struct reference {
	struct bytes bytes[2];
	struct cfi_section sections[2];
	size_t cnt;
	uint8_t *inflated;
	struct cfi *cfi;
};

static void add_section(struct reference *r, const uint8_t *p, size_t sz, uint64_t addr, bool debug)
{
	r->bytes[r->cnt] = (struct bytes){ p, sz };
	r->sections[r->cnt] = (struct cfi_section){ .read = bytes_read,
						    .ctx = &r->bytes[r->cnt],
						    .size = sz,
						    .addr = addr,
						    .debug = debug };
	r->cnt++;
}

static void add_debug(struct reference *r, const struct oracle *o)
{
	const Elf64_Shdr *s = section_of(o, ".debug_frame");
	const uint8_t *p = o->bytes + (s ? s->sh_offset : 0);
	size_t sz = s ? s->sh_size : 0;

	if (s && (s->sh_flags & SHF_COMPRESSED)) {
		const Elf64_Chdr *c = (const void *)p;

		if (c->ch_type == ELFCOMPRESS_ZLIB) {
			r->inflated = inflated(p + sizeof(*c), sz - sizeof(*c), c->ch_size);
		} else {
			r->inflated = malloc(c->ch_size);
			CHECK_EQ(ZSTD_decompress(r->inflated, c->ch_size, p + sizeof(*c),
						 sz - sizeof(*c)),
				 c->ch_size);
		}
		p = r->inflated;
		sz = c->ch_size;
	} else if (!s && (s = section_of(o, ".zdebug_frame"))) {
		p = o->bytes + s->sh_offset;
		sz = (size_t)p[8] << 24 | (size_t)p[9] << 16 | (size_t)p[10] << 8 | p[11];
		r->inflated = inflated(p + 12, s->sh_size - 12, sz);
		p = r->inflated;
	}
	if (sz > 0)
		add_section(r, p, sz, 0, true);
}

static void reference_load(struct reference *r, const struct oracle *o, bool with_debug)
{
	const Elf64_Shdr *s = section_of(o, ".eh_frame");

	*r = (struct reference){ 0 };
	if (s)
		add_section(r, o->bytes + s->sh_offset, s->sh_size, s->sh_addr, false);
	if (with_debug)
		add_debug(r, o);
	CHECK(cfi_load(r->sections, r->cnt, &CFI_LIMITS_DEFAULT, &r->cfi) >= 0);
}

static void reference_done(struct reference *r)
{
	cfi_free(r->cfi);
	free(r->inflated);
}

static const struct cprof_rule *reference_at(const struct reference *r, uint64_t addr)
{
	static const struct cprof_rule gap = { .cfa = CPROF_CFA_GAP };
	int found = r->cfi ? cfi_find(r->cfi, addr) : -ENOENT;

	return found < 0 ? &gap : cfi_rule(r->cfi, (uint16_t)found);
}

/* What was met that the file does not say. */
struct known {
	uint64_t entry_bytes;
	uint64_t thbytes_read;
	uint64_t handler_bytes;
	uint64_t covered; /* places that are no gap */
};

struct comparison {
	const struct oracle *file;
	struct reference reference;
	struct rows_view rows;
	struct known known;
};

/* A rule of the file's, one byte further. */
static bool is_after_return(const struct comparison *c, uint64_t addr,
			    const struct cprof_rule *said, const struct cprof_rule *rule)
{
	return said->cfa == CPROF_CFA_GAP && (rule->flags & CPROF_RULE_EXACT) &&
	       memcmp(reference_at(&c->reference, addr - 1), rule, sizeof(*rule)) == 0;
}

static void check_known(struct comparison *c, uint64_t addr, const struct cprof_rule *said,
			const struct cprof_rule *rule)
{
	const uint64_t entry = ((const Elf64_Ehdr *)c->file->bytes)->e_entry;

	if (is_after_return(c, addr, said, rule))
		return;
	if (rule->cfa == CPROF_CFA_SIGNAL && rule->flags == CPROF_RULE_EXACT) {
		c->known.handler_bytes++;
		return;
	}
	if (rule->cfa != CPROF_CFA_REG || rule->ra != CPROF_WHERE_UNDEFINED)
		CHECK_FAIL("0x%" PRIx64 ": cfa %d, not %d", addr, rule->cfa, said->cfa);
	if (addr >= entry && addr - entry < ENTRY_MAX)
		c->known.entry_bytes++;
	else
		c->known.thbytes_read++;
}

static void check_place(struct comparison *c, const Elf64_Phdr *p, uint64_t at)
{
	const struct cprof_rule *said = reference_at(&c->reference, p->p_vaddr + at);
	const struct cprof_rule *rule = rows_find(&c->rows, p->p_offset + at);

	if (memcmp(said, rule, sizeof(*said)) != 0)
		check_known(c, p->p_vaddr + at, said, rule);
	c->known.covered += rule->cfa != CPROF_CFA_GAP;
}

/* Random places of each executable segment, and its edges. */
static void compare(struct comparison *c)
{
	struct rng rng = { 1 };
	const Elf64_Phdr *p;

	for (int i = 0; (p = oracle_text(c->file, i)); i++) {
		for (int k = 0; k < PROBES; k++)
			check_place(c, p, rng_next(&rng) % p->p_filesz);
		check_place(c, p, 0);
		check_place(c, p, p->p_filesz - 1);
	}
}

/* All of a small file. */
static void compare_whole(struct comparison *c)
{
	const Elf64_Phdr *p;

	c->known = (struct known){ 0 };
	for (int i = 0; (p = oracle_text(c->file, i)); i++) {
		for (uint64_t at = 0; at < p->p_filesz; at++)
			check_place(c, p, at);
	}
}

/* The file, or a copy of it in memory without its section headers. */
static int open_way(const struct oracle *o, bool bare)
{
	Elf64_Ehdr h = *(const Elf64_Ehdr *)o->bytes;
	int fd;

	if (!bare)
		return dup(o->fd);
	fd = memfd_create("bare", MFD_CLOEXEC);
	CHECK(fd >= 0 && write(fd, o->bytes, o->sz) == (ssize_t)o->sz);
	h.e_shoff = 0;
	h.e_shnum = 0;
	h.e_shstrndx = 0;
	CHECK_EQ(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	return fd;
}

/* How many rows there are that .eh_frame alone has not. */
static size_t rows_of_debug(const struct oracle *o, const struct reference *all)
{
	struct reference eh;
	size_t more = 0;

	reference_load(&eh, o, false);
	for (size_t i = 0; i < cfi_rows_cnt(all->cfi); i++) {
		struct cfi_row row = cfi_row(all->cfi, i);

		more += cfi_rule(all->cfi, row.rule)->cfa != CPROF_CFA_GAP &&
			reference_at(&eh, row.addr)->cfa == CPROF_CFA_GAP;
	}
	reference_done(&eh);
	return more;
}

static void check_kind(const char *kind, const struct known *known)
{
	if (strstr(kind, "entry"))
		CHECK(known->entry_bytes > 10 &&
		      known->entry_bytes <= (strstr(kind, "short") ? SHORT_MAX : ENTRY_MAX));
	else
		CHECK_EQ(known->entry_bytes, 0);
	CHECK_EQ(known->thbytes_read, strstr(kind, "thread") ? THREAD_BYTES : 0);
	CHECK_EQ(known->handler_bytes, strstr(kind, "handler") ? HANDLER_BYTES : 0);
}

static void run(const char *kind, const char *path, bool bare)
{
	struct oracle o;
	struct comparison c = { .file = &o };
	void *bytes;
	size_t sz;
	int fd;

	if (!oracle_open(&o, path))
		check_skip("no such file here");
	fd = open_way(&o, bare);
	reference_load(&c.reference, &o, !bare);
	CHECK_EQ(unwind_info_load(fd, o.sz, &bytes, &sz), UNWIND_INFO_OK);
	CHECK_EQ(rows_check(bytes, sz, &c.rows), 0);
	compare(&c);
	CHECK(c.known.covered > 0);
	if (o.sz < WHOLE_MAX) {
		compare_whole(&c);
		check_kind(kind, &c.known);
	}
	if (strstr(kind, "debug") && !bare)
		CHECK(rows_of_debug(&o, &c.reference) > 10);
	printf("%s%s: %u pages, %u rows, %u rules, %zu bytes\n", path, bare ? " (bare)" : "",
	       c.rows.head->pages_cnt, c.rows.head->rows_cnt, c.rows.head->rules_cnt, sz);
	free(bytes);
	close(fd);
	reference_done(&c.reference);
	oracle_close(&o);
}

int main(int argc, char **argv)
{
	if (argc < 3 || argv[2][0] == '\0')
		check_skip("no such file here");
	run(argv[1], argv[2], argc > 3 && strcmp(argv[3], "bare") == 0);
	return EXIT_SUCCESS;
}
