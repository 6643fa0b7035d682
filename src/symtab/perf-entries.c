/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Memory is used again: when two entries overlap, the later one tells what is there now, and the earlier
 * function is gone as a whole. So an entry that any later one overlaps is dropped, also the parts of it that
 * the later one does not cover: what lies there is not told any more. That is decided by two passes over the
 * sorted entries, each with a tree of extremes by rank, in n log n whatever the file says.
 */

#include <errno.h>
#include <string.h>

#include "perf-map.h"

static int compare_entries(const void *pa, const void *pb)
{
	const struct perf_entry *a = pa, *b = pb;
	int r = CMP(a->start, b->start);

	return r != 0 ? r : CMP(a->rank, b->rank);
}

/* The greatest value noted for a rank above @rank: a Fenwick tree over the ranks from the end. */
static uint64_t above_get(const uint64_t *tree, uint32_t cnt, uint32_t rank)
{
	uint64_t most = 0;

	for (uint32_t i = cnt - 1 - rank; i > 0; i &= i - 1)
		most = MAX(most, tree[i]);
	return most;
}

static void above_note(uint64_t *tree, uint32_t cnt, uint32_t rank, uint64_t value)
{
	for (uint32_t i = cnt - rank; i <= cnt; i += i & -i)
		tree[i] = MAX(tree[i], value);
}

/* Marks (sz 0) each entry that a later one overlaps; the entries are sorted by start. */
static void mark_dead(struct perf_entry *v, uint32_t cnt, bool *dead, uint64_t *tree)
{
	/* By one that begins before it: the furthest end of those. */
	for (uint32_t i = 0; i < cnt; i++) {
		dead[i] = above_get(tree, cnt, v[i].rank) > v[i].start;
		above_note(tree, cnt, v[i].rank, v[i].start + v[i].sz);
	}
	/* By one that begins in it: the nearest start, kept as its complement. */
	memset(tree, 0, (cnt + 1) * sizeof(*tree));
	for (uint32_t i = cnt; i-- > 0;) {
		dead[i] |= ~above_get(tree, cnt, v[i].rank) < v[i].start + v[i].sz;
		above_note(tree, cnt, v[i].rank, ~v[i].start);
	}
}

/* As a dump is, other than a list that grows: nothing to sort, nothing to drop. */
static bool is_in_order(const struct perf_entry *v, uint32_t cnt)
{
	for (uint32_t i = 1; i < cnt; i++) {
		if (v[i].start < v[i - 1].start + v[i - 1].sz)
			return false;
	}
	return true;
}

int perf_map_settle(struct perf_entry *v, uint32_t *cnt)
{
	_cleanup_free_ uint64_t *tree = NULL;
	_cleanup_free_ bool *dead = NULL;
	uint32_t kept = 0;

	if (is_in_order(v, *cnt))
		return 0;
	tree = calloc((size_t)*cnt + 1, sizeof(*tree));
	dead = calloc((size_t)*cnt + 1, sizeof(*dead));
	if (!tree || !dead)
		return -ENOMEM;
	for (uint32_t i = 0; i < *cnt; i++)
		v[i].rank = i;
	qsort(v, *cnt, sizeof(*v), compare_entries);
	mark_dead(v, *cnt, dead, tree);
	for (uint32_t i = 0; i < *cnt; i++) {
		if (!dead[i])
			v[kept++] = v[i];
	}
	*cnt = kept;
	return 0;
}

static void *fit(void *p, size_t sz)
{
	void *fitting = sz > 0 ? realloc(p, sz) : NULL;

	return fitting ? fitting : p;
}

void perf_map_fit(struct perf_map *m)
{
	m->v = fit(m->v, m->cnt * sizeof(*m->v));
	m->names = fit(m->names, m->names_sz);
	m->lines = fit(m->lines, m->lines_cnt * sizeof(*m->lines));
}

/* The last one at or before the place; NULL: the function has none. */
static const struct perf_line *find_line(const struct perf_map *m, const struct perf_entry *e,
					 uint64_t place)
{
	uint64_t offset = place - e->start + m->lines_shift;
	const struct perf_line *v;
	uint32_t lo = 0, hi;

	if (e->lines == 0)
		return NULL;
	hi = m->lines[e->lines].offset;
	v = m->lines + e->lines + 1;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (v[mid].offset <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 ? &v[lo - 1] : NULL;
}

bool perf_map_find(const struct perf_map *m, uint64_t place, struct symtab_symbol *ret)
{
	uint32_t lo = 0, hi = m->cnt;
	const struct perf_line *line;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->v[mid].start + m->v[mid].sz <= place)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == m->cnt || m->v[lo].start > place)
		return false;
	*ret = (struct symtab_symbol){
		.name = m->names + m->v[lo].name,
		.start = m->v[lo].start,
	};
	line = find_line(m, &m->v[lo], place);
	if (line) {
		ret->file = m->names + line->file;
		ret->line = line->line;
	}
	return true;
}

size_t perf_map_bytes(const struct perf_map *m)
{
	return m->cnt * sizeof(*m->v) + m->names_sz + m->lines_cnt * sizeof(*m->lines);
}

void perf_map_done(struct perf_map *m)
{
	free(m->v);
	free(m->names);
	free(m->lines);
	*m = (struct perf_map){ 0 };
}
