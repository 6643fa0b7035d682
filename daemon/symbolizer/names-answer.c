/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a place is called: by what the file tells of its source, where it tells anything, and else by the table
 * of its symbols, which is there when the file is not. Text from files is demangled and then cleaned here,
 * once; the sampler checks it again, for it does not believe us.
 *
 * An answer has room for some hundred places, a question asks for a thousand. So lines are looked up for some
 * at a time, and when the answer is full only those were in vain.
 */

#include "answer.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/arena.h"
#include "cprof/base/str.h"
#include "cprof/symtab_lean.h"

#define PLACES_CNT 64
/* Texts of so many places, beyond which the others have the names of their symbols. */
#define TEXTS_BYTES (4u << 20)

/* The forms of one name on its way: as in the file, readable, clean. */
struct name_text {
	char raw[SYMTAB_NAME_MAX + 1];
	char readable[SYMTAB_NAME_MAX + 1];
	char name[WIRE_NAME_MAX + 1];
	char linkage[WIRE_NAME_MAX + 1];
	char file[WIRE_NAME_MAX + 1];
};

/* What the file tells of a place; none: nothing. */
struct place {
	struct wire_line_view *lines;
	size_t cnt;
	uint64_t start;
	bool part;
};

struct naming {
	const struct table *table;
	struct arena arena;
	struct place places[PLACES_CNT];
	struct name_text text;
};

/* "name [module]" keeps its tail when its name is demangled. */
static void make_line(const struct symtab_symbol *s, struct name_text *text,
		      struct wire_line_view *ret)
{
	size_t len = strlen(s->name), core = len - s->module_len, out;

	memcpy(text->raw, s->name, core);
	text->raw[core] = '\0';
	len = str_clean(text->linkage, sizeof(text->linkage), s->name, len, NULL);
	*ret = (struct wire_line_view){
		.name = text->linkage,
		.name_len = (uint16_t)len,
	};
	if (s->file) {
		ret->file = text->file;
		ret->file_len = (uint16_t)str_clean(text->file, sizeof(text->file), s->file,
						    strlen(s->file), NULL);
		ret->line = s->line;
	}
	out = symtab_readable(text->raw, s->naming, text->readable,
			      sizeof(text->readable) - s->module_len);
	if (out == 0)
		return;
	memcpy(text->readable + out, s->name + core, s->module_len + 1);
	out = str_clean(text->name, sizeof(text->name), text->readable, out + s->module_len, NULL);
	ret->name = text->name;
	ret->name_len = (uint16_t)out;
	ret->linkage = text->linkage;
	ret->linkage_len = (uint16_t)len;
}

/* A copy of what is told, clean. Not 0: there is no memory. */
static int keep_text(struct naming *n, const char *text, const char **ret, uint16_t *ret_len)
{
	size_t len = str_clean(n->text.name, sizeof(n->text.name), text,
			       strnlen(text, WIRE_NAME_MAX), NULL);

	*ret = arena_strndup(&n->arena, n->text.name, len);
	*ret_len = (uint16_t)len;
	return *ret ? 0 : -ENOMEM;
}

/* By its mangled name, if it has one that is readable; else by the one in the source. */
static int keep_function(struct naming *n, const struct lines_frame *f, struct wire_line_view *ret)
{
	const char *name = f->name;
	int r;

	if (f->linkage[0] != '\0' &&
	    symtab_demangle(f->linkage, n->text.readable, sizeof(n->text.readable)) > 0)
		name = n->text.readable;
	else if (name[0] == '\0')
		name = f->linkage;
	r = keep_text(n, name, &ret->name, &ret->name_len);
	return r < 0 ? r : keep_text(n, f->linkage, &ret->linkage, &ret->linkage_len);
}

/* Is the symbol that of a part or a copy of the function, with what a compiler appended? */
static bool is_part_of(const struct symtab_symbol *s, const struct wire_line_view *function)
{
	return strncmp(s->name, function->linkage, function->linkage_len) == 0 &&
	       s->name[function->linkage_len] == '.';
}

/*
 * The function whose code it is has no name here, as what was written in assembly, or none that tells its class
 * or namespace, as what no other file may call: then its symbol's, if that begins where it does. And a symbol
 * tells more than the name in the source of which copy it is.
 */
static int keep_symbol(struct naming *n, uint64_t offset, struct place *place)
{
	struct wire_line_view *l = &place->lines[place->cnt], line;
	struct symtab_symbol s;

	if (!n->table->symtab || !symtab_find(n->table->symtab, offset, &s) ||
	    (l->name_len > 0 && s.start != place->start) ||
	    (l->linkage_len > 0 && !is_part_of(&s, l)))
		return 0;
	place->start = s.start;
	make_line(&s, &n->text, &line);
	l->name = arena_strndup(&n->arena, line.name, line.name_len);
	l->linkage = arena_strndup(&n->arena, line.linkage_len > 0 ? line.linkage : "",
				   line.linkage_len);
	l->name_len = line.name_len;
	l->linkage_len = line.linkage_len;
	return l->name && l->linkage ? 0 : -ENOMEM;
}

struct chunk {
	struct naming *naming;
	const uint64_t *offsets;
};

