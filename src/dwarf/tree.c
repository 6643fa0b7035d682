/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One pass over the unit's entries for all addresses together. What is below a function that has none of
 * them is not looked at, nor what is in a type; where that leaves an address without a function (one within
 * another, or in a type) a second pass looks at everything.
 *
 * Where two functions claim an address (a linker has folded them into one) the first has it, whoever asks for
 * what else; so a pass ends when every address has been found and the function is over.
 */

#include "tree.h"

#include <stdlib.h>

#define DEPTH_MAX 512 /* of functions within each other, below one that has an address */
#define NODES_PER_ADDR 256

/* What is read of a function's entry. */
struct entry {
	uint64_t die;
	uint16_t tag;
	struct code_values code;
	struct value sibling;
	uint64_t call_file;
	uint64_t call_line;
	uint64_t call_column;
};

/* A function that what follows is below of. */
struct open {
	struct entry entry;
	uint32_t depth;
	uint32_t node; /* NODE_NONE: none of the addresses, but maybe one below */
	uint32_t outermost;
};

struct walk {
	struct tree *tree;
	struct readers *rd;
	const struct unit *unit;
	const struct asked *asked;
	size_t found;
	bool full;
	uint32_t depth;
	struct open *open;
	size_t open_cnt;
};

/* While a function says where its code is. */
struct cover {
	struct walk *walk;
	uint64_t start;
	uint32_t node;
	uint32_t outermost; /* NODE_NONE: it is one itself */
	bool any;	    /* stretch came */
	bool hit;
	uint64_t tried; /* addresses */
};

static int cover_span(void *ctx, uint64_t start, uint64_t end)
{
	struct cover *c = ctx;
	struct walk *w = c->walk;
	const struct asked *asked = w->asked;
	bool code = false;
	size_t i;

	if (!c->any)
		c->start = start;
	c->any = true;
	if (end <= asked->addrs[0] || start > asked->addrs[asked->cnt - 1])
		return 0;
	i = asked_from(asked, start);
	if (i < asked->cnt && asked->addrs[i] < end)
		c->tried += asked_from(asked, end) - i;
	for (; i < asked->cnt && asked->addrs[i] < end; i++) {
		uint32_t *last = &w->tree->last[i];
		bool own = c->outermost == NODE_NONE;

		if (own ? *last != NODE_NONE : *last == NODE_NONE || *last < c->outermost)
			continue;
		code = code || elf_file_has_code(asked->program, start);
		if (!code)
			return 0;
		w->found += own;
		*last = c->node;
		c->hit = true;
	}
	return 0;
}

static void take_attr(struct entry *e, uint16_t name, struct value v)
{
	switch (name) {
	case DW_AT_low_pc:
		e->code.low = v;
		break;
	case DW_AT_high_pc:
		e->code.high = v;
		break;
	case DW_AT_ranges:
		e->code.ranges = v;
		break;
	case DW_AT_sibling:
		e->sibling = v;
		break;
	case DW_AT_call_file:
		e->call_file = v.u;
		break;
	case DW_AT_call_line:
		e->call_line = v.u;
		break;
	case DW_AT_call_column:
		e->call_column = v.u;
		break;
	default:
		break;
	}
}

static void read_entry(struct walk *w, const struct abbrev *ab, struct entry *e)
{
	const struct abbrevs *all = &w->unit->abbrevs;
	struct cursor *c = &w->rd->tree;

	for (uint32_t i = 0; i < ab->attrs_cnt; i++) {
		const struct attr *attr = &all->attrs.v[ab->attrs + i];

		take_attr(e, attr->name, form_read_attr(c, all, attr, &w->unit->layout));
	}
}

static void skip_entry(struct walk *w, const struct abbrev *ab)
{
	const struct attr *attrs = w->unit->abbrevs.attrs.v;
	struct cursor *c = &w->rd->tree;

	if (ab->fixed != FIXED_NOT) {
		cursor_skip(c, ab->fixed);
		return;
	}
	for (uint32_t i = 0; i < ab->attrs_cnt; i++)
		form_skip(c, (enum dw_form)attrs[ab->attrs + i].form, &w->unit->layout);
}

/* NULL: it ends its siblings, or -errno in *ret_r. */
static const struct abbrev *next_entry(struct walk *w, int *ret_r)
{
	struct cursor *c = &w->rd->tree;
	uint64_t code = cursor_uleb(c);
	const struct abbrev *ab = code != 0 ? abbrevs_find(&w->unit->abbrevs, code) : NULL;

	*ret_r = c->error;
	if (code != 0 && c->error == 0)
		*ret_r = ab ? ledger_spend(c->section->ledger, ab->attrs_cnt) : -EBADMSG;
	return *ret_r == 0 ? ab : NULL;
}

/* What is below the entry that was just read. */
static int skip_children(struct walk *w, struct value sibling)
{
	struct cursor *c = &w->rd->tree;
	uint64_t to = w->unit->start + sibling.u;
	uint64_t depth = 1;
	int r = 0;

	if (sibling.kind == VALUE_REF && to > cursor_pos(c) && to <= w->unit->end) {
		cursor_skip(c, to - cursor_pos(c));
		return c->error;
	}
	while (depth > 0 && cursor_more(c)) {
		const struct abbrev *ab = next_entry(w, &r);

		if (r < 0)
			return r;
		if (ab) {
			skip_entry(w, ab);
			depth += ab->children;
		} else {
			depth--;
		}
	}
	return c->error;
}

static uint32_t narrow(uint64_t v)
{
	return (uint32_t)MIN(v, (uint64_t)UINT32_MAX);
}

