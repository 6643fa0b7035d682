/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names of one file have much text in common: functions that many places are inlined from, and paths of sources.
 * A text is a stretch of the message, whoever put it there; what reaches beyond the message is a lie, anything
 * else is some text, which the reader cleans as it cleans all. The writer remembers where some texts are, by a
 * hash of their bytes: one that is pushed out of a slot is sent once more, nothing worse.
 */

#include "named.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/wire.h"

_Static_assert(sizeof(struct wire_named) == 32, "wire_named");
_Static_assert(sizeof(struct wire_name) == 16, "wire_name");
_Static_assert(sizeof(struct wire_line) == 24, "wire_line");

static size_t name_size(const struct wire_name *n)
{
	return sizeof(*n) + n->lines_cnt * sizeof(struct wire_line) + n->text_sz;
}

static bool text_is_in(const struct wire_text *t, size_t sz)
{
	return t->len <= WIRE_NAME_MAX && t->at + (size_t)t->len <= sz;
}

static bool lines_are_in(const struct wire_name *n, size_t sz)
{
	const struct wire_line *lines = (const void *)(n + 1);

	for (uint16_t i = 0; i < n->lines_cnt; i++) {
		const struct wire_line *l = &lines[i];

		if (l->name.len == 0 || !text_is_in(&l->name, sz) || !text_is_in(&l->linkage, sz) ||
		    !text_is_in(&l->file, sz))
			return false;
	}
	return true;
}

bool named_check(const void *msg, size_t sz)
{
	const struct wire_named *m = msg;
	size_t pos = sizeof(*m);

	if (m->status >= WIRE_OBJECT_MAX || m->cnt > WIRE_NAMES_MAX || m->closed > 1 ||
	    m->wants > 1)
		return false;
	if (m->status == WIRE_OBJECT_BAD && m->cnt > 0)
		return false;
	for (uint32_t i = 0; i < m->cnt; i++) {
		const struct wire_name *n = (const void *)((const char *)msg + pos);

		if (sz - pos < sizeof(*n))
			return false;
		if (n->lines_cnt > WIRE_LINES_MAX || n->part > 1 || n->text_sz % 8 != 0 ||
		    n->text_sz > sz)
			return false;
		if (sz - pos < name_size(n) || !lines_are_in(n, sz))
			return false;
		pos += name_size(n);
	}
	return pos == sz;
}

int wire_named_next(const struct wire_named *m, size_t *pos, struct wire_name_view *ret)
{
	const struct wire_name *n;

	if (*pos == 0)
		*pos = sizeof(*m);
	if (*pos >= m->head.size)
		return 0;
	n = (const void *)((const char *)m + *pos);
	*ret = (struct wire_name_view){
		.m = m,
		.lines = (const void *)(n + 1),
		.start = n->start,
		.lines_cnt = n->lines_cnt,
		.part = n->part,
	};
	*pos += name_size(n);
	return 1;
}

void wire_named_line(const struct wire_name_view *name, uint16_t i, struct wire_line_view *ret)
{
	const struct wire_line *l = &name->lines[i];
	const char *m = (const char *)name->m;

	assert(i < name->lines_cnt);

	*ret = (struct wire_line_view){
		.name = m + l->name.at,
		.linkage = m + l->linkage.at,
		.file = m + l->file.at,
		.name_len = l->name.len,
		.linkage_len = l->linkage.len,
		.file_len = l->file.len,
		.line = l->line,
		.column = l->column,
		.start_line = l->start_line,
	};
}

void wire_named_writer_init(struct wire_named_writer *w, struct wire_named *m, size_t cap)
{
	assert(m->head.size == sizeof(*m) && m->cnt == 0);

	*w = (struct wire_named_writer){ .m = m, .cap = MIN(cap, (size_t)WIRE_MESSAGE_MAX) };
}

/* FNV-1a: a slot, not a promise. */
static unsigned slot_of(const char *text, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * 16777619u;
	return (hash ^ hash >> 16) % WIRE_TEXTS_KEPT;
}