static int keep_place(void *ctx, size_t i, const struct lines_place *told)
{
	const struct chunk *chunk = ctx;
	struct naming *n = chunk->naming;
	struct place place = { .start = told->start, .part = told->part };
	int r = 0;

	if (n->arena.bytes > TEXTS_BYTES)
		return 0;
	place.lines = arena_alloc(&n->arena, told->cnt * sizeof(*place.lines));
	for (size_t k = 0; place.lines && r == 0 && k < told->cnt; k++) {
		const struct lines_frame *f = &told->frames[k];
		struct wire_line_view *l = &place.lines[place.cnt];

		*l = (struct wire_line_view){
			.line = f->line,
			.column = f->column,
			.start_line = f->start_line,
		};
		r = keep_text(n, f->file, &l->file, &l->file_len);
		if (r == 0)
			r = keep_function(n, f, l);
		if (r == 0 && k + 1 == told->cnt)
			r = keep_symbol(n, chunk->offsets[i], &place);
		/* What was inlined and has no name (it is in a file that is not there) is where it was inlined. */
		place.cnt += l->name_len > 0 || k + 1 == told->cnt;
	}
	if (place.lines && r == 0)
		n->places[i] = place;
	return 0; /* without memory it has its symbol's name */
}

/* Whether one of the texts that every frame needs is missing. */
static bool is_told(const struct place *p)
{
	return p->cnt > 0 && p->lines[p->cnt - 1].name_len > 0;
}

static int add_place(struct naming *n, struct wire_named_writer *writer, uint64_t offset,
		     const struct place *place)
{
	struct symtab_symbol s = { 0 };
	struct wire_line_view line;
	bool found;
	int r;

	if (is_told(place)) {
		r = wire_named_add(writer, place->start, place->lines, place->cnt);
	} else {
		found = n->table->symtab && symtab_find(n->table->symtab, offset, &s);
		if (found)
			make_line(&s, &n->text, &line);
		r = wire_named_add(writer, s.start, &line, found);
	}
	if (r == 0 && place->part)
		wire_named_part(writer);
	return r;
}

/* False: the answer is full. */
static bool add_places(struct naming *n, struct wire_named_writer *writer, const uint64_t *offsets,
		       size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		if (add_place(n, writer, offsets[i], &n->places[i]) < 0)
			return false;
	}
	return true;
}

/* Up to where there is room for them; 0 or -ENOMEM. */
static int answer_all(const struct table *table, struct lines *lines, const struct wire_names *m,
		      uint64_t now_ns, union answer *ret)
{
	const uint64_t *offsets = (const uint64_t *)(m + 1);
	const bool open = lines_state(lines, m->object) == LINES_OPEN;
	_cleanup_free_ struct naming *n = calloc(1, sizeof(*n));
	struct wire_named_writer writer;
	bool goes_on = true;

	if (!n)
		return -ENOMEM;
	n->table = table;
	wire_named_writer_init(&writer, &ret->named, sizeof(*ret));
	for (uint32_t from = 0, cnt; goes_on && from < m->cnt; from += cnt) {
		struct chunk chunk = { .naming = n, .offsets = offsets + from };

		cnt = MIN(m->cnt - from, (uint32_t)PLACES_CNT);
		memset(n->places, 0, sizeof(n->places));
		/* What cannot be read, for whatever reason, leaves names of symbols. */
		if (open)
			(void)lines_find(lines, m->object,
					 &(struct lines_question){
						 .offsets = chunk.offsets,
						 .cnt = cnt,
						 .now_ns = now_ns,
						 .fn = keep_place,
						 .ctx = &chunk,
					 });
		goes_on = add_places(n, &writer, chunk.offsets, cnt);
		arena_done(&n->arena);
	}
	return 0;
}

/* *ret, as far as it is known before anything is looked up; NULL: nothing is to be. */
static const struct table *begin(struct tables *t, const struct lines *lines,
				 const struct wire_names *m, union answer *ret)
{
	const struct table *table = tables_get(t, m->object);

	ret->named = (struct wire_named){
		.head = { .size = sizeof(ret->named), .type = WIRE_NAMED, .id = m->head.id },
		.object = m->object,
		.status = table ? table->status : WIRE_OBJECT_BAD,
		.closed = table && lines_state(lines, m->object) == LINES_CLOSED,
	};
	return ret->named.status != WIRE_OBJECT_BAD ? table : NULL;
}

int answer_names(struct tables *t, struct lines *lines, const struct wire_names *m, uint64_t now_ns,
		 union answer *ret)
{
	const struct table *table = begin(t, lines, m, ret);
	int r = table ? answer_all(table, lines, m, now_ns, ret) : 0;

	/* All of it once more, with all names read. */
	if (r == 0 && table && table->symtab && symtab_is_misled(table->symtab)) {
		r = tables_fill(t, m->object);
		table = r == 0 ? begin(t, lines, m, ret) : NULL;
		r = table ? answer_all(table, lines, m, now_ns, ret) : r;
	}
	ret->named.wants = table && lines_state(lines, m->object) == LINES_OPEN &&
			   lines_wants(lines, m->object);
	return r;
}
