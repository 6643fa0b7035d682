/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stretches come in order, so rows are only ever appended: a row at a stretch's beginning, one at 0 of
 * each further page that it reaches, and one that says GAP at its end, which waits until it is known
 * that nothing begins there. What a stretch may need at most is looked at before, so that it goes in
 * whole.
 */

#include <errno.h>
#include <string.h>

#include "cprof/base/vec.h"
#include "cprof/rows.h"
#include "cprof/ruleset.h"

#define GAP 0u			/* the number of the rule that says GAP */
#define PLACES_END (1ull << 48) /* page numbers have 32 bits */
#define PAGE_OF(offset) ((offset) >> CPROF_PAGE_SHIFT)
#define PAGE_MASK ((1ull << CPROF_PAGE_SHIFT) - 1)

struct rows_builder {
	struct ruleset ruleset;
	VEC(uint32_t) page_rows;
	VEC(uint32_t) rows;
	uint64_t page_first;
	uint64_t end; /* of the last stretch */
	uint64_t covered;
	bool paged; /* its pages are fixed, and some of them absent */
};

struct rows_builder *rows_builder_free(struct rows_builder *b)
{
	if (!b)
		return NULL;
	ruleset_done(&b->ruleset);
	vec_done(&b->page_rows);
	vec_done(&b->rows);
	free(b);
	return NULL;
}

int rows_builder_new(struct rows_builder **ret)
{
	_cleanup_(rows_builder_freep) struct rows_builder *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	r = ruleset_number(&b->ruleset, &(struct cprof_rule){ .cfa = CPROF_CFA_GAP },
			   ROWS_RULES_MAX);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(b);
	return 0;
}

int rows_pages(struct rows_builder *b, uint32_t page_first, uint32_t pages_cnt)
{
	int r;

	if (pages_cnt > ROWS_PAGES_MAX || pages_cnt > UINT32_MAX - page_first)
		return -E2BIG;
	r = vec_reserve(&b->page_rows, pages_cnt);
	if (r < 0)
		return r;
	while (b->page_rows.cnt < pages_cnt)
		b->page_rows.v[b->page_rows.cnt++] = CPROF_PAGE_ABSENT;
	b->page_first = page_first;
	b->paged = true;
	return 0;
}

void rows_present(struct rows_builder *b, uint32_t page)
{
	uint64_t nth = page - b->page_first;

	if (nth < b->page_rows.cnt && b->page_rows.v[nth] == CPROF_PAGE_ABSENT)
		b->page_rows.v[nth] = 0;
}

/* Are rows of this page left out? */
static bool is_absent(const struct rows_builder *b, uint64_t page)
{
	uint64_t nth = page - b->page_first;

	return b->paged && (nth >= b->page_rows.cnt || b->page_rows.v[nth] == CPROF_PAGE_ABSENT);
}

/* From this place on the rule. There is room. */
static void place(struct rows_builder *b, uint64_t offset, uint32_t rule)
{
	size_t page = (size_t)(PAGE_OF(offset) - b->page_first);
	uint32_t low = (uint32_t)(offset & PAGE_MASK);

	if (is_absent(b, PAGE_OF(offset)))
		return;
	while (b->page_rows.cnt <= page)
		b->page_rows.v[b->page_rows.cnt++] = 0;
	if (b->page_rows.v[page] == 0 && low > 0) {
		b->rows.v[b->rows.cnt++] = CPROF_ROW(0, GAP);
		b->page_rows.v[page]++;
	}
	if (b->page_rows.v[page] > 0 && CPROF_ROW_RULE(b->rows.v[b->rows.cnt - 1]) == rule)
		return;
	b->rows.v[b->rows.cnt++] = CPROF_ROW(low, rule);
	b->page_rows.v[page]++;
}

/* The last stretch has ended, and nothing begins there; a page that begins there is no matter of its. */
static void place_end(struct rows_builder *b)
{
	if ((b->end & PAGE_MASK) != 0)
		place(b, b->end, GAP);
}

/* The last page that a stretch may have rows of. */
static uint64_t last_page(const struct rows_builder *b, uint64_t end)
{
	return b->paged ? MIN(PAGE_OF(end - 1), b->page_first + b->page_rows.cnt)
			: PAGE_OF(end - 1);
}