/* Where the text is, put at @at if nowhere yet; false: there is no room. */
static bool put_text(struct wire_named_writer *w, size_t *at, struct wire_text *ret,
		     const char *text, size_t len)
{
	struct wire_text *kept;

	*ret = (struct wire_text){ .len = (uint16_t)MIN(len, (size_t)WIRE_NAME_MAX) };
	if (ret->len == 0)
		return true;
	kept = &w->kept[slot_of(text, ret->len)];
	if (kept->len != ret->len || memcmp((char *)w->m + kept->at, text, ret->len) != 0) {
		if (*at > w->cap || ret->len > w->cap - *at)
			return false;
		ret->at = (uint16_t)*at;
		memcpy((char *)w->m + *at, text, ret->len);
		*at += ret->len;
		*kept = *ret;
	}
	ret->at = kept->at;
	return true;
}

static bool put_line(struct wire_named_writer *w, size_t *at, struct wire_line *to,
		     const struct wire_line_view *l)
{
	size_t len = MIN(l->name_len, WIRE_NAME_MAX);
	size_t linkage_len = MIN(l->linkage_len, WIRE_NAME_MAX);

	if (linkage_len == len && memcmp(l->linkage, l->name, len) == 0)
		linkage_len = 0;
	*to = (struct wire_line){
		.line = l->line,
		.column = l->column,
		.start_line = l->start_line,
	};
	return put_text(w, at, &to->name, l->name, len) &&
	       put_text(w, at, &to->linkage, l->linkage, linkage_len) &&
	       put_text(w, at, &to->file, l->file, l->file_len);
}

static int put_name(struct wire_named_writer *w, uint64_t start, const struct wire_line_view *lines,
		    uint16_t cnt)
{
	struct wire_named *m = w->m;
	struct wire_name *n = (void *)((char *)m + m->head.size);
	size_t text = m->head.size + sizeof(*n) + cnt * sizeof(struct wire_line), at = text, end;

	if (m->cnt >= WIRE_NAMES_MAX || text > w->cap)
		return -ENOSPC;
	for (uint16_t i = 0; i < cnt; i++) {
		if (!put_line(w, &at, (struct wire_line *)(n + 1) + i, &lines[i]))
			return -ENOSPC;
	}
	end = (at + 7) & ~(size_t)7;
	if (end > w->cap)
		return -ENOSPC;
	/* The padding goes over a socket: nothing of our memory may be in it. */
	memset((char *)m + at, 0, end - at);
	*n = (struct wire_name){
		.start = start,
		.text_sz = (uint32_t)(end - text),
		.lines_cnt = cnt,
	};
	w->last = m->head.size;
	m->head.size = (uint32_t)end;
	m->cnt++;
	return 0;
}

/* Texts of a name that was not put are no texts. */
static void forget_texts(struct wire_named_writer *w)
{
	for (size_t i = 0; i < WIRE_TEXTS_KEPT; i++) {
		if (w->kept[i].at + (size_t)w->kept[i].len > w->m->head.size)
			w->kept[i] = (struct wire_text){ 0 };
	}
}

int wire_named_add(struct wire_named_writer *w, uint64_t start, const struct wire_line_view *lines,
		   size_t cnt)
{
	const struct wire_line_view *own = lines + cnt - 1;
	int r;

	assert(w->m->head.size >= sizeof(*w->m) && w->m->head.size % 8 == 0);

	if (cnt == 0 || own->name_len == 0)
		return put_name(w, start, NULL, 0);
	if (cnt > WIRE_LINES_MAX) {
		lines += cnt - WIRE_LINES_MAX;
		cnt = WIRE_LINES_MAX;
	}
	r = put_name(w, start, lines, (uint16_t)cnt);
	if (r == 0)
		return 0;
	forget_texts(w);
	if (w->m->cnt > 0 || cnt == 1)
		return r;
	r = put_name(w, start, own, 1);
	if (r < 0)
		forget_texts(w);
	return r;
}

void wire_named_part(struct wire_named_writer *w)
{
	struct wire_name *n = (void *)((char *)w->m + w->last);

	assert(w->last > 0);

	n->part = 1;
}
