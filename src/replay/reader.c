/* SPDX-License-Identifier: Apache-2.0 */

/*
 * reader — a file of a stranger, entry by entry.
 *
 * One chunk is in memory at a time, its size held against the limit before it is read and its check
 * before anything of it is used. An entry has one right size, computed from its own counts; text
 * passes str_clean() where it is restored. A file that was cut lacks its END.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/replay.h"
#include "lines.h"

CPROF_ASSERT(sizeof(struct replay_head) == 24);
CPROF_ASSERT(sizeof(struct replay_end) == 16);

/* The block of rows that is being read, piece by piece. */
struct piece {
	uint32_t object;
	uint32_t total_sz; /* 0: none */
	uint32_t at;	   /* the next one's */
};

struct reader {
	const struct replay_reader_opts *opts;
	struct replay_fault *fault;
	uint64_t at;	  /* in the file */
	bool has_memory;  /* it is of the version that may have ROWS and KEPT */
	uint32_t stage;	  /* type of the last chunk: they come in order */
	uint32_t objects; /* the id that the next object must have */
	uint64_t records;
	struct piece piece;
	_Alignas(8) uint8_t bytes[REPLAY_CHUNK_MAX];
};

__attribute__((format(printf, 4, 5))) static int fault(struct reader *rd, int error, uint64_t at,
						       const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(rd->fault->text, sizeof(rd->fault->text), fmt, ap);
	va_end(ap);
	rd->fault->offset = at;
	return error;
}

/* Exactly @sz bytes: 1; 0: there is not one more; or -errno, -EBADMSG where the file is cut. */
static int take(struct reader *rd, void *dst, size_t sz)
{
	size_t have = 0;

	while (have < sz) {
		ssize_t n = rd->opts->read((uint8_t *)dst + have, sz - have, rd->opts->ctx);

		if (n < 0)
			return fault(rd, (int)n, rd->at + have, "it cannot be read");
		if (n == 0)
			break;
		have += (size_t)n;
	}
	rd->at += have;
	if (have == 0 || have == sz)
		return have == sz;
	return fault(rd, -EBADMSG, rd->at, "it is cut: %zu bytes are missing", sz - have);
}

static int take_head(struct reader *rd)
{
	struct replay_head head;
	int r = take(rd, &head, sizeof(head));

	if (r < 0 && r != -EBADMSG)
		return r;
	if (r <= 0 || memcmp(head.magic, REPLAY_MAGIC, sizeof(head.magic)) != 0)
		return fault(rd, -EBADMSG, 0, "it is no replay file");
	if (head.pad != 0)
		return fault(rd, -EBADMSG, offsetof(struct replay_head, pad), "it is damaged");
	if (head.byte_order != REPLAY_BYTE_ORDER)
		return fault(rd, -EPROTONOSUPPORT, offsetof(struct replay_head, byte_order),
			     "it is of a machine with another byte order");
	if (head.version != REPLAY_VERSION && head.version != REPLAY_VERSION_MEMORY)
		return fault(rd, -EPROTONOSUPPORT, offsetof(struct replay_head, version),
			     "it has version %u of the format, and this cprofd reads version %u "
			     "and %u",
			     head.version, REPLAY_VERSION, REPLAY_VERSION_MEMORY);
	if (head.abi_version != CPROF_ABI_VERSION)
		return fault(rd, -EPROTONOSUPPORT, offsetof(struct replay_head, abi_version),
			     "it has records of version %u, and this cprofd reads version %u",
			     head.abi_version, CPROF_ABI_VERSION);
	rd->has_memory = head.version == REPLAY_VERSION_MEMORY;
	return 0;
}

static size_t padded(size_t sz)
{
	return (sz + 7) & ~(size_t)7;
}

static bool is_text(const char *text, size_t sz)
{
	return memchr(text, '\0', sz);
}

static bool check_session(struct reader *rd, const void *entry, size_t sz)
{
	const struct replay_session *s = entry;

	return sz == sizeof(*s) &&
	       (s->flags & ~(uint32_t)(REPLAY_MERGED | REPLAY_WALK_PROC)) == 0 &&
	       s->pids_cnt <= REPLAY_PIDS_MAX && (s->hz > 0) == (s->event_count == 0) &&
	       s->from_boot_ns <= s->to_boot_ns && is_text(s->event, sizeof(s->event)) &&
	       is_text(s->version, sizeof(s->version)) && is_text(s->boot_id, sizeof(s->boot_id)) &&
	       is_text(s->host, sizeof(s->host));
}

