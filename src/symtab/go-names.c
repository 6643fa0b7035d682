/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A Go program that is stripped still knows what its functions are called: its runtime writes stack traces.
 * The names lie in one piece of the table (since 1.16), which is read whole.
 */

#include "go-names.h"

#include <errno.h>

struct naming {
	const struct object_segment *segment;
	struct gather *gather;
};

static int add_func(void *ctx, const struct gopclntab_func *f)
{
	const struct naming *n = ctx;
	const struct candidate_strings *names = &n->gather->strings;
	const struct object_segment *s = n->segment;
	uint64_t end = MIN(f->end, s->vaddr + s->filesz);
	const struct gather_function function = {
		.vaddr = f->start,
		.room = end - f->start,
		.string = f->name,
		.rank = SYMTAB_SOURCE_GO,
	};

	if (f->start < s->vaddr || f->start >= end || f->name >= names->sz[SYMTAB_SOURCE_GO] ||
	    names->v[SYMTAB_SOURCE_GO][f->name] == '\0')
		return 0;
	gather_add(n->gather, &function);
	return n->gather->outcome;
}

int go_names_add(const struct go_names *n, struct gather *g)
{
	struct naming naming = { .segment = n->table.segment, .gather = g };
	const struct gopclntab_sink sink = { .func = add_func, .ctx = &naming };
	struct gopclntab_facts facts;
	int r;

	if (!n->found)
		return SYMTAB_OK;
	r = gopclntab_walk(&n->table.file, &sink, &facts);
	return r <= 0 ? r : SYMTAB_LIMIT;
}

/* SYMTAB_OK, also where there are none. */
static int read_names(const struct gopclntab_file *file, struct gather *g, bool *ret)
{
	uint8_t bytes[GOPCLNTAB_HEAD_SZ];
	struct gopclntab_head head;
	uint64_t sz;
	char *names;
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
	r = gather_strings(g, SYMTAB_SOURCE_GO, sz);
	if (r != SYMTAB_OK)
		return r;
	names = g->strings.v[SYMTAB_SOURCE_GO];
	r = file->table.read(file->table.ctx, head.names, names, (size_t)sz);
	if (r < 0)
		return r;
	names[sz - 1] = '\0';
	*ret = true;
	return SYMTAB_OK;
}

int go_names_open(const struct elf_image *img, struct gather *g, struct go_names *ret)
{
	int r = go_table_find(img, g->info, &ret->table);

	if (r < 0)
		return r == -E2BIG ? SYMTAB_LIMIT : r;
	return ret->table.segment ? read_names(&ret->table.file, g, &ret->found) : SYMTAB_OK;
}

void go_names_done(struct go_names *n)
{
	go_table_done(&n->table);
}
