/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is asked for ascends, so a function's tables are decoded once for all of its addresses.
 */

#include "lines.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The first error that is not about the data, or else that one. */
static int worse(int a, int b)
{
	return b == 0 || (a < 0 && a != -EBADMSG) ? a : b;
}

int lines_load(struct gopclntab_lines *l)
{
	struct tables *t = &l->tables;
	uint32_t rows = l->limits.rows;
	int r;

	l->details = (struct details){ 0 };
	r = details_read(t, &l->func, &l->details);
	r = worse(r, values_load(&l->files, t, &l->func, l->details.files, rows));
	r = worse(r, values_load(&l->lines, t, &l->func, l->details.lines, rows));
	return worse(r, values_load(&l->calls, t, &l->func, l->details.calls, rows));
}

/* 1: l->func has the address; 0: no function has; or an error. */
static int enter(struct gopclntab_lines *l, uint64_t addr, struct gopclntab_lines_facts *facts)
{
	int r;

	if (addr >= l->func.start && addr < l->func.end)
		return 1;
	if (!tables_may(&l->tables, 1))
		return -E2BIG;
	r = details_find(&l->tables, addr, &l->func);
	if (r <= 0) {
		l->func = (struct gopclntab_func){ 0 };
		return r;
	}
	r = lines_load(l);
	if (r == -EBADMSG)
		facts->bad++;
	return r == -EBADMSG || r == 0 ? 1 : r;
}

static int answer(struct gopclntab_lines *l, const struct gopclntab_lines_sink *sink, size_t i,
		  struct gopclntab_lines_facts *facts)
{
	struct gopclntab_answer a = {
		.i = i,
		.start = l->func.start,
		.end = l->func.end,
		.places = l->places,
		.cnt = l->places_cnt,
		.flat = l->flat,
	};

	facts->found++;
	facts->flat += l->flat;
	facts->cut += l->cut;
	facts->bad += l->lies;
	return sink->found(sink->ctx, &a);
}

int gopclntab_lines_find(struct gopclntab_lines *l, const uint64_t *addrs, size_t cnt,
			 const struct gopclntab_lines_sink *sink,
			 struct gopclntab_lines_facts *ret_facts)
{
	*ret_facts = (struct gopclntab_lines_facts){ 0 };
	l->tables.work = l->limits.work;
	for (size_t i = 0; i < cnt; i++) {
		int r;

		assert(i == 0 || addrs[i - 1] <= addrs[i]);
		r = enter(l, addrs[i], ret_facts);
		if (r > 0) {
			r = places_make(l, addrs[i]);
			if (r == 0)
				r = answer(l, sink, i, ret_facts);
		} else if (r < 0) {
			l->func = (struct gopclntab_func){ 0 };
		}
		if (r != 0)
			return r == -E2BIG ? GOPCLNTAB_LIMIT : r;
	}
	return GOPCLNTAB_OK;
}
