/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What C libraries leave out of their call frame information, or have none for.
 *
 * The entry point is the outermost frame whatever is said of it: nobody called it, and what lies on the
 * stack there is argc. A shared library's e_entry may be any address, so one without an interpreter
 * counts only when its code is that of a beginning: %rbp is cleared, or %rsp becomes the first argument
 * (psABI 3.4.1). How long it is, a symbol says, or else what comes next.
 *
 * Names are stripped, hidden and many, but the instructions are few and fixed by the kernel's interface,
 * so the others are found by them, in code that has no entry: the way back from a signal handler
 * (rt_sigreturn(2) takes its frame from %rsp), and where musl's threads begin. glibc has entries for both.
 */

#include "known-code.h"

#include <string.h>

#include "elf-symbols.h"

#define ENTRY_MAX 256
#define ENTRY_ALONE_MAX 64 /* where nothing is known to follow */
#define HEAD_SZ 16
#define GAP_MIN 16 /* less is padding between functions */
#define WINDOW_SZ (64u << 10)
#define BYTES_MAX (32ull << 20)

#define HLT 0xf4
#define INT3 0xcc

static const struct cprof_rule root = {
	.cfa = CPROF_CFA_REG,
	.cfa_reg = CPROF_REG_RSP,
	.cfa_off = 8,
	.ra = CPROF_WHERE_UNDEFINED,
};

static const struct cprof_rule sigreturn = {
	.cfa = CPROF_CFA_SIGNAL,
	.flags = CPROF_RULE_EXACT,
};

struct signature {
	uint8_t bytes[20];
	size_t sz;
	size_t before; /* so much before the code counts, too */
	const struct cprof_rule *rule;
};

/*
 * A handler returns to the first byte, which it never called: the call that a return address stands for
 * is looked for one byte before.
 */
static const struct signature signatures[] = {
	/* mov $15,%rax; syscall */
	{ { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 }, 9, 1, &sigreturn },
	/* mov $15,%eax; syscall */
	{ { 0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05 }, 7, 1, &sigreturn },
	/* xor %ebp,%ebp; pop %rdi; call *%r9; mov %eax,%edi; xor %eax,%eax; mov $60,%al; syscall */
	{ { 0x31, 0xed, 0x5f, 0x41, 0xff, 0xd1, 0x89, 0xc7, 0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05 },
	  14,
	  0,
	  &root },
};

static void add_code(struct known_codes *codes, uint64_t from, uint64_t to,
		     const struct cprof_rule *rule)
{
	size_t at = codes->cnt;

	while (at > 0 && codes->v[at - 1].from >= to)
		at--;
	if (codes->cnt == KNOWN_CODE_MAX || from >= to || (at > 0 && codes->v[at - 1].to > from))
		return;
	memmove(&codes->v[at + 1], &codes->v[at], (codes->cnt - at) * sizeof(*codes->v));
	codes->v[at] = (struct known_code){ .from = from, .to = to, .rule = *rule };
	codes->cnt++;
}

static const struct object_segment *segment_of(const struct known_where *where, uint64_t addr)
{
	for (size_t i = 0; i < where->areas_cnt; i++) {
		const struct code_area *a = &where->areas[i];

		if (addr >= a->from && addr < a->to)
			return a->segment;
	}
	return NULL;
}

static uint64_t segment_end(const struct object_segment *s)
{
	return s->vaddr + s->filesz;
}

/* Up to @sz bytes of code; how many, or -errno. */
static int64_t read_code(const struct elf_image *img, const struct object_segment *s, uint64_t addr,
			 uint8_t *dst, size_t sz)
{
	int r;

	sz = (size_t)MIN((uint64_t)sz, segment_end(s) - addr);
	r = elf_image_read(img, s->offset + (addr - s->vaddr), dst, sz);
	if (r < 0)
		return r;
	return r == SYMTAB_OK ? (int64_t)sz : 0;
}

static const struct cprof_rule *rule_at(const struct cfi *cfi, uint64_t addr)
{
	int r = cfi ? cfi_find(cfi, addr) : -ENOENT;

	return r >= 0 ? cfi_rule(cfi, (uint16_t)r) : NULL;
}

