/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "lines.h"

/* Of the places that are said, the one that leads to trees; two of them would be one too many. */
static int find_trees(struct gopclntab_lines *l)
{
	const struct gopclntab_module *m = &l->sources.module;
	bool absolute = l->tables.head.version < GOPCLNTAB_118;
	size_t cnt = absolute ? 1 : m->bases_cnt, good = 0;
	uint64_t base = 0;
	int r;

	l->trees = GOPCLNTAB_TREES_NONE;
	if (l->sources.memory.size == 0)
		return 0;
	for (size_t i = 0; i < cnt; i++) {
		l->tree.base = absolute ? 0 : m->bases[i];
		r = proof_try(l);
		if (r < 0 && r != -EBADMSG)
			return r;
		if (r == -EBADMSG)
			l->trees = GOPCLNTAB_TREES_BAD;
		if (r <= 0)
			continue;
		base = l->tree.base;
		good++;
	}
	l->tree.base = base;
	if (good > 0)
		l->trees = good == 1 ? GOPCLNTAB_TREES_OK : GOPCLNTAB_TREES_BAD;
	return 0;
}

int gopclntab_lines_new(const struct gopclntab_sources *sources,
			const struct gopclntab_lines_limits *limits, struct gopclntab_lines **ret)
{
	_cleanup_(gopclntab_lines_freep) struct gopclntab_lines *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->sources = *sources;
	l->limits = *limits;
	window_init(&l->units, &l->sources.file.table);
	window_init(&l->paths, &l->sources.file.table);
	l->tree.tables = &l->tables;
	window_init(&l->tree.window, &l->sources.memory);
	r = tables_open(&l->tables, &l->sources.file);
	if (r == -EBADMSG || (r == 0 && l->tables.head.version < GOPCLNTAB_116))
		return GOPCLNTAB_NONE;
	if (r == 0)
		r = find_trees(l);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(l);
	return GOPCLNTAB_OK;
}

struct gopclntab_lines *gopclntab_lines_free(struct gopclntab_lines *l)
{
	if (!l)
		return NULL;
	values_done(&l->files);
	values_done(&l->lines);
	values_done(&l->calls);
	free(l);
	return NULL;
}

enum gopclntab_trees gopclntab_lines_trees(const struct gopclntab_lines *l)
{
	return l->trees;
}
