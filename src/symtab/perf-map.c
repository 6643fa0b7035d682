/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A perf map: what a just-in-time compiler says it put where, as lines "START SIZE NAME", numbers in
 * hex (linux, tools/perf/Documentation/jit-interface.txt). It is appended to while the program runs,
 * by a process that may be hostile, in any order and never corrected.
 *
 * Memory is used again: when two lines overlap, the later one tells what is there now (perf-entries.c).
 *
 * Of what is too large the end is read: names of lines whose later ones were not read could be wrong.
 *
 * What is no such line is passed over. A last line without its end is taken, unless the file ends at
 * a block's border: then a writer's buffer was flushed in the middle of it.
 */

#include "perf-map.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/vec.h"
#include "table.h"

#define READ_SZ 65536
#define LINE_MAX_SZ 8192 /* what is behind it belongs to a name that is cut anyhow */
#define BLOCK_SZ 4096

struct parser {
	const struct symtab_limits *limits;
	VEC(struct perf_entry) entries;
	VEC(char) names;
	uint64_t at; /* in the file */
	bool skip;   /* the rest of a line that was too long, or whose beginning was not read */
	bool cut;
};

static void parser_done(struct parser *p)
{
	vec_done(&p->entries);
	vec_done(&p->names);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A number and the blanks behind it, of which there must be one. */
static bool take_hex(const char **at, const char *end, uint64_t *ret)
{
	const char *s = *at;
	uint64_t v = 0;
	int digits = 0;

	if (end - s > 2 && s[0] == '0' && (s[1] | 0x20) == 'x')
		s += 2;
	for (; s < end && hex_digit(*s) >= 0; s++, digits++) {
		if (v >> 60 != 0)
			return false;
		v = v << 4 | (uint64_t)hex_digit(*s);
	}
	if (digits == 0 || s == end || !is_blank(*s))
		return false;
	while (s < end && is_blank(*s))
		s++;
	*at = s;
	*ret = v;
	return true;
}

static size_t used_bytes(const struct parser *p)
{
	return p->entries.cnt * sizeof(*p->entries.v) + p->names.cnt;
}

static int add_entry(struct parser *p, uint64_t start, uint64_t sz, const char *name, size_t len)
{
	struct perf_entry e = {
		.start = start,
		.sz = (uint32_t)sz,
		.name = (uint32_t)p->names.cnt,
	};
	int r;

	len = MIN(len, (size_t)SYMTAB_NAME_MAX);
	if (p->entries.cnt >= p->limits->symbols ||
	    used_bytes(p) + sizeof(e) + len + 1 > p->limits->bytes)
		return SYMTAB_LIMIT;
	r = vec_reserve(&p->names, len + 1);
	if (r < 0)
		return r;
	memcpy(p->names.v + p->names.cnt, name, len);
	p->names.v[p->names.cnt + len] = '\0';
	p->names.cnt += len + 1;
	return vec_push(&p->entries, e);
}

static int parse_line(struct parser *p, const char *line, size_t len)
{
	const char *at = line, *end = line + len, *nul = memchr(line, '\0', len);
	uint64_t start, sz;

	if (nul)
		end = nul;
	while (at < end && is_blank(*at))
		at++;
	while (end > at && (is_blank(end[-1]) || end[-1] == '\r'))
		end--;
	if (!take_hex(&at, end, &start) || !take_hex(&at, end, &sz) || at == end)
		return SYMTAB_OK;
	if (sz == 0 || sz > PERF_ENTRY_SZ_MAX || start == 0 || start >= PERF_USER_END)
		return SYMTAB_OK;
	return add_entry(p, start, sz, at, (size_t)(end - at));
}

/* Parses the whole lines in the buffer; *filled is then what is left of it. */
static int parse_buffer(struct parser *p, char *buf, size_t *filled)
{
	size_t pos = 0;
	const char *nl;

	while ((nl = memchr(buf + pos, '\n', *filled - pos)) != NULL) {
		size_t len = (size_t)(nl - (buf + pos));
		int r = p->skip ? SYMTAB_OK : parse_line(p, buf + pos, len);

		if (r != SYMTAB_OK)
			return r;
		p->skip = false;
		pos += len + 1;
	}
	if (*filled - pos > LINE_MAX_SZ) {
		int r = p->skip ? SYMTAB_OK : parse_line(p, buf + pos, *filled - pos);

		if (r != SYMTAB_OK)
			return r;
		p->skip = true;
		pos = *filled;
	}
	memmove(buf, buf + pos, *filled - pos);
	*filled -= pos;
	return SYMTAB_OK;
}

/* What is left when the file ends. */
static int parse_rest(struct parser *p, const char *buf, size_t filled)
{
	if (filled == 0 || p->skip || p->at % BLOCK_SZ == 0)
		return SYMTAB_OK;
	return parse_line(p, buf, filled);
}

/* What lies from @from on: SYMTAB_OK, SYMTAB_LIMIT or -errno. */
static int parse_from(struct parser *p, int fd, uint64_t from, uint64_t file_sz)
{
	_cleanup_free_ char *buf = malloc(READ_SZ);
	size_t filled = 0;
	int r = SYMTAB_OK;

	if (!buf)
		return -ENOMEM;
	p->entries.cnt = 0;
	p->names.cnt = 0;
	p->at = from;
	p->skip = from > 0;
	while (r == SYMTAB_OK && p->at < file_sz) {
		size_t want = (size_t)MIN(file_sz - p->at, (uint64_t)(READ_SZ - filled));
		ssize_t n = pread(fd, buf + filled, want, (off_t)p->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break; /* it became shorter */
		filled += (size_t)n;
		p->at += (uint64_t)n;
		r = parse_buffer(p, buf, &filled);
	}
	return r == SYMTAB_OK ? parse_rest(p, buf, filled) : r;
}

/* Half as much each time that it is too much. */
static int parse(struct parser *p, int fd, uint64_t file_sz)
{
	uint64_t sz = MIN(file_sz, PERF_MAP_BYTES_MAX);
	int r;

	p->cut = sz < file_sz;
	while ((r = parse_from(p, fd, file_sz - sz, file_sz)) == SYMTAB_LIMIT) {
		p->cut = true;
		sz /= 2;
	}
	return r;
}

static void take_over(struct parser *p, struct perf_map *ret)
{
	*ret = (struct perf_map){
		.v = p->entries.v,
		.cnt = (uint32_t)p->entries.cnt,
		.names = p->names.v,
		.names_sz = p->names.cnt,
	};
	perf_map_fit(ret);
	p->entries.v = NULL;
	p->names.v = NULL;
}

int symtab_load_perf_map(int fd, uint64_t file_sz, const struct symtab_limits *limits,
			 struct symtab **ret)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	_cleanup_(parser_done) struct parser p = { .limits = limits };
	uint32_t cnt;
	int r;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	r = parse(&p, fd, file_sz);
	if (r != SYMTAB_OK)
		return r;
	t->info.cut = p.cut;
	t->info.sources = 1u << SYMTAB_SOURCE_PERF_MAP;
	if (p.entries.cnt > 0) {
		cnt = (uint32_t)p.entries.cnt;
		r = perf_map_settle(p.entries.v, &cnt);
		if (r < 0)
			return r;
		p.entries.cnt = cnt;
		/* The last line is never overlapped by a later one. */
		assert(p.entries.cnt > 0);
		take_over(&p, &t->perf_map);
	}
	r = t->perf_map.cnt > 0 ? SYMTAB_OK : SYMTAB_UNNAMED;
	*ret = TAKE_PTR(t);
	return r;
}