static bool is_gap(const struct cprof_rule *rule)
{
	return !rule || rule->cfa == CPROF_CFA_GAP;
}

/* [endbr64;] xor %ebp,%ebp, xor %rbp,%rbp, or mov %rsp,%rdi */
static bool is_beginning(const uint8_t *code, size_t sz)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };

	if (sz < HEAD_SZ)
		return false;
	if (memcmp(code, endbr64, sizeof(endbr64)) == 0)
		code += sizeof(endbr64);
	return memcmp(code, (uint8_t[]){ 0x31, 0xed }, 2) == 0 ||
	       memcmp(code, (uint8_t[]){ 0x48, 0x31, 0xed }, 3) == 0 ||
	       memcmp(code, (uint8_t[]){ 0x48, 0x89, 0xe7 }, 3) == 0;
}

static bool has_interpreter(const struct elf_image *img)
{
	for (uint32_t i = 0; i < img->phdrs_cnt; i++) {
		if (img->phdrs[i].p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* What symbols say of where the function at an address ends. */
struct extent {
	uint64_t from;
	uint64_t sz;   /* of a symbol there; 0: none says */
	uint64_t next; /* the next function */
};

static void look_at_symbol(const Elf64_Sym *sym, void *ctx)
{
	struct extent *e = ctx;

	if (sym->st_shndx == SHN_UNDEF)
		return;
	if (sym->st_value == e->from && ELF64_ST_TYPE(sym->st_info) <= STT_FUNC)
		e->sz = MAX(e->sz, sym->st_size);
	else if (sym->st_value > e->from && ELF64_ST_TYPE(sym->st_info) == STT_FUNC)
		e->next = MIN(e->next, sym->st_value);
}

/*
 * Where the code that nothing is said of ends by itself: it halts, padding follows, or it calls what lies
 * behind it, as musl's does.
 */
static size_t code_end(const uint8_t *code, size_t sz)
{
	static const uint8_t call_next[] = { 0xe8, 0, 0, 0, 0 };

	sz = MIN(sz, (size_t)ENTRY_ALONE_MAX);
	for (size_t i = 0; i < sz; i++) {
		if (code[i] == HLT)
			return i + 1;
		if (i + sizeof(call_next) <= sz &&
		    memcmp(code + i, call_next, sizeof(call_next)) == 0)
			return i + sizeof(call_next);
		if (i + 1 < sz && code[i] == INT3 && code[i + 1] == INT3)
			return i;
	}
	return sz;
}

static bool ends_function(const struct cprof_rule *rule)
{
	return rule->cfa == CPROF_CFA_GAP ||
	       (rule->cfa == CPROF_CFA_REG && rule->cfa_reg == CPROF_REG_RSP &&
		rule->cfa_off == 8 && rule->ra == CPROF_WHERE_CFA);
}

static uint64_t end_by_rows(const struct cfi *cfi, uint64_t entry)
{
	bool gap = is_gap(rule_at(cfi, entry));
	size_t i = cfi ? cfi_row_after(cfi, entry) : 0;

	while (cfi && i < cfi_rows_cnt(cfi) && !gap &&
	       !ends_function(cfi_rule(cfi, cfi_row(cfi, i).rule)))
		i++;
	return cfi && i < cfi_rows_cnt(cfi) ? cfi_row(cfi, i).addr : UINT64_MAX;
}

/* How many of the @sz bytes of @code, which is at the entry point, are its function. */
static int64_t entry_size(const struct elf_image *img, const struct cfi *cfi, const uint8_t *code,
			  size_t sz)
{
	const uint64_t entry = img->ehdr.e_entry;
	struct extent extent = { .from = entry, .next = UINT64_MAX };
	uint64_t end;
	int r;

	r = elf_symbols_each(img, look_at_symbol, &extent);
	if (r < 0)
		return r;
	if (extent.sz > 0)
		return (int64_t)MIN((uint64_t)sz, extent.sz);
	end = MIN(extent.next, end_by_rows(cfi, entry));
	return (int64_t)(end - entry <= sz ? end - entry : code_end(code, sz));
}

static int find_entry(const struct elf_image *img, const struct known_where *where,
		      struct known_codes *codes)
{
	const uint64_t entry = img->ehdr.e_entry;
	const struct object_segment *s = segment_of(where, entry);
	const struct cprof_rule *rule = rule_at(where->cfi, entry);
	uint8_t code[ENTRY_MAX];
	int64_t sz;

	if (entry == 0 || !s || (rule && rule->ra == CPROF_WHERE_UNDEFINED))
		return 0;
	sz = read_code(img, s, entry, code, sizeof(code));
	if (sz < 0)
		return (int)sz;
	if (img->ehdr.e_type != ET_EXEC && !has_interpreter(img) && !is_beginning(code, (size_t)sz))
		return 0;
	sz = entry_size(img, where->cfi, code, (size_t)sz);
	if (sz < 0)
		return (int)sz;
	add_code(codes, entry, entry + (uint64_t)sz, &root);
	return 0;
}

/* Code of a segment, a part of it at a time. */
struct window {
	const struct elf_image *img;
	const struct object_segment *segment;
	uint64_t addr;
	size_t sz;
	uint64_t left; /* bytes that may still be read */
	uint8_t bytes[WINDOW_SZ];
};

static void search(const struct window *w, uint64_t from, size_t sz, struct known_codes *codes)
{
	const uint8_t *code = w->bytes + (from - w->addr);

	for (size_t i = 0; i < ELEMENTSOF(signatures); i++) {
		const struct signature *s = &signatures[i];
		size_t pos = 0;
		const uint8_t *found;

		while (pos < sz && (found = memmem(code + pos, sz - pos, s->bytes, s->sz))) {
			pos = (size_t)(found - code) + s->sz;
			/* The HLT behind exit(2), too. */
			add_code(codes, from + (pos - s->sz) - s->before,
				 from + pos + (pos < sz && code[pos] == HLT), s->rule);
		}
	}
}

/* 0; -E2BIG: that was enough; or -errno. */
static int search_gap(struct window *w, uint64_t from, uint64_t to, struct known_codes *codes)
{
	while (to - from >= GAP_MIN) {
		uint64_t end;

		if (from < w->addr || to > w->addr + w->sz) {
			int64_t sz =
				read_code(w->img, w->segment, from, w->bytes, sizeof(w->bytes));

			if (sz <= 0)
				return sz < 0 ? (int)sz : -E2BIG;
			w->addr = from;
			w->sz = (size_t)sz;
			if (w->left < w->sz)
				return -E2BIG;
			w->left -= w->sz;
		}
		end = MIN(to, w->addr + w->sz);
		search(w, from, (size_t)(end - from), codes);
		if (end == to)
			return 0;
		/* What lies across the edge is whole in the next one. */
		from = end - sizeof(signatures[0].bytes);
	}
	return 0;
}

static int search_area(struct window *w, const struct code_area *a, const struct cfi *cfi,
		       struct known_codes *codes)
{
	const uint64_t end = a->to;
	const struct cfi_view v = cfi_view(cfi);
	uint64_t pos = a->from;
	int r = 0;

	w->segment = a->segment;
	w->sz = 0;
	for (size_t i = cfi ? cfi_row_after(cfi, pos) : 0; r == 0 && pos < end; i++) {
		const struct cprof_rule *rule = i > 0 ? cfi_view_rule(&v, i - 1) : NULL;
		uint64_t next = i < v.rows_cnt ? MIN(cfi_view_addr(&v, i), end) : end;

		if (is_gap(rule))
			r = search_gap(w, pos, next, codes);
		pos = next;
	}
	return r;
}

static int find_signatures(const struct elf_image *img, const struct known_where *where,
			   struct known_codes *codes)
{
	_cleanup_free_ struct window *w = malloc(sizeof(*w));
	int r = 0;

	if (!w)
		return -ENOMEM;
	w->img = img;
	w->left = BYTES_MAX;
	for (size_t i = 0; r == 0 && i < where->areas_cnt; i++)
		r = search_area(w, &where->areas[i], where->cfi, codes);
	return r == -E2BIG ? 0 : r;
}

int known_codes_find(const struct elf_image *img, const struct known_where *where, bool entry_only,
		     struct known_codes *ret)
{
	int r;

	ret->cnt = 0;
	r = find_entry(img, where, ret);
	return r < 0 || entry_only ? r : find_signatures(img, where, ret);
}
