/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A jitdump: what a just-in-time compiler put where, as records (linux,
 * tools/perf/Documentation/jitdump-specification.txt). It is appended to while the program runs, by a process
 * that may be hostile. Each code has the bytes of its instructions behind its name, which are passed over.
 *
 * Code that moves is followed when all was read: moves are entries without a name of their own, and take that of
 * the code with their index, if it lay where they say. What is not known afterwards still says that
 * nothing that lay there before is there now.
 *
 * Lines come before their code. V8 counts their addresses from where an ELF head would be that it expects
 * `perf inject` to put before the code: where no line of a whole file is within the first 64 bytes of its
 * function, all are meant so. It also writes other memory than its files' names: a record counts only if
 * it is consistent to its last byte, and each line within its code.
 */

#include "jitdump.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/vec.h"
#include "table.h"

#define READ_SZ (256u << 10) /* of a record that is larger no lines are read */
#define ELF_HEAD_SZ 64
#define NAME_NONE UINT32_MAX

/* Beside an entry. */
struct origin {
	uint64_t index;
	uint64_t old_addr; /* 0: it was not moved there */
};

struct dump {
	const struct symtab_limits *limits;
	int fd;
	uint64_t file_sz;
	VEC(struct perf_entry) entries;
	VEC(struct origin) origins;
	VEC(char) names;
	VEC(struct perf_line) lines; /* the first one is nobody's */
	size_t pending;		     /* the first of those whose code is not known; 0: none */
	uint64_t pending_addr;
	uint32_t file;	  /* of the last line; NAME_NONE: there was none */
	uint64_t nearest; /* to its function's beginning, of all lines */
	bool moved;
	bool no_lines; /* there is no room for them */
	bool cut;
	uint64_t at; /* of the bytes in the buffer */
	size_t filled;
	char *buf;
};

static void dump_done(struct dump *d)
{
	vec_done(&d->entries);
	vec_done(&d->origins);
	vec_done(&d->names);
	vec_done(&d->lines);
	free(d->buf);
}

/* Up to @sz bytes from @at on, at most READ_SZ. *ret_sz is less where the file ends. 0 or -errno. */
static int peek(struct dump *d, uint64_t at, size_t sz, const char **ret, size_t *ret_sz)
{
	if (at < d->at || at - d->at > d->filled || d->filled - (size_t)(at - d->at) < sz) {
		d->at = at;
		d->filled = 0;
		while (d->filled < READ_SZ && at + d->filled < d->file_sz) {
			size_t want = (size_t)MIN(d->file_sz - at - d->filled,
						  (uint64_t)(READ_SZ - d->filled));
			ssize_t n = pread(d->fd, d->buf + d->filled, want, (off_t)(at + d->filled));

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -errno;
			if (n == 0)
				break; /* it became shorter */
			d->filled += (size_t)n;
		}
	}
	*ret = d->buf + (at - d->at);
	*ret_sz = MIN(d->filled - (size_t)(at - d->at), sz);
	return 0;
}

static size_t used_bytes(const struct dump *d)
{
	return d->entries.cnt * (sizeof(*d->entries.v) + sizeof(*d->origins.v)) + d->names.cnt +
	       d->lines.cnt * sizeof(*d->lines.v);
}

static void drop_lines(struct dump *d)
{
	for (size_t i = 0; i < d->entries.cnt; i++)
		d->entries.v[i].lines = 0;
	d->lines.cnt = MIN(d->lines.cnt, (size_t)1);
	d->pending = 0;
	d->no_lines = true;
}

/* Lines go first; what came first goes then. */
static void make_room(struct dump *d, size_t bytes)
{
	bool full = d->entries.cnt >= d->limits->symbols;

	if (!full && used_bytes(d) + bytes <= d->limits->bytes)
		return;
	drop_lines(d);
	if (!full && used_bytes(d) + bytes <= d->limits->bytes)
		return;
	d->entries.cnt = 0;
	d->origins.cnt = 0;
	d->names.cnt = 0;
	d->file = NAME_NONE;
	d->cut = true;
}

/* 0 or -ENOMEM. */
static int add_name(struct dump *d, const char *name, size_t len, uint32_t *ret)
{
	int r = vec_reserve(&d->names, len + 1);

	if (r < 0)
		return r;
	*ret = (uint32_t)d->names.cnt;
	memcpy(d->names.v + d->names.cnt, name, len);
	d->names.v[d->names.cnt + len] = '\0';
	d->names.cnt += len + 1;
	return 0;
}

