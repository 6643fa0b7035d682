/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel's functions from /proc/kallsyms: lines "ADDRESS TYPE NAME[\t[MODULE]]", the letters
 * being those of nm(1).
 *
 * The descriptor was opened by somebody who may see addresses; what it shows was decided then
 * (kallsyms_show_value(), kernel/kallsyms.c), so a lent one works here. All addresses 0 means that
 * nobody was allowed. There are no sizes: a function ends at the next symbol of any kind. Between the
 * last one of a module and what follows may be anything, or nothing: it ends with the page behind that
 * in which it begins, as perf has it (symbols__fixup_end() in tools/perf/util/symbol.c). Marks of
 * the linker script (_stext, __sched_text_start) share their address with the first function of what
 * they mark and would win as globals; they are left out. The text is the kernel's, but parsed as
 * if it were not: a symbol's name may come from a module's or BPF program's author.
 */

#include "table.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/sort.h"
#include "cprof/base/vec.h"

#define LINE_SZ 4096
#define READ_SZ 65536
#define READ_MAX (512u << 20)
#define KERNEL_HALF (1ULL << 63)
#define PAGE 4096u
#define PLACE_BITS 24
#define PLACE_MASK ((1u << PLACE_BITS) - 1)
#define NO_NAME UINT32_MAX /* not a function: only ends the one before */
#define MODULE_SZ 64	   /* MODULE_NAME_LEN of the kernel, with its brackets */
#define MODULES_MAX 0xffffffu
#define NO_MODULE MODULES_MAX /* behind the last symbol */

struct raw_symbol {
	uint64_t address;
	uint32_t string;
	uint32_t rank : 8;
	uint32_t module : 24; /* 0: the kernel itself; else the n-th run of lines of one module */
};

struct parser {
	const struct symtab_limits *limits;
	struct symtab_info *info;
	VEC(struct raw_symbol) symbols;
	uint64_t *order; /* of them */
	VEC(char) names;
	size_t lines;		/* with any address */
	char module[MODULE_SZ]; /* of the line before; "": the kernel itself */
	uint32_t modules;
};

static void symbols_done(struct parser *p)
{
	vec_done(&p->symbols);
	free(TAKE_PTR(p->order));
}

static void parser_done(struct parser *p)
{
	symbols_done(p);
	vec_done(&p->names);
}

static bool ends_with(const char *s, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len >= end_len && memcmp(s + len - end_len, end, end_len) == 0;
}

/* _stext, _etext, _sinittext, _einittext, _text; __*_text_start, __*_text_end. */
static bool is_mark(const char *name, size_t len)
{
	static const char *const marks[] = { "_text",	   "_stext",	 "_etext",
					     "_sinittext", "_einittext", "_stext_end" };

	for (size_t i = 0; i < ELEMENTSOF(marks); i++)
		if (len == strlen(marks[i]) && memcmp(name, marks[i], len) == 0)
			return true;
	return len > 2 && name[0] == '_' && name[1] == '_' &&
	       (ends_with(name, len, "text_start") || ends_with(name, len, "text_end"));
}

static bool is_text(char type)
{
	return type == 'T' || type == 't' || type == 'W' || type == 'w' || type == 'i';
}

static void note_bounds(struct symtab_info *info, const char *name, size_t len, uint64_t address)
{
	if (len == 6 && memcmp(name, "_stext", 6) == 0)
		info->text_start = address;
	if (len == 6 && memcmp(name, "_etext", 6) == 0)
		info->text_end = address;
}

/* The name, and behind it " [module]". */
static int add_name(struct parser *p, const char *name, size_t len, const char *module,
		    size_t module_len)
{
	int r;

	r = vec_reserve(&p->names, len + module_len + 2);
	if (r < 0)
		return r;
	memcpy(p->names.v + p->names.cnt, name, len);
	p->names.cnt += len;
	if (module_len > 0) {
		p->names.v[p->names.cnt++] = ' ';
		memcpy(p->names.v + p->names.cnt, module, module_len);
		p->names.cnt += module_len;
	}
	p->names.v[p->names.cnt++] = '\0';
	return 0;
}

/* Lines of one module stand together. */
static uint32_t number_module(struct parser *p, const char *module, size_t len)
{
	len = MIN(len, sizeof(p->module) - 1);
	if (len == 0) {
		p->module[0] = '\0';
		return 0;
	}
	if (len != strlen(p->module) || memcmp(p->module, module, len) != 0) {
		if (p->modules < MODULES_MAX - 1)
			p->modules++;
		memcpy(p->module, module, len);
		p->module[len] = '\0';
	}
	return p->modules;
}

