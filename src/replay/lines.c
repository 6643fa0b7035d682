/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The functions of a place, the innermost first. The last one is that of the place's NAME, whose names are not
 * said again. More text than a chunk holds is none: then the inlined ones are left out.
 */

#include "lines.h"

#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"

static uint16_t text_len(const struct names *names, uint32_t id)
{
	return id ? (uint16_t)strnlen(names_text(names, id), REPLAY_TEXT_MAX) : 0;
}

static size_t padded(size_t sz)
{
	return (sz + 7) & ~(size_t)7;
}

static size_t line_text(const struct replay_line *l)
{
	return (size_t)l->name_len + l->linkage_len + l->file_len;
}

static struct replay_line line_of(const struct names *names, const struct name_line *from)
{
	return (struct replay_line){
		.line = from->line,
		.column = from->column,
		.start_line = from->start_line,
		.name_len = text_len(names, from->function),
		.linkage_len = text_len(names, from->linkage),
		.file_len = text_len(names, from->file),
	};
}

/* The own function's without its names, which NAME has. */
static struct replay_line own_of(const struct names *names, const struct name *name)
{
	struct replay_line l = line_of(names, &name->own);

	l.name_len = l.linkage_len = 0;
	return l;
}

static uint32_t inlined_that_fit(const struct names *names, const struct name *name, size_t *ret_sz)
{
	const struct name_line *inlined = names_inlined(names, name);
	struct replay_line l = own_of(names, name);
	size_t own_sz = sizeof(struct replay_lines) + sizeof(l) + line_text(&l), sz = own_sz;

	for (uint32_t i = 0; i < name->inlined_cnt; i++) {
		l = line_of(names, &inlined[i]);
		sz += sizeof(l) + line_text(&l);
	}
	*ret_sz = padded(sz <= REPLAY_CHUNK_MAX ? sz : own_sz);
	return sz <= REPLAY_CHUNK_MAX ? name->inlined_cnt : 0;
}

size_t lines_size(const struct names *names, const struct name *name)
{
	size_t sz;

	if (name->file == 0 && name->line == 0 && name->start_line == 0 && name->inlined_cnt == 0)
		return 0;
	(void)inlined_that_fit(names, name, &sz);
	return sz;
}

static char *put_text(char *to, const struct names *names, uint32_t id, size_t len)
{
	return len > 0 ? mempcpy(to, names_text(names, id), len) : to;
}

static char *put_texts(char *to, const struct names *names, const struct name_line *from,
		       const struct replay_line *l)
{
	to = put_text(to, names, from->function, l->name_len);
	to = put_text(to, names, from->linkage, l->linkage_len);
	return put_text(to, names, from->file, l->file_len);
}

void lines_fill(const struct names *names, const struct name *name, struct replay_lines *e)
{
	const struct name_line *inlined = names_inlined(names, name);
	struct replay_line *lines = (void *)(e + 1);
	size_t sz;
	char *to;

	e->cnt = inlined_that_fit(names, name, &sz) + 1;
	to = (char *)(lines + e->cnt);
	for (uint32_t i = 0; i + 1 < e->cnt; i++) {
		lines[i] = line_of(names, &inlined[i]);
		to = put_texts(to, names, &inlined[i], &lines[i]);
	}
	lines[e->cnt - 1] = own_of(names, name);
	put_texts(to, names, &name->own, &lines[e->cnt - 1]);
}

bool lines_check(const struct replay_lines *e, size_t sz)
{
	const struct replay_line *lines = (const void *)(e + 1);
	size_t want = sizeof(*e);

	if (sz < want || e->cnt == 0 || e->cnt > NAME_INLINED_MAX + 1 || e->pad != 0)
		return false;
	want += e->cnt * sizeof(*lines);
	if (sz < want)
		return false;
	for (uint32_t i = 0; i < e->cnt; i++) {
		const struct replay_line *l = &lines[i];

		if (l->name_len > REPLAY_TEXT_MAX || l->linkage_len > REPLAY_TEXT_MAX ||
		    l->file_len > REPLAY_TEXT_MAX || l->pad != 0)
			return false;
		/* Only the last has its name elsewhere. */
		if ((l->name_len == 0) != (i == e->cnt - 1))
			return false;
		want += line_text(l);
	}
	return sz == padded(want);
}

int lines_take_text(struct names *names, const char **text, size_t len, uint32_t *ret_id)
{
	char clean[3 * REPLAY_TEXT_MAX + 1];
	const char *at = *text;

	*text += len;
	if (len == 0)
		return 0;
	len = str_clean(clean, sizeof(clean), at, len, NULL);
	return names_string(names, clean, len, ret_id);
}

static int take_line(struct names *names, const struct replay_line *l, const char **text,
		     struct name_line *ret)
{
	int r;

	ret->line = l->line;
	ret->column = l->column;
	ret->start_line = l->start_line;
	r = lines_take_text(names, text, l->name_len, &ret->function);
	if (r == 0)
		r = lines_take_text(names, text, l->linkage_len, &ret->linkage);
	return r < 0 ? r : lines_take_text(names, text, l->file_len, &ret->file);
}

int lines_restore(struct names *names, const struct replay_lines *e)
{
	const struct replay_line *lines = (const void *)(e + 1);
	const char *text = (const char *)(lines + e->cnt);
	struct name_line inlined[NAME_INLINED_MAX] = { 0 };
	struct name name;
	int r = 0;

	if (!names_get(names, e->object, e->place, &name) || name.function == 0)
		return 0;
	name.inlined_cnt = e->cnt - 1;
	for (uint32_t i = 0; r == 0 && i < name.inlined_cnt; i++)
		r = take_line(names, &lines[i], &text, &inlined[i]);
	if (r == 0)
		r = take_line(names, &lines[e->cnt - 1], &text, &name.own);
	if (r == 0)
		r = names_put_inlined(names, inlined, name.inlined_cnt, &name.inlined);
	return r < 0 ? r : names_put(names, e->object, e->place, &name);
}
