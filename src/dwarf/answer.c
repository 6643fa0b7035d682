/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a unit says of addresses in it: its tree which functions have them, its program of lines which line they
 * are; then what they are called. Each may be damaged, and the rest is said nevertheless.
 */

#include "internal.h"
#include "lines.h"
#include "paths.h"
#include "tree.h"

struct answer {
	struct dwarf *d;
	const struct batch *b;
	dwarf_place_fn fn;
	void *ctx;
	struct asked asked;
	struct unit skeleton; /* or a whole unit */
	struct unit split;    /* the rest of it */
	struct unit *unit;    /* the one of them that has functions */
	struct tree tree;
	struct line_program program;
	struct paths paths;
	struct row rows[BATCH_MAX];
	bool bad;
	bool part; /* the rest was not given */
};

static struct answer *answer_free(struct answer *a)
{
	if (!a)
		return NULL;
	tree_done(&a->tree);
	paths_done(&a->paths);
	unit_done(&a->skeleton);
	unit_done(&a->split);
	free(a);
	return NULL;
}
DEFINE_CLEANUP(struct answer *, answer_free);

/* Damage is noted; what is left is the system's, or the limits'. */
static int note(struct answer *a, int r)
{
	if (r != -EBADMSG && r != -EOPNOTSUPP)
		return r == -ENOENT ? 0 : r;
	a->bad = true;
	return 0;
}

/* While a unit says which code is its own. */
struct check {
	const struct asked *asked;
	uint64_t covered;
	bool any;
};

static int check_span(void *ctx, uint64_t start, uint64_t end)
{
	struct check *c = ctx;

	c->any = true;
	c->covered += asked_from(c->asked, end) - asked_from(c->asked, start);
	return 0;
}

/* All that was asked for is the unit's, by what it says itself, or it says nothing. */
static int check_claims(struct answer *a)
{
	const struct unit *u = a->unit;
	const struct code_values v = { u->low_pc, u->high_pc, u->ranges };
	struct check c = { .asked = &a->asked };
	int r;

	if (u->type == DW_UT_type || u->type == DW_UT_partial)
		return -ESTALE;
	r = spans_walk(&a->d->readers, u, &v, check_span, &c);
	if (r == 0 && c.any && u->layout.version >= 3 && c.covered < a->b->cnt)
		r = -ESTALE;
	return r;
}

static int open_unit(struct answer *a)
{
	struct dwarf *d = a->d;
	int r = unit_head(&d->readers, &d->main, a->b->unit, &a->skeleton);

	if (r == 0)
		r = unit_root(&d->readers, &a->skeleton, false);
	a->unit = &a->skeleton;
	a->unit->supplement = d->supplement;
	if (a->b->claimed && r == 0)
		r = check_claims(a);
	return a->b->claimed && (r == -EBADMSG || r == -EOPNOTSUPP) ? -ESTALE : r;
}

/* What the file has in another one, where it was given; its own few functions are better than none. */
static int open_split(struct answer *a)
{
	struct dwarf *d = a->d;
	struct companion *c;
	int r;

	if (!unit_is_skeleton(&a->skeleton))
		return 0;
	r = wants_unit(d, &a->skeleton, &c);
	if (r == 0 && c)
		r = split_unit(&d->readers, c, &a->skeleton, a->skeleton.id, &a->split);
	if (r == 0 && c)
		a->unit = &a->split;
	a->part = a->unit == &a->skeleton;
	return note(a, r);
}

static int want_paths(struct answer *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->b->cnt; i++) {
		if (a->rows[i].found)
			r = paths_want(&a->paths, a->rows[i].file);
	}
	for (size_t i = 0; r == 0 && i < a->tree.nodes.cnt; i++) {
		if (a->tree.nodes.v[i].parent != NODE_NONE)
			r = paths_want(&a->paths, a->tree.nodes.v[i].call_file);
	}
	return r;
}

static int read_lines(struct answer *a)
{
	struct dwarf *d = a->d;
	int r = line_program_open(&a->program, &d->readers, a->unit);

	if (r < 0)
		return note(a, r);
	r = note(a, line_program_run(&a->program, &a->asked, a->rows));
	if (r == 0)
		r = want_paths(a);
	return r < 0 ? r : note(a, paths_resolve(&a->paths, &a->program, &d->funcs));
}

