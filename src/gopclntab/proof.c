/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where trees are is only said by a description whose layout changes with releases, and nothing in a tree says
 * that it is one. What all trees have in common is a lot, though: bytes that are zero, names that begin
 * where a name begins, and instructions within the function. A sample of a program's trees, from all over it,
 * has to have all that in each of the calls that the functions' tables speak of.
 */

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "lines.h"

#define FUNCS_MAX 4096
#define TREES_MAX 256
#define CALLS_MAX 64 /* of one tree */
#define WORK_MAX (1u << 20)

/* 1; 0: it has none; or an error. */
static int check_tree(struct gopclntab_lines *l)
{
	struct call call;
	int32_t most;
	int r = lines_load(l);

	if (r < 0)
		return r == -EBADMSG ? 0 : r; /* of its tables, not of the tree */
	most = values_max(&l->calls);
	if (!l->details.treed || most < 0)
		return 0;
	for (int32_t i = 0; i <= MIN(most, CALLS_MAX - 1); i++) {
		r = tree_call(&l->tree, &l->func, l->details.tree, i, &call);
		if (r < 0)
			return r;
	}
	return 1;
}

int proof_try(struct gopclntab_lines *l)
{
	uint64_t cnt = l->tables.head.funcs_cnt, stride = cnt / FUNCS_MAX + 1;
	int trees = 0, r = 0;

	l->tables.work = WORK_MAX;
	for (uint64_t i = 0; i < cnt && trees < TREES_MAX; i += stride) {
		r = tables_func(&l->tables, i, &l->func);
		if (r == 0)
			r = check_tree(l);
		else if (r == -EBADMSG)
			r = 0;
		if (r < 0)
			break;
		trees += r;
	}
	l->func = (struct gopclntab_func){ 0 };
	if (r == -E2BIG)
		r = 0;
	return r < 0 ? r : trees > 0;
}