static bool check_object(struct reader *rd, const void *entry, size_t sz)
{
	const struct replay_object *o = entry;

	if (sz < sizeof(*o) || o->segments_cnt > OBJECT_SEGMENTS_MAX ||
	    o->build_id_sz > OBJECT_BUILD_ID_MAX || o->path_len > REPLAY_TEXT_MAX ||
	    o->state > OBJECT_BAD || o->elf > OBJECT_ELF_DYN || o->kind > OBJECT_JIT)
		return false;
	if (sz !=
	    padded(sizeof(*o) + o->segments_cnt * sizeof(struct object_segment) + o->path_len))
		return false;
	if (o->id < CPROF_OBJECT_FIRST)
		return true;
	return o->id == rd->objects && rd->objects++ < REPLAY_OBJECTS_MAX;
}

/* Ids of objects that are not in the file lead nowhere. */
static bool is_object(const struct reader *rd, uint32_t id)
{
	return id < rd->objects;
}

static bool check_name(struct reader *rd, const void *entry, size_t sz)
{
	const struct replay_name *n = entry;

	return sz >= sizeof(*n) && n->name_len <= REPLAY_TEXT_MAX &&
	       n->linkage_len <= REPLAY_TEXT_MAX &&
	       sz == padded(sizeof(*n) + n->name_len + n->linkage_len) && is_object(rd, n->object);
}

static bool check_lines(struct reader *rd, const void *entry, size_t sz)
{
	const struct replay_lines *e = entry;

	return lines_check(e, sz) && is_object(rd, e->object);
}

static bool check_group(struct reader *rd, const void *entry, size_t sz)
{
	const struct replay_group *g = entry;

	return sz >= sizeof(*g) && g->hierarchy < CPROF_HIERARCHY_MAX && g->path_len > 0 &&
	       g->path_len < CGROUPS_PATH_SZ && sz == padded(sizeof(*g) + g->path_len) &&
	       *(const char *)(g + 1) == '/';
}

/* The rest is for decode_record(). */
static bool check_record(struct reader *rd, const void *entry, size_t sz)
{
	rd->records++;
	return sz >= sizeof(struct cprof_head);
}

/* Whether the pieces make a block of rows, rows_check() tells. */
static bool check_rows(struct reader *rd, const void *entry, size_t sz)
{
	const struct replay_rows *e = entry;
	struct piece *p = &rd->piece;

	if (sz < sizeof(*e) || e->bytes_sz == 0 || sz != padded(sizeof(*e) + (size_t)e->bytes_sz) ||
	    e->pad != 0 || !is_object(rd, e->object))
		return false;
	if (p->total_sz == 0 && e->at == 0 && e->total_sz <= REPLAY_ROWS_MAX)
		*p = (struct piece){ e->object, e->total_sz, 0 };
	if (e->object != p->object || e->total_sz != p->total_sz || e->at != p->at ||
	    e->bytes_sz > p->total_sz - p->at)
		return false;
	p->at += e->bytes_sz;
	if (p->at == p->total_sz)
		p->total_sz = 0;
	return true;
}

/* The rest is for decode_record(). No block of rows is left half read. */
static bool check_kept(struct reader *rd, const void *entry, size_t sz)
{
	const struct cprof_kept *e = entry;
	const struct cprof_kept_map *maps = (const void *)(e + 1);

	if (rd->piece.total_sz != 0 || sz < sizeof(*e) || e->keys_cnt != 0 ||
	    e->maps_cnt > (sz - sizeof(*e)) / sizeof(*maps))
		return false;
	for (uint32_t i = 0; i < e->maps_cnt; i++)
		if (!is_object(rd, maps[i].object))
			return false;
	return true;
}

static bool check_process(struct reader *rd, const void *entry, size_t sz)
{
	const struct replay_process *p = entry;

	return sz == sizeof(*p) && (p->flags & ~(REPLAY_CPU_KNOWN | REPLAY_ENDED)) == 0;
}

static bool check_end(struct reader *rd, const void *entry, size_t sz)
{
	const struct replay_end *e = entry;

	return rd->piece.total_sz == 0 && sz >= sizeof(*e) &&
	       e->counters_cnt <= REPLAY_COUNTERS_MAX &&
	       sz == sizeof(*e) + e->counters_cnt * sizeof(uint64_t) && e->records == rd->records;
}

struct kind {
	const char *name;
	bool (*check)(struct reader *rd, const void *entry, size_t sz);
	uint32_t place; /* of its chunks in the order of all */
	bool once;
};