static int add_node(struct walk *w, const struct entry *e, uint64_t start, uint32_t parent)
{
	struct tree *t = w->tree;

	if (t->nodes.cnt >= w->asked->cnt * NODES_PER_ADDR)
		return -EBADMSG;
	return vec_push(&t->nodes, (struct node){
					   .die = e->die,
					   .start = start,
					   .parent = parent,
					   .call_file = narrow(e->call_file),
					   .call_line = narrow(e->call_line),
					   .call_column = narrow(e->call_column),
				   });
}

/*
 * Those that what has an address is inlined in, though they do not say that they have it: as compilers tell of
 * stretches where they cannot tell of several.
 */
static int add_open_nodes(struct walk *w)
{
	size_t first = w->open_cnt;
	int r = 0;

	while (first > 0 && w->open[first - 1].node == NODE_NONE)
		first--;
	for (size_t i = first; r == 0 && i < w->open_cnt; i++) {
		w->open[i].node = (uint32_t)w->tree->nodes.cnt;
		r = add_node(w, &w->open[i].entry, 0, w->open[i - 1].node);
	}
	return r;
}

/* How many of them that would be. */
static uint32_t count_open_nodes(const struct walk *w)
{
	size_t first = w->open_cnt;

	while (first > 0 && w->open[first - 1].node == NODE_NONE)
		first--;
	return (uint32_t)(w->open_cnt - first);
}

static int push_open(struct walk *w, struct open open)
{
	if (w->open_cnt == DEPTH_MAX)
		return -EBADMSG;
	w->open[w->open_cnt++] = open;
	return 0;
}

/* *ret_in: what is below may have addresses. */
static int enter_function(struct walk *w, const struct entry *e, bool children, bool *ret_in)
{
	bool own = e->tag == DW_TAG_subprogram || w->open_cnt == 0;
	const struct open *in = own ? NULL : &w->open[w->open_cnt - 1];
	uint32_t skipped = own ? 0 : count_open_nodes(w);
	struct cover c = {
		.walk = w,
		.node = (uint32_t)w->tree->nodes.cnt + skipped,
		.outermost = in ? in->outermost : NODE_NONE,
	};
	struct open open = { *e, w->depth, NODE_NONE, c.outermost };
	int r = spans_walk(w->rd, w->unit, &e->code, cover_span, &c);

	*ret_in = c.hit || in;
	if (r == -EBADMSG)
		r = 0; /* of this one alone */
	if (r == 0)
		r = ledger_spend(w->rd->tree.section->ledger, c.tried);
	if (r == 0 && c.hit) {
		r = own ? 0 : add_open_nodes(w);
		if (r == 0)
			r = add_node(w, e, c.start, in ? in->node : NODE_NONE);
		open.node = c.node;
		if (own)
			open.outermost = c.node;
	}
	if (r < 0 || !children || !*ret_in)
		return r;
	return push_open(w, open);
}

static bool is_function(const struct abbrev *ab)
{
	return ab->tag == DW_TAG_subprogram || ab->tag == DW_TAG_inlined_subroutine;
}

static bool is_type(const struct abbrev *ab)
{
	return ab->tag == DW_TAG_structure_type || ab->tag == DW_TAG_class_type ||
	       ab->tag == DW_TAG_union_type || ab->tag == DW_TAG_enumeration_type;
}

static int walk_entry(struct walk *w, const struct abbrev *ab, uint64_t die)
{
	struct entry e = { .die = die, .tag = ab->tag };
	bool function = is_function(ab), prune = !w->full && (function || is_type(ab)), in;
	int r = 0;

	if ((function && ab->code_here) || (prune && ab->children && ab->sibling))
		read_entry(w, ab, &e);
	else
		skip_entry(w, ab);
	if (w->rd->tree.error < 0)
		return w->rd->tree.error;
	if (function && ab->code_here) {
		r = enter_function(w, &e, ab->children, &in);
		prune = prune && !in;
	}
	if (r < 0 || !ab->children)
		return r;
	if (prune)
		return skip_children(w, e.sibling);
	w->depth++;
	return 0;
}

static void leave(struct walk *w)
{
	w->depth--;
	while (w->open_cnt > 0 && w->open[w->open_cnt - 1].depth >= w->depth)
		w->open_cnt--;
}

static int walk_unit(struct walk *w)
{
	struct cursor *c = &w->rd->tree;
	int r = 0;

	cursor_seek(c, &w->unit->part->sections[SECTION_INFO], w->unit->die, w->unit->end);
	w->depth = 0;
	w->open_cnt = 0;
	while (cursor_more(c)) {
		uint64_t die = cursor_pos(c);
		const struct abbrev *ab = next_entry(w, &r);

		if (r == 0 && ab)
			r = walk_entry(w, ab, die);
		else if (r == 0 && w->depth > 0)
			leave(w);
		if (r < 0)
			return r;
		if (w->depth == 0 || (w->open_cnt == 0 && w->found == w->asked->cnt))
			return 0;
	}
	return c->error;
}

int tree_walk(struct tree *t, struct readers *rd, const struct unit *u, const struct asked *asked)
{
	_cleanup_free_ struct open *open = malloc(DEPTH_MAX * sizeof(*open));
	struct walk w = { .tree = t, .rd = rd, .unit = u, .asked = asked, .open = open };
	size_t sz = MAX(asked->cnt, (size_t)1) * sizeof(*t->last);
	int r;

	*t = (struct tree){ .last = malloc(sz) };
	if (!open || !t->last)
		return -ENOMEM;
	memset(t->last, 0xff, sz);
	r = walk_unit(&w);
	if (r == 0 && w.found < asked->cnt) {
		w.full = true;
		r = walk_unit(&w);
	}
	return r;
}

void tree_done(struct tree *t)
{
	vec_done(&t->nodes);
	free(t->last);
	*t = (struct tree){ 0 };
}