static int add_symbol(struct parser *p, uint64_t address, char type, const char *name, size_t len)
{
	struct raw_symbol s = { .address = address, .string = NO_NAME };
	const char *tab = memchr(name, '\t', len);
	const char *module = tab ? tab + 1 : NULL;
	size_t module_len = tab ? len - (size_t)(tab + 1 - name) : 0;
	size_t name_len = tab ? (size_t)(tab - name) : len;
	int r;

	if (module_len > 0 && (module[0] != '[' || module[module_len - 1] != ']'))
		module_len = 0;
	s.module = number_module(p, module, module_len) & MODULES_MAX;
	if (module_len == 0)
		note_bounds(p->info, name, name_len, address);
	if (is_text(type) && name_len > 0 && !is_mark(name, name_len)) {
		s.string = (uint32_t)p->names.cnt;
		s.rank = type == 't' ? CANDIDATE_LOCAL : 0;
		r = add_name(p, name, name_len, module, module_len);
		if (r < 0)
			return r;
	}
	if (p->symbols.cnt >= MIN(p->limits->symbols, PLACE_MASK) ||
	    p->names.cnt > p->limits->bytes || p->names.cnt >= NO_NAME)
		return SYMTAB_LIMIT;
	return vec_push(&p->symbols, s);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A line that is none of kallsyms' is passed over. */
static int parse_line(struct parser *p, const char *line, size_t len)
{
	uint64_t address = 0;
	size_t i = 0;

	for (; i < len && i < 17 && hex_digit(line[i]) >= 0; i++)
		address = address << 4 | (uint64_t)hex_digit(line[i]);
	if (i == 0 || i > 16 || len < i + 4 || line[i] != ' ' || line[i + 2] != ' ')
		return SYMTAB_OK;
	p->lines++;
	if (address < KERNEL_HALF || address == UINT64_MAX)
		return SYMTAB_OK;
	return add_symbol(p, address, line[i + 1], line + i + 3, len - i - 3);
}

/* Parses the whole lines in the buffer; *filled is then what is left of it. */
static int parse_buffer(struct parser *p, char *buf, size_t *filled)
{
	size_t pos = 0;

	for (;;) {
		const char *end = memchr(buf + pos, '\n', *filled - pos);
		int r;

		if (!end)
			break;
		r = parse_line(p, buf + pos, (size_t)(end - (buf + pos)));
		if (r != SYMTAB_OK)
			return r;
		pos = (size_t)(end - buf) + 1;
	}
	memmove(buf, buf + pos, *filled - pos);
	*filled -= pos;
	if (*filled > LINE_SZ) { /* no line is as long: what comes of it is made to mean nothing */
		*filled = 1;
		buf[0] = '?';
	}
	return SYMTAB_OK;
}

static int parse(struct parser *p, int fd)
{
	_cleanup_free_ char *buf = malloc(READ_SZ);
	size_t filled = 0, total = 0;

	if (!buf)
		return -ENOMEM;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buf + filled, READ_SZ - filled);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return SYMTAB_OK;
		filled += (size_t)n;
		total += (size_t)n;
		if (total > READ_MAX)
			return SYMTAB_LIMIT;
		r = parse_buffer(p, buf, &filled);
		if (r != SYMTAB_OK)
			return r;
	}
}

static int compare_raw(const void *pa, const void *pb)
{
	const struct raw_symbol *a = pa, *b = pb;

	return CMP(a->address, b->address);
}

/* What it is sorted by, if all are as near to each other as the kernel has them; else 0. */
static uint64_t key_of(const struct parser *p, size_t i, uint64_t low)
{
	return low == 0 ? 0 : (p->symbols.v[i].address - low) << PLACE_BITS;
}

/* By address: the lowest bits of each number are a symbol's place. 0 or -ENOMEM. */
static int sort_symbols(struct parser *p)
{
	uint64_t low = UINT64_MAX, high = 0;

	p->order = malloc(p->symbols.cnt * sizeof(*p->order));
	if (!p->order)
		return -ENOMEM;
	for (size_t i = 0; i < p->symbols.cnt; i++) {
		low = MIN(low, p->symbols.v[i].address);
		high = MAX(high, p->symbols.v[i].address);
	}
	if (high - low > UINT64_MAX >> PLACE_BITS) {
		qsort(p->symbols.v, p->symbols.cnt, sizeof(*p->symbols.v), compare_raw);
		low = 0;
	}
	for (size_t i = 0; i < p->symbols.cnt; i++)
		p->order[i] = key_of(p, i, low) | i;
	sort_u64_placed(p->order, p->symbols.cnt, PLACE_BITS);
	return 0;
}