static int take_func(struct answer *a, uint64_t die, struct dwarf_line *line)
{
	struct funcs *f = &a->d->funcs;
	struct func func;
	int r = funcs_get(f, a->unit, die, &func);

	if (r < 0)
		return r;
	line->name = strtab_get(&f->texts, func.name);
	line->linkage = strtab_get(&f->texts, func.linkage);
	line->start_line = func.start_line;
	return 0;
}

/* From the innermost out: where one was inlined is where the next one is. */
static int take_chain(struct answer *a, size_t i, struct dwarf_place *place)
{
	struct dwarf *d = a->d;
	const struct row *row = &a->rows[i];
	struct dwarf_line at = { "", "", "", row->line, row->column, 0 };
	uint32_t cnt = 0;
	int r = 0;

	at.file = strtab_get(&d->funcs.texts, row->found ? paths_find(&a->paths, row->file) : 0);
	for (uint32_t n = a->tree.last[i]; r == 0 && n != NODE_NONE;
	     n = a->tree.nodes.v[n].parent) {
		const struct node *node = &a->tree.nodes.v[n];
		struct dwarf_line *line;

		/* Of more than there is room for the last one is the outermost. */
		if (cnt < DWARF_LINES_MAX)
			cnt++;
		line = &d->lines[cnt - 1];
		*line = at;
		r = take_func(a, node->die, line);
		/* The rest of the chain of origins may lie in the supplement. */
		place->part |= !line->name[0] && !d->supplement && d->wants.cnt > 0;
		at = (struct dwarf_line){
			.name = "",
			.linkage = "",
			.file = strtab_get(&d->funcs.texts, paths_find(&a->paths, node->call_file)),
			.line = node->call_line,
			.column = node->call_column,
		};
		place->start = node->start;
	}
	if (cnt == 0 && row->found)
		d->lines[cnt++] = at;
	place->lines = d->lines;
	place->lines_cnt = cnt;
	return r;
}

static int give(struct answer *a, size_t i)
{
	struct dwarf_place place = { .addr = a->b->addrs[i] };
	int r = take_chain(a, i, &place);

	if (r < 0)
		return r;
	place.part |= a->part;
	if (place.lines_cnt == 0)
		place.outcome = a->bad ? DWARF_BAD : DWARF_NONE;
	return a->fn(a->ctx, a->b->numbers[i], &place);
}

/* All names are read before the first place is given: what fails has given none. */
static int read_names(struct answer *a)
{
	struct func func;
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->tree.nodes.cnt; i++)
		r = funcs_get(&a->d->funcs, a->unit, a->tree.nodes.v[i].die, &func);
	return r;
}

int answer_unit(struct dwarf *d, const struct batch *b, dwarf_place_fn fn, void *ctx)
{
	_cleanup_(answer_freep) struct answer *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->d = d;
	a->b = b;
	a->asked = (struct asked){ b->addrs, b->cnt, d->file };
	a->fn = fn;
	a->ctx = ctx;
	r = funcs_make_room(&d->funcs);
	if (r == 0)
		r = open_unit(a);
	if (r == 0)
		r = open_split(a);
	if (r == 0)
		r = note(a, tree_walk(&a->tree, &d->readers, a->unit, &a->asked));
	if (r == 0)
		r = read_lines(a);
	if (r == 0)
		r = read_names(a);
	if (r == -EBADMSG || r == -EOPNOTSUPP)
		return answer_none(b, r == -EBADMSG ? DWARF_BAD : DWARF_UNSUPPORTED, fn, ctx);
	for (size_t i = 0; r == 0 && i < b->cnt; i++)
		r = give(a, i);
	return r;
}

int answer_none(const struct batch *b, enum dwarf_outcome outcome, dwarf_place_fn fn, void *ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->cnt; i++) {
		const struct dwarf_place place = { .addr = b->addrs[i], .outcome = outcome };

		r = fn(ctx, b->numbers[i], &place);
	}
	return r;
}