/* No room for it, then none for any. */
static int add_entry(struct dump *d, struct perf_entry e, struct origin o, const char *name,
		     size_t len)
{
	int r = 0;

	if (used_bytes(d) + sizeof(e) + sizeof(o) + len + 1 > d->limits->bytes ||
	    d->entries.cnt >= d->limits->symbols)
		return 0;
	e.name = NAME_NONE;
	if (len > 0)
		r = add_name(d, name, len, &e.name);
	if (r == 0)
		r = vec_push(&d->origins, o);
	return r < 0 ? r : vec_push(&d->entries, e);
}

static bool is_code(uint64_t addr, uint64_t sz)
{
	return addr > 0 && addr < PERF_USER_END && sz > 0 && sz <= PERF_ENTRY_SZ_MAX;
}

/* Those that were read before, if they are this code's. */
static uint32_t take_lines(struct dump *d, uint64_t addr, uint64_t sz)
{
	size_t first = d->pending;
	const struct perf_line *v;

	d->pending = 0;
	if (first == 0)
		return 0;
	v = d->lines.v + first;
	if (d->pending_addr != addr || v[v->offset].offset >= sz + ELF_HEAD_SZ) {
		d->lines.cnt = first;
		return 0;
	}
	d->nearest = MIN(d->nearest, (uint64_t)v[1].offset);
	return (uint32_t)first;
}

static int take_load(struct dump *d, uint64_t at, size_t sz)
{
	struct jitdump_load load;
	struct perf_entry e = { 0 };
	const char *p;
	size_t have, len;
	int r;

	r = peek(d, at, MIN(sz, sizeof(load) + SYMTAB_NAME_MAX + 1), &p, &have);
	if (r < 0 || have <= sizeof(load))
		return r;
	memcpy(&load, p, sizeof(load));
	if (!is_code(load.code_addr, load.code_sz))
		return 0;
	len = MIN(strnlen(p + sizeof(load), have - sizeof(load)), (size_t)SYMTAB_NAME_MAX);
	make_room(d, sizeof(e) + sizeof(struct origin) + len + 1);
	e.start = load.code_addr;
	e.sz = (uint32_t)load.code_sz;
	e.lines = take_lines(d, load.code_addr, load.code_sz);
	return add_entry(d, e, (struct origin){ .index = load.code_index }, p + sizeof(load), len);
}

static int take_move(struct dump *d, uint64_t at, size_t sz)
{
	struct jitdump_move move;
	const char *p;
	size_t have;
	int r;

	if (sz < sizeof(move))
		return 0;
	r = peek(d, at, sizeof(move), &p, &have);
	if (r < 0 || have < sizeof(move))
		return r;
	memcpy(&move, p, sizeof(move));
	if (!is_code(move.new_addr, move.code_sz) || move.old_addr == 0)
		return 0;
	d->moved = true;
	make_room(d, sizeof(struct perf_entry) + sizeof(struct origin) + 1);
	return add_entry(
		d, (struct perf_entry){ .start = move.new_addr, .sz = (uint32_t)move.code_sz },
		(struct origin){ move.code_index, move.old_addr }, NULL, 0);
}

/* The name of a line's file, which is often that of the line before. 0 or -ENOMEM. */
static int name_file(struct dump *d, const char *name, size_t len)
{
	if (strcmp(name, JITDUMP_SAME) == 0 ||
	    (d->file != NAME_NONE && strcmp(name, d->names.v + d->file) == 0))
		return 0;
	if (used_bytes(d) + len + 1 > d->limits->bytes) {
		drop_lines(d);
		return 0;
	}
	return add_name(d, name, MIN(len, (size_t)SYMTAB_NAME_MAX), &d->file);
}