static const struct raw_symbol *sorted(const struct parser *p, size_t i)
{
	return &p->symbols.v[p->order[i] & PLACE_MASK];
}

/* Places are kept in 32 bits: from the lowest symbol, or from _stext if others lie far below it. */
static uint64_t choose_base(const struct parser *p)
{
	uint64_t first = sorted(p, 0)->address;
	uint64_t last = sorted(p, p->symbols.cnt - 1)->address;

	return last - first >= UINT32_MAX && p->info->text_start > 0 ? p->info->text_start : first;
}

/* Where it ends, if @next is the next symbol above it. */
static uint64_t end_of(const struct raw_symbol *s, const struct raw_symbol *next)
{
	uint64_t end = (s->address + 2 * PAGE - 1) & ~(uint64_t)(PAGE - 1);

	if (s->module == next->module || end < s->address)
		return next->address;
	return MIN(end, next->address);
}

/* The first one behind @i that is at another address. */
static size_t next_address(const struct parser *p, size_t i)
{
	uint64_t address = sorted(p, i)->address;

	while (i < p->symbols.cnt && sorted(p, i)->address == address)
		i++;
	return i;
}

static int make_candidate(const struct raw_symbol *s, const struct raw_symbol *next, uint64_t base,
			  struct candidates *ret)
{
	if (s->string == NO_NAME || s->address < base || s->address - base >= UINT32_MAX)
		return 0;
	return candidates_add(
		ret, &(struct candidate){
			     .from = (uint32_t)(s->address - base),
			     .to = (uint32_t)MIN(end_of(s, next) - base, (uint64_t)UINT32_MAX),
			     .string = s->string,
			     .rank = (uint8_t)(s->rank | CANDIDATE_UNSIZED),
		     });
}

/* Ascending, so that little is left to be sorted. As candidates_add(). */
static int make_candidates(const struct parser *p, uint64_t base, struct candidates *ret)
{
	const struct raw_symbol last = { .address = UINT64_MAX, .module = NO_MODULE };
	size_t cnt = p->symbols.cnt, i = 0, end = next_address(p, 0);
	int r = 0;

	while (r == 0 && i < cnt) {
		size_t after = end < cnt ? next_address(p, end) : cnt;
		const struct raw_symbol *next = end < cnt ? sorted(p, after - 1) : &last;

		for (; r == 0 && i < end; i++)
			r = make_candidate(sorted(p, i), next, base, ret);
		end = after;
	}
	return r;
}

static int build(struct parser *p, struct ranges *ret)
{
	_cleanup_(candidates_done) struct candidates c = { 0 };
	_cleanup_(candidate_strings_done) struct candidate_strings strings = {
		.v = { p->names.v },
		.sz = { p->names.cnt },
	};
	uint64_t base;
	int r;

	p->names.v = NULL;
	r = sort_symbols(p);
	if (r < 0)
		return r;
	base = choose_base(p);
	r = make_candidates(p, base, &c);
	symbols_done(p);
	if (r == 0)
		r = ranges_build(&c, &strings, p->limits, ret);
	if (r == SYMTAB_OK)
		ret->base = base;
	return r;
}

static int load(struct parser *p, int fd, struct ranges *ret)
{
	int r;

	r = parse(p, fd);
	if (r != SYMTAB_OK)
		return r;
	if (p->lines == 0)
		return SYMTAB_BAD;
	if (p->symbols.cnt == 0)
		return SYMTAB_RESTRICTED;
	r = build(p, ret);
	if (r != SYMTAB_OK)
		return r;
	return ret->list.cnt > 0 ? SYMTAB_OK : SYMTAB_UNNAMED;
}

int symtab_load_kernel(int fd, const struct symtab_limits *limits, struct symtab **ret)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	_cleanup_(parser_done) struct parser p = { .limits = limits };
	int r;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	p.info = &t->info;
	t->info.sources = 1u << SYMTAB_SOURCE_KALLSYMS;
	r = load(&p, fd, &t->ranges);
	if (r >= 0 && r != SYMTAB_BAD)
		*ret = TAKE_PTR(t);
	return r;
}
