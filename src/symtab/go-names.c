/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A Go program that is stripped still knows what its functions are called: its runtime writes stack traces.
 * The names lie in one piece of the table (since 1.16), which is read whole.
 */

#include "go-names.h"

#include <string.h>

#include "go-table.h"

struct naming {
	const struct object_segment *segment;
	uint64_t base;	     /* offsets count from here */
	struct candidate *v; /* NULL: they are counted only */
	uint32_t cnt;
	uint32_t cap;
	size_t names_sz;
};

static int add_func(void *ctx, const struct gopclntab_func *f)
{
	struct naming *n = ctx;
	const struct object_segment *s = n->segment;
	uint64_t end = MIN(f->end, s->vaddr + s->filesz), offset;

	if (f->start < s->vaddr || f->start >= end || f->name >= n->names_sz)
		return 0;
	offset = s->offset + (f->start - s->vaddr) - n->base;
	if (offset + (end - f->start) > UINT32_MAX || n->cnt == SYMTAB_FUNCTIONS_MAX)
		return SYMTAB_LIMIT;
	if (n->v && n->cnt < n->cap)
		n->v[n->cnt] = (struct candidate){
			.from = (uint32_t)offset,
			.to = (uint32_t)(offset + (end - f->start)),
			.string = f->name,
		};
	n->cnt += !n->v || n->cnt < n->cap;
	return 0;
}

/* Counted, and then once more. SYMTAB_OK, SYMTAB_LIMIT or -errno. */
static int add_funcs(struct naming *n, const struct gopclntab_file *file)
{
	const struct gopclntab_sink sink = { .func = add_func, .ctx = n };
	struct gopclntab_facts facts;
	int r = gopclntab_walk(file, &sink, &facts);

	if (r != GOPCLNTAB_OK)
		return r < 0 ? r : SYMTAB_LIMIT;
	n->cap = n->cnt;
	n->cnt = 0;
	n->v = malloc(MAX(n->cap, 1u) * sizeof(*n->v));
	if (!n->v)
		return -ENOMEM;
	r = gopclntab_walk(file, &sink, &facts);
	return r <= 0 ? r : SYMTAB_LIMIT;
}

/* SYMTAB_OK, also where there are none. */
static int read_names(const struct gopclntab_file *file, struct candidate_strings *ret)
{
	uint8_t bytes[GOPCLNTAB_HEAD_SZ];
	struct gopclntab_head head;
	uint64_t sz;
	int r;

	if (file->table.size < sizeof(bytes))
		return SYMTAB_OK;
	r = file->table.read(file->table.ctx, 0, bytes, sizeof(bytes));
	if (r < 0)
		return r;
	if (gopclntab_head(bytes, sizeof(bytes), file->table.size, &head) < 0 ||
	    head.version < GOPCLNTAB_116 || head.units <= head.names)
		return SYMTAB_OK;
	sz = head.units - head.names;
	if (sz > SYMTAB_STRINGS_MAX)
		return SYMTAB_LIMIT;
	ret->v[0] = malloc((size_t)sz);
	if (!ret->v[0])
		return -ENOMEM;
	r = file->table.read(file->table.ctx, head.names, ret->v[0], (size_t)sz);
	if (r < 0)
		return r;
	ret->v[0][sz - 1] = '\0';
	ret->sz[0] = (size_t)sz;
	return SYMTAB_OK;
}

static uint64_t lowest(const struct symtab_info *info)
{
	uint64_t base = UINT64_MAX;

	for (uint32_t i = 0; i < info->segments_cnt; i++)
		base = MIN(base, info->segments[i].offset);
	return base;
}

static int load(const struct go_table *t, const struct symtab_info *info,
		const struct symtab_limits *limits, struct ranges *ret)
{
	_cleanup_(candidate_strings_done) struct candidate_strings strings = { 0 };
	_cleanup_free_ struct candidate *candidates = NULL;
	struct naming n = { .segment = t->segment, .base = lowest(info) };
	int r = read_names(&t->file, &strings);

	if (r != SYMTAB_OK || strings.sz[0] == 0)
		return r;
	n.names_sz = strings.sz[0];
	r = add_funcs(&n, &t->file);
	candidates = n.v;
	if (r != SYMTAB_OK)
		return r;
	r = ranges_build(candidates, n.cnt, &strings, limits, ret);
	if (r == SYMTAB_OK)
		ret->base = n.base;
	return r;
}

int go_names_load(const struct elf_image *img, const struct symtab_info *info,
		  const struct symtab_limits *limits, struct ranges *ret)
{
	struct go_table table;
	int r = go_table_find(img, info, &table);

	*ret = (struct ranges){ 0 };
	if (r == -E2BIG)
		r = SYMTAB_LIMIT;
	else if (r == 0 && table.segment)
		r = load(&table, info, limits, ret);
	go_table_done(&table);
	return r;
}