/* One of the @sz bytes at @p: how long it is; 0: it is none; or -ENOMEM. */
static int take_line(struct dump *d, const char *p, size_t sz)
{
	struct jitdump_line line;
	struct perf_line *before = &d->lines.v[d->lines.cnt - 1];
	bool first = d->lines.cnt == d->pending + 1;
	size_t len;
	int r;

	if (sz <= sizeof(line))
		return 0;
	memcpy(&line, p, sizeof(line));
	len = strnlen(p + sizeof(line), sz - sizeof(line));
	if (len == sz - sizeof(line) ||
	    line.addr - d->pending_addr > PERF_ENTRY_SZ_MAX + ELF_HEAD_SZ ||
	    (!first && line.addr - d->pending_addr < before->offset))
		return 0;
	if (first && strcmp(p + sizeof(line), JITDUMP_SAME) == 0)
		return 0;
	r = name_file(d, p + sizeof(line), len);
	if (r < 0 || d->no_lines)
		return r;
	r = vec_push(&d->lines,
		     (struct perf_line){ .offset = (uint32_t)(line.addr - d->pending_addr),
					 .line = line.line,
					 .file = d->file });
	return r < 0 ? r : (int)(sizeof(line) + len + 1);
}

/* Forgets lines whose code did not come. */
static void forget_pending(struct dump *d)
{
	if (d->pending != 0)
		d->lines.cnt = d->pending;
	d->pending = 0;
}

static int take_lines_of(struct dump *d, const struct jitdump_debug *debug, const char *p,
			 size_t sz)
{
	uint32_t cnt = 0;
	int r = 1;

	while (cnt < debug->cnt && r > 0) {
		r = take_line(d, p, sz);
		if (r <= 0)
			break;
		p += r;
		sz -= (size_t)r;
		cnt++;
	}
	/* A record may be filled up to a multiple of 8. */
	if (r > 0 && cnt > 0 && sz < 8)
		d->lines.v[d->pending].offset = cnt;
	else
		forget_pending(d);
	return MIN(r, 0);
}

static int take_debug(struct dump *d, uint64_t at, size_t sz)
{
	struct jitdump_debug debug;
	const char *p;
	size_t have;
	int r;

	forget_pending(d);
	if (sz < sizeof(debug) || sz > READ_SZ || d->no_lines)
		return 0;
	r = peek(d, at, sz, &p, &have);
	if (r < 0 || have < sz)
		return r;
	memcpy(&debug, p, sizeof(debug));
	if (debug.cnt > sz / sizeof(struct jitdump_line) || debug.code_addr >= PERF_USER_END)
		return 0;
	make_room(d, ((size_t)debug.cnt + 2) * sizeof(struct perf_line));
	if (d->no_lines)
		return 0;
	for (size_t i = d->lines.cnt == 0 ? 0 : 1; i < 2; i++) { /* nobody's, and what counts */
		r = vec_push(&d->lines, (struct perf_line){ 0 });
		if (r < 0)
			return r;
	}
	d->pending = d->lines.cnt - 1;
	d->pending_addr = debug.code_addr;
	return take_lines_of(d, &debug, p + sizeof(debug), sz - sizeof(debug));
}

/* SYMTAB_OK, SYMTAB_BAD or -errno. */
static int read_head(struct dump *d, uint64_t *ret_end)
{
	struct jitdump_head head;
	const char *p;
	size_t have;
	int r = peek(d, 0, sizeof(head), &p, &have);

	if (r < 0)
		return r;
	if (have < sizeof(head))
		return SYMTAB_BAD;
	memcpy(&head, p, sizeof(head));
	if (head.magic != JITDUMP_MAGIC || head.version != JITDUMP_VERSION ||
	    head.machine != JITDUMP_MACHINE || head.total_sz < sizeof(head))
		return SYMTAB_BAD;
	*ret_end = head.total_sz;
	return SYMTAB_OK;
}

static int take_record(struct dump *d, uint64_t at, const struct jitdump_record *record)
{
	switch (record->id) {
	case JITDUMP_LOAD:
		return take_load(d, at, record->total_sz);
	case JITDUMP_MOVE:
		return take_move(d, at, record->total_sz);
	case JITDUMP_DEBUG_INFO:
		return take_debug(d, at, record->total_sz);
	default:
		return 0;
	}
}

static int read_records(struct dump *d, uint64_t at)
{
	struct jitdump_record record;
	const char *p;
	size_t have;

	for (;; at += record.total_sz) {
		int r = peek(d, at, sizeof(record), &p, &have);

		if (r < 0)
			return r;
		if (have < sizeof(record))
			return 0;
		memcpy(&record, p, sizeof(record));
		/* The end of the last one may not be written yet. */
		if (record.id == JITDUMP_CLOSE || record.total_sz < sizeof(record) ||
		    record.total_sz > d->file_sz - at)
			return 0;
		r = take_record(d, at, &record);
		if (r < 0)
			return r;
	}
}