/* The first one behind the page that it begins in. */
static uint64_t next_page(const struct rows_builder *b, uint64_t offset)
{
	return b->paged ? MAX(PAGE_OF(offset) + 1, b->page_first) : PAGE_OF(offset) + 1;
}

/* Room for a stretch: a GAP before it, rows of all its pages, a GAP at the first one's 0 and behind it. */
static int reserve(struct rows_builder *b, uint64_t offset, uint64_t end)
{
	uint64_t first = b->paged || b->end > 0 ? b->page_first : PAGE_OF(offset);
	uint64_t next = next_page(b, offset), last = last_page(b, end);
	uint64_t pages = last < first ? 0 : last - first + 1;
	size_t more = (last < next ? 0 : (size_t)(last - next) + 1) + 4;
	int r;

	if (b->paged)
		pages = b->page_rows.cnt;
	if (pages > ROWS_PAGES_MAX || b->rows.cnt + more > ROWS_CNT_MAX)
		return -E2BIG;
	r = vec_reserve(&b->rows, more);
	if (r == 0 && pages > b->page_rows.cnt)
		r = vec_reserve(&b->page_rows, (size_t)pages - b->page_rows.cnt);
	return r;
}

int rows_rule(struct rows_builder *b, const struct cprof_rule *rule)
{
	return rows_check_rule(rule) ? ruleset_number(&b->ruleset, rule, ROWS_RULES_MAX) : -EINVAL;
}

int rows_add_number(struct rows_builder *b, uint64_t offset, uint64_t end, uint16_t number)
{
	int r;

	if (offset >= end || offset < b->end || number == GAP || number >= b->ruleset.rules.cnt)
		return -EINVAL;
	if (end > PLACES_END)
		return -E2BIG;
	r = reserve(b, offset, end);
	if (r < 0)
		return r;
	if (b->end == 0 && !b->paged)
		b->page_first = PAGE_OF(offset);
	else if (offset > b->end)
		place_end(b);
	place(b, offset, number);
	for (uint64_t page = next_page(b, offset); page <= last_page(b, end); page++)
		place(b, page << CPROF_PAGE_SHIFT, number);
	b->end = end;
	b->covered += end - offset;
	return 0;
}

int rows_add(struct rows_builder *b, uint64_t offset, uint64_t end, const struct cprof_rule *rule)
{
	int r = rows_rule(b, rule);

	return r <= 0 ? r : rows_add_number(b, offset, end, (uint16_t)r);
}

uint64_t rows_covered(const struct rows_builder *b)
{
	return b->covered;
}

/* Where the next one goes. */
static size_t append(void *dst, size_t at, const void *src, size_t sz)
{
	if (sz > 0)
		memcpy((char *)dst + at, src, sz);
	return at + sz;
}

int rows_finish(struct rows_builder *b, void **ret_bytes, size_t *ret_sz)
{
	const struct ruleset *set = &b->ruleset;
	struct rows_head head = { .magic = ROWS_MAGIC, .version = ROWS_VERSION };
	size_t sz;
	char *bytes;

	place_end(b);
	head.page_first = (uint32_t)b->page_first;
	head.pages_cnt = (uint32_t)b->page_rows.cnt;
	head.rules_cnt = (uint32_t)set->rules.cnt;
	head.rows_cnt = (uint32_t)b->rows.cnt;
	sz = sizeof(head) + set->rules.cnt * sizeof(*set->rules.v) +
	     (b->page_rows.cnt + b->rows.cnt) * sizeof(uint32_t);
	bytes = malloc(sz);
	if (!bytes)
		return -ENOMEM;
	sz = append(bytes, 0, &head, sizeof(head));
	sz = append(bytes, sz, set->rules.v, set->rules.cnt * sizeof(*set->rules.v));
	sz = append(bytes, sz, b->page_rows.v, b->page_rows.cnt * sizeof(*b->page_rows.v));
	sz = append(bytes, sz, b->rows.v, b->rows.cnt * sizeof(*b->rows.v));
	*ret_bytes = bytes;
	*ret_sz = sz;
	return 0;
}
