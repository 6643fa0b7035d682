/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A list of (address, offset of the record), closed by the end of the last function; a record begins with the
 * address again. The tables by address are differences of variable length: of the value, folded so that
 * small negative ones are short, and of the address; a difference of nothing ends it.
 */

#include "tables.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"

#define ADDR_MAX (UINT64_MAX >> 16)
/* For each byte of the table: functions, steps and names share tables, hostile ones all the same. */
#define WORK_PER_BYTE 4
/* runtime.call1073741824 has the largest frame of all. */
#define DELTA_MAX (INT32_MAX / 2 + (1 << 16))
#define VARINT_MAX 5

int tables_open(struct tables *t, const struct gopclntab_file *file)
{
	uint64_t size = file->table.size;
	uint8_t head[GOPCLNTAB_HEAD_SZ];
	size_t sz = (size_t)MIN(size, (uint64_t)sizeof(head));
	int r;

	t->file = file;
	window_init(&t->list, &file->table);
	window_init(&t->records, &file->table);
	window_init(&t->names, &file->table);
	window_init(&t->pcs, &file->table);
	window_init(&t->code, &file->code);
	r = window_copy(&t->list, 0, head, sz);
	if (r < 0)
		return r;
	r = gopclntab_head(head, sz, size, &t->head);
	if (r < 0)
		return r;
	t->text = file->text != 0 ? file->text : t->head.text;
	t->work = size > UINT64_MAX / WORK_PER_BYTE ? UINT64_MAX : size * WORK_PER_BYTE;
	return 0;
}

bool tables_may(struct tables *t, uint64_t cnt)
{
	if (t->work < cnt) {
		t->work = 0;
		return false;
	}
	t->work -= cnt;
	return true;
}

static uint64_t uint_at(const uint8_t *p, unsigned int sz)
{
	uint64_t v = 0;

	memcpy(&v, p, sz);
	return v;
}

static uint64_t address(const struct tables *t, uint64_t v)
{
	return t->head.version >= GOPCLNTAB_118 ? t->text + v : v;
}

/* What follows a record's address, in units of 4 bytes. */
enum record_field {
	RECORD_NAME = 0,
	RECORD_PCSP = 3,
	RECORD_KNOWN = 7, /* names and tables, in all layouts */
	RECORD_FIELDS_MAX = 10,
};

/* Where, behind the address, the byte with the flags is; all of the record up to it. */
static size_t flags_at(enum gopclntab_version version)
{
	size_t fields = RECORD_KNOWN;

	if (version >= GOPCLNTAB_116) /* the unit of files */
		fields++;
	if (version >= GOPCLNTAB_120) /* the first line */
		fields++;
	return fields * 4 + 1;
}

static int read_record(struct tables *t, struct gopclntab_func *f)
{
	unsigned int word = tables_word(t->head.version);
	size_t flags = flags_at(t->head.version);
	uint8_t b[RECORD_FIELDS_MAX * 4];
	int r;

	r = window_copy(&t->records, f->record + word, b, flags + 1);
	if (r < 0)
		return r;
	f->name = (uint32_t)uint_at(b + (size_t)RECORD_NAME * 4, 4);
	f->pcsp = (uint32_t)uint_at(b + (size_t)RECORD_PCSP * 4, 4);
	f->flags = t->head.version >= GOPCLNTAB_116 ? b[flags] : 0;
	return 0;
}

int tables_func(struct tables *t, uint64_t i, struct gopclntab_func *ret)
{
	unsigned int word = tables_word(t->head.version);
	uint64_t base = t->head.version == GOPCLNTAB_12 ? 0 : t->head.funcs, offset;
	struct gopclntab_func f = { 0 };
	uint8_t b[3 * 8];
	int r;

	r = window_copy(&t->list, t->head.funcs + i * 2 * word, b, 3UL * word);
	if (r < 0)
		return r;
	f.start = address(t, uint_at(b, word));
	offset = uint_at(b + word, word);
	f.end = address(t, uint_at(b + 2UL * word, word));
	if (f.start >= f.end || f.end > ADDR_MAX || offset > t->file->table.size)
		return -EBADMSG;
	f.record = base + offset;
	r = read_record(t, &f);
	if (r < 0)
		return r;
	*ret = f;
	return 0;
}

int tables_name(struct tables *t, uint32_t name, char *dst, size_t sz)
{
	const uint8_t *p;
	size_t cnt;
	int r = window_peek(&t->names, t->head.names + name, sz - 1, &p, &cnt);

	if (r < 0)
		return r;
	memcpy(dst, p, cnt);
	dst[cnt] = '\0';
	return 0;
}

void steps_init(struct steps *s, struct tables *t, const struct gopclntab_func *f, uint32_t table)
{
	*s = (struct steps){
		.tables = t,
		.at = t->head.pc_tables + table,
		.pc = f->start,
		.end = f->end,
		.delta = -1,
		.first = true,
	};
}

static int read_varint(struct steps *s, uint32_t *ret)
{
	const uint8_t *p;
	uint32_t v = 0;
	size_t cnt, i;
	int r = window_peek(&s->tables->pcs, s->at, VARINT_MAX, &p, &cnt);

	if (r < 0)
		return r;
	for (i = 0; i < cnt; i++) {
		v |= (uint32_t)(p[i] & 0x7f) << (7 * i);
		if (!(p[i] & 0x80))
			break;
	}
	if (i == cnt)
		return -EBADMSG;
	s->at += i + 1;
	*ret = v;
	return 0;
}

int steps_next(struct steps *s, struct step *ret)
{
	uint32_t value, pc;
	int r;

	if (s->pc >= s->end)
		return 0;
	if (!tables_may(s->tables, 1))
		return -E2BIG;
	r = read_varint(s, &value);
	if (r < 0)
		return r;
	if (value == 0 && !s->first)
		return 0;
	s->first = false;
	r = read_varint(s, &pc);
	if (r < 0)
		return r;
	s->delta += (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
	if (s->delta > DELTA_MAX || s->delta < -DELTA_MAX)
		return -EBADMSG;
	ret->start = s->pc;
	ret->end = MIN(s->pc + pc, s->end);
	ret->delta = s->delta;
	s->pc = ret->end;
	return 1;
}