static int compare_ids(const void *pa, const void *pb, void *ctx)
{
	const struct origin *origins = ctx;
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
	int r = CMP(origins[a].index, origins[b].index);

	return r != 0 ? r : CMP(a, b);
}

/* Code that moved keeps its name and its lines, and is not where it was. */
static void follow(struct dump *d, const uint32_t *ids)
{
	struct perf_entry *now = NULL;

	for (size_t i = 0; i < d->entries.cnt; i++) {
		struct perf_entry *e = &d->entries.v[ids[i]];
		const struct origin *o = &d->origins.v[ids[i]];

		if (i > 0 && o->index != d->origins.v[ids[i - 1]].index)
			now = NULL;
		if (o->old_addr != 0 && now && now->start == o->old_addr) {
			e->name = now->name;
			e->lines = now->lines;
			now->name = NAME_NONE;
		}
		now = e;
	}
}

static int follow_moves(struct dump *d)
{
	_cleanup_free_ uint32_t *ids = malloc(MAX(d->entries.cnt, (size_t)1) * sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < d->entries.cnt; i++)
		ids[i] = (uint32_t)i;
	qsort_r(ids, d->entries.cnt, sizeof(*ids), compare_ids, d->origins.v);
	follow(d, ids);
	return 0;
}

/* What has no name was there to end others. */
static uint32_t keep_named(struct perf_entry *v, uint32_t cnt)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		if (v[i].name != NAME_NONE)
			v[kept++] = v[i];
	}
	return kept;
}

static int settle(struct dump *d, struct perf_map *ret)
{
	uint32_t cnt = (uint32_t)d->entries.cnt;
	int r = d->moved ? follow_moves(d) : 0;

	if (r == 0)
		r = perf_map_settle(d->entries.v, &cnt);
	if (r < 0)
		return r;
	cnt = keep_named(d->entries.v, cnt);
	if (cnt == 0)
		return 0;
	*ret = (struct perf_map){
		.v = d->entries.v,
		.cnt = cnt,
		.names = d->names.v,
		.names_sz = d->names.cnt,
		.lines = d->lines.v,
		.lines_cnt = (uint32_t)d->lines.cnt,
		.lines_shift = d->nearest >= ELF_HEAD_SZ ? ELF_HEAD_SZ : 0,
	};
	perf_map_fit(ret);
	d->entries.v = NULL;
	d->names.v = NULL;
	d->lines.v = NULL;
	return 0;
}

int symtab_load_jitdump(int fd, uint64_t file_sz, const struct symtab_limits *limits,
			struct symtab **ret)
{
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	_cleanup_(dump_done) struct dump d = {
		.limits = limits,
		.fd = fd,
		.file_sz = file_sz,
		.file = NAME_NONE,
		.nearest = UINT64_MAX,
	};
	uint64_t at;
	int r;

	if (file_sz > JITDUMP_BYTES_MAX)
		return SYMTAB_LIMIT;
	t = calloc(1, sizeof(*t));
	d.buf = malloc(READ_SZ);
	if (!t || !d.buf)
		return -ENOMEM;
	r = read_head(&d, &at);
	if (r != SYMTAB_OK)
		return r;
	r = read_records(&d, at);
	if (r == 0)
		r = settle(&d, &t->perf_map);
	if (r < 0)
		return r;
	t->info.cut = d.cut;
	t->info.sources = 1u << SYMTAB_SOURCE_JITDUMP;
	r = t->perf_map.cnt > 0 ? SYMTAB_OK : SYMTAB_UNNAMED;
	*ret = TAKE_PTR(t);
	return r;
}

int symtab_load_jit(int fd, uint64_t file_sz, const struct symtab_limits *limits,
		    struct symtab **ret)
{
	const uint32_t other = __builtin_bswap32(JITDUMP_MAGIC);
	uint32_t magic = 0;

	/* A file that is shorter is neither. One of the other byte order is refused there. */
	if (pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) &&
	    (magic == JITDUMP_MAGIC || magic == other))
		return symtab_load_jitdump(fd, file_sz, limits, ret);
	return symtab_load_perf_map(fd, file_sz, limits, ret);
}
