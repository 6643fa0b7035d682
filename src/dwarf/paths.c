/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The tables are gone through once for all wanted files, and once for their directories; no copy of them is
 * kept, since they are large where few of their files are asked for. A path is the compilation's directory, the
 * file's, and its name, from the last of these on that is absolute (DWARF 5, 6.2.4); "." and "a/.." in it are
 * taken out as text, since there is no file system to ask.
 */

#include "paths.h"

#include <stdlib.h>

#include "cprof/dwarf.h"

static int compare(const void *a, const void *b)
{
	const struct path *x = a, *y = b;

	return CMP(x->file, y->file);
}

int paths_want(struct paths *p, uint64_t file)
{
	/* Neighbours mostly lie in one. */
	if (p->list.cnt > 0 && p->list.v[p->list.cnt - 1].file == file)
		return 0;
	return vec_push(&p->list, (struct path){ .file = file });
}

static void sort_unique(struct paths *p)
{
	size_t cnt = 0;

	if (p->list.cnt > 0)
		qsort(p->list.v, p->list.cnt, sizeof(*p->list.v), compare);
	for (size_t i = 0; i < p->list.cnt; i++) {
		if (cnt == 0 || p->list.v[cnt - 1].file != p->list.v[i].file)
			p->list.v[cnt++] = p->list.v[i];
	}
	p->list.cnt = cnt;
}

struct pick {
	struct paths *paths;
	size_t next;
};

/* Both ascend. */
static int pick_entry(void *ctx, uint64_t i, struct value name, uint64_t dir)
{
	struct pick *pick = ctx;
	struct paths *p = pick->paths;

	while (pick->next < p->list.cnt && p->list.v[pick->next].file < i)
		pick->next++;
	if (pick->next < p->list.cnt && p->list.v[pick->next].file == i) {
		p->list.v[pick->next].name = name;
		p->list.v[pick->next].dir = dir;
	}
	return 0;
}

static struct path *find(const struct paths *p, uint64_t file)
{
	const struct path key = { .file = file };

	return p->list.cnt > 0 ? bsearch(&key, p->list.v, p->list.cnt, sizeof(key), compare) : NULL;
}

/* A path that is built from its parts; what does not fit is cut. */
struct build {
	char *text;
	size_t len;
};

/* As one that stands for itself, or behind what is there. */
static void append(struct build *b, const char *part)
{
	if (part[0] == '/')
		b->len = 0;
	while (*part) {
		size_t n = strcspn(part, "/");
		bool up = n == 2 && memcmp(part, "..", 2) == 0;
		const char *last = memrchr(b->text, '/', b->len);
		size_t own = last ? b->len - (size_t)(last - b->text) - 1 : b->len;
		bool upper = own == 2 && memcmp(b->text + b->len - 2, "..", 2) == 0;

		if (n == 0 || (n == 1 && part[0] == '.')) {
			if (n == 0 && b->len == 0)
				b->text[b->len++] = '/';
		} else if (up && b->len > 0 && !upper) {
			b->len = last ? (size_t)(last - b->text) + (last == b->text) : 0;
		} else if (b->len + 1 + n < DWARF_TEXT_MAX) {
			if (b->len > 0 && b->text[b->len - 1] != '/')
				b->text[b->len++] = '/';
			memcpy(b->text + b->len, part, n);
			b->len += n;
		}
		part += n;
		part += *part == '/';
	}
}

struct resolve {
	struct line_program *program;
	struct funcs *funcs;
	struct paths dirs;
	struct build build;
};

static int append_value(struct resolve *rs, struct value v)
{
	char *scratch = rs->funcs->scratch;
	int r = unit_text(rs->funcs->rd, rs->program->unit, v, scratch, DWARF_TEXT_MAX);

	if (r < 0)
		return r;
	append(&rs->build, scratch);
	return 0;
}

static int resolve_path(struct resolve *rs, struct path *path)
{
	bool own_dir = rs->program->layout.version >= 5 && path->dir == 0;
	const struct path *dir = find(&rs->dirs, path->dir);
	int r = 0;

	if (path->name.kind == VALUE_NONE)
		return 0;
	rs->build.len = 0;
	if (!own_dir || !dir || dir->name.kind == VALUE_NONE)
		r = append_value(rs, rs->program->unit->dir);
	if (r == 0 && dir)
		r = append_value(rs, dir->name);
	if (r == 0)
		r = append_value(rs, path->name);
	if (r == 0)
		r = funcs_text(rs->funcs, rs->build.text, rs->build.len, &path->text);
	return r;
}

int paths_resolve(struct paths *p, struct line_program *program, struct funcs *funcs)
{
	_cleanup_free_ char *text = malloc(DWARF_TEXT_MAX);
	struct resolve rs = { .program = program, .funcs = funcs, .build.text = text };
	struct pick files = { .paths = p }, dirs = { .paths = &rs.dirs };
	int r;

	if (!text)
		return -ENOMEM;
	sort_unique(p);
	r = line_table_walk(program, &program->files, pick_entry, &files);
	for (size_t i = 0; r == 0 && i < p->list.cnt; i++)
		r = paths_want(&rs.dirs, p->list.v[i].dir);
	if (r == 0) {
		sort_unique(&rs.dirs);
		r = line_table_walk(program, &program->dirs, pick_entry, &dirs);
	}
	for (size_t i = 0; r == 0 && i < p->list.cnt; i++)
		r = resolve_path(&rs, &p->list.v[i]);
	paths_done(&rs.dirs);
	return r;
}

uint32_t paths_find(const struct paths *p, uint64_t file)
{
	const struct path *path = find(p, file);

	return path ? path->text : 0;
}

void paths_done(struct paths *p)
{
	vec_done(&p->list);
}