static const struct kind kinds[REPLAY_TYPE_MAX] = {
	[REPLAY_SESSION] = { "session", check_session, 1, true },
	[REPLAY_OBJECT] = { "object", check_object, 2, false },
	[REPLAY_NAME] = { "name", check_name, 3, false },
	[REPLAY_LINES] = { "line", check_lines, 3, false },
	[REPLAY_GROUP] = { "group", check_group, 4, false },
	[REPLAY_RECORDS] = { "record", check_record, 5, false },
	[REPLAY_ROWS] = { "block of rows", check_rows, 6, false },
	[REPLAY_KEPT] = { "kept stack", check_kept, 7, false },
	[REPLAY_PROCESS] = { "process", check_process, 8, false },
	[REPLAY_END] = { "end", check_end, 9, true },
};

static int give_entries(struct reader *rd, const struct replay_chunk *c)
{
	const struct kind *kind = &kinds[c->type];
	const uint64_t start = rd->at - c->size;
	uint64_t pos = 0;

	while (pos < c->size) {
		const struct replay_entry *e = (const void *)(rd->bytes + pos);
		const uint64_t at = start + pos;
		int r;

		if (e->size < 2 * sizeof(*e) || e->size % 8 != 0 || e->size > c->size - pos)
			return fault(rd, -EBADMSG, at, "it is damaged: the size of a %s is wrong",
				     kind->name);
		if (!kind->check(rd, e, e->size) || (kind->once && e->size != c->size))
			return fault(rd, -EBADMSG, at, "it is damaged: a %s makes no sense",
				     kind->name);
		rd->fault->offset = at;
		rd->fault->text[0] = '\0';
		r = rd->opts->entry(c->type, e, rd->opts->ctx);
		if (r == -EBADMSG)
			return fault(rd, r, at, "it is damaged: a %s makes no sense", kind->name);
		if (r < 0)
			return r;
		pos += e->size;
	}
	return 0;
}

/* The first is the session, types never go back, the end comes once. */
static bool is_in_order(const struct reader *rd, uint32_t type)
{
	if (rd->stage == 0 || type == REPLAY_SESSION)
		return rd->stage == 0 && type == REPLAY_SESSION;
	if ((type == REPLAY_ROWS || type == REPLAY_KEPT) && !rd->has_memory)
		return false;
	return kinds[type].place >= kinds[rd->stage].place;
}

static int take_chunk(struct reader *rd)
{
	const uint64_t at = rd->at;
	struct replay_chunk c;
	int r = take(rd, &c, sizeof(c));

	if (r < 0)
		return r;
	if (r == 0)
		return fault(rd, -EBADMSG, at, "it is cut: its end is missing");
	if (c.type < REPLAY_SESSION || c.type >= REPLAY_TYPE_MAX || c.size == 0 ||
	    c.size > REPLAY_CHUNK_MAX || c.size % 8 != 0 || c.pad != 0)
		return fault(rd, -EBADMSG, at, "it is damaged: this is no chunk");
	if (!is_in_order(rd, c.type))
		return fault(rd, -EBADMSG, at, "it is damaged: a chunk is out of order");
	r = take(rd, rd->bytes, c.size);
	if (r < 0)
		return r;
	if (r == 0)
		return fault(rd, -EBADMSG, rd->at, "it is cut: a chunk is missing");
	if (replay_check(&c, rd->bytes) != c.check)
		return fault(rd, -EBADMSG, at, "it is damaged: the check of a chunk fails");
	rd->stage = c.type;
	return give_entries(rd, &c);
}

static int take_nothing(struct reader *rd)
{
	const uint64_t at = rd->at;
	int r = take(rd, rd->bytes, 1);

	return r <= 0 ? r : fault(rd, -EBADMSG, at, "there is something behind its end");
}

int replay_read(const struct replay_reader_opts *opts, struct replay_fault *ret_fault)
{
	_cleanup_free_ struct reader *rd = malloc(sizeof(*rd));
	int r;

	*ret_fault = (struct replay_fault){ 0 };
	if (!rd)
		return -ENOMEM;
	rd->opts = opts;
	rd->fault = ret_fault;
	rd->at = rd->records = 0;
	rd->stage = 0;
	rd->piece = (struct piece){ 0 };
	rd->objects = CPROF_OBJECT_FIRST;
	r = take_head(rd);
	while (r == 0 && rd->stage != REPLAY_END)
		r = take_chunk(rd);
	return r < 0 ? r : take_nothing(rd);
}
