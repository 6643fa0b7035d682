/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pool-fixture — memory for a pool as maps would be, and objects whose rows are known without looking.
 *
 * A content is an (object, version): its rules say so, and which rule is where follows from numbers alone.
 * So whatever row of whatever version a walk found, it can be told whether it was ever right.
 */

#include <errno.h>
#include <sys/mman.h>

#include "cprof/base/rng.h"
#include "cprof/pool.h"

#include "check.h"

struct image {
	struct pool_memory memory;
	uint32_t *slabs[CPROF_UNWIND_SLABS_MAX]; /* what walks find */
	uint32_t *spare[CPROF_UNWIND_SLABS_MAX]; /* once given back; a walk may still be in there */
	uint32_t spare_cnt;
	uint32_t cnt, most;
	uint32_t fail; /* so many more, then -ENOMEM; 0: never */
};

static void *image_memory(size_t sz)
{
	void *p = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static int image_slab_new(void *ctx, uint32_t index, uint32_t **ret)
{
	struct image *im = ctx;

	CHECK(index < CPROF_UNWIND_SLABS_MAX && !im->slabs[index]);
	if (im->fail > 0 && --im->fail == 0)
		return -ENOMEM;
	*ret = im->spare_cnt > 0 ? im->spare[--im->spare_cnt] : image_memory(CPROF_SLAB_BYTES);
	__atomic_store_n(&im->slabs[index], *ret, __ATOMIC_RELEASE);
	im->cnt++;
	im->most = im->cnt > im->most ? im->cnt : im->most;
	return 0;
}

static void image_slab_free(void *ctx, uint32_t index)
{
	struct image *im = ctx;

	CHECK(im->slabs[index]);
	im->spare[im->spare_cnt++] = im->slabs[index];
	__atomic_store_n(&im->slabs[index], NULL, __ATOMIC_RELEASE);
	im->cnt--;
}

__attribute__((unused)) static void image_init(struct image *im)
{
	*im = (struct image){
		.memory = {
			.objects = image_memory(CPROF_UNWIND_OBJECTS_MAX *
						sizeof(struct cprof_unwind_object)),
			.pages = image_memory(CPROF_UNWIND_PAGES_MAX *
					      sizeof(struct cprof_unwind_page)),
			.rules = image_memory(CPROF_UNWIND_RULES_MAX * sizeof(struct cprof_rule)),
			.slab_new = image_slab_new,
			.slab_free = image_slab_free,
		},
	};
	im->memory.ctx = im;
}

__attribute__((unused)) static void image_done(struct image *im)
{
	CHECK_EQ(im->cnt, 0);
	while (im->spare_cnt > 0)
		CHECK_EQ(munmap(im->spare[--im->spare_cnt], CPROF_SLAB_BYTES), 0);
	CHECK_EQ(munmap(im->memory.objects,
			CPROF_UNWIND_OBJECTS_MAX * sizeof(struct cprof_unwind_object)),
		 0);
	CHECK_EQ(
		munmap(im->memory.pages, CPROF_UNWIND_PAGES_MAX * sizeof(struct cprof_unwind_page)),
		0);
	CHECK_EQ(munmap(im->memory.rules, CPROF_UNWIND_RULES_MAX * sizeof(struct cprof_rule)), 0);
}

struct content {
	uint32_t object, version;
	uint32_t pages_cnt, page_first;
	uint32_t rows_max;  /* of a page */
	uint32_t rules_cnt; /* with the GAP */
	bool gaps;	    /* among the rows too */
};

/* Every ninth page has none, whatever the version. */
__attribute__((unused)) static uint32_t content_page_rows(const struct content *c, uint32_t page)
{
	uint32_t mix = (c->object * 2654435761u) ^ (c->version * 40503u) ^ (page * 2246822519u);

	mix ^= mix >> 15;
	return (page + c->object) % 9 == 8 ? 0 : 1 + mix % c->rows_max;
}

__attribute__((unused)) static uint32_t content_rule_of_row(const struct content *c, uint32_t page,
							    uint32_t row)
{
	uint32_t n = page * 31 + row * 7 + c->version;

	if (c->gaps && n % 8 == 0)
		return 0;
	return 1 + n % (c->rules_cnt - 1);
}

static struct cprof_rule content_rule(const struct content *c, uint32_t i)
{
	if (i == 0)
		return (struct cprof_rule){ 0 };
	return (struct cprof_rule){
		.cfa = CPROF_CFA_REG,
		.cfa_reg = CPROF_REG_RSP,
		.ra = CPROF_WHERE_CFA,
		.cfa_off = (int32_t)c->object,
		.cfa_add = (int32_t)c->version,
		.ra_off = -8,
		.fp_off = (int32_t)i,
		.sp_off = (int32_t)(c->object ^ c->version ^ i),
	};
}

/* Number of the rule for a place, of the content's own; 0: a GAP. */
__attribute__((unused)) static uint32_t content_rule_at(const struct content *c, uint64_t offset)
{
	uint64_t page = (offset >> CPROF_PAGE_SHIFT) - c->page_first;
	uint32_t rows, row;

	if (page >= c->pages_cnt)
		return 0;
	rows = content_page_rows(c, (uint32_t)page);
	if (rows == 0)
		return 0;
	row = (uint32_t)(offset & 0xffff) / (65536 / rows);
	return content_rule_of_row(c, (uint32_t)page, row < rows ? row : rows - 1);
}

/* One of a size of its own; a GAP is one in all its versions. */
__attribute__((unused)) static struct content content_of(uint32_t object, uint32_t version)
{
	return (struct content){
		.object = object,
		.version = version,
		.pages_cnt = 8 + object % 15,
		.page_first = object % 5,
		.rows_max = object % 7 == 0 ? 20000 : 900,
		.rules_cnt = 2 + object * 3 % 400,
	};
}

#define CONTENT_OFFSETS (28u << CPROF_PAGE_SHIFT) /* it ends before */

/* Is that what some version of content_of() has there? A rule tells which; NULL: a GAP. */
__attribute__((unused)) static bool content_had(uint32_t object, uint64_t offset,
						const struct cprof_rule *rule)
{
	struct content c = content_of(object, rule ? (uint32_t)rule->cfa_add : 0);
	uint32_t i = content_rule_at(&c, offset);
	struct cprof_rule want = content_rule(&c, i);

	return rule ? i != 0 && memcmp(rule, &want, sizeof(want)) == 0 : i == 0;
}

/* A block of it. */
struct made {
	struct rows_head head;
	struct rows_view view;
	struct cprof_rule *rules;
	uint32_t *page_rows, *rows;
};

__attribute__((unused)) static void make(struct made *m, const struct content *c)
{
	uint32_t cnt = 0, n = 0;

	for (uint32_t i = 0; i < c->pages_cnt; i++)
		cnt += content_page_rows(c, i);
	m->head = (struct rows_head){ ROWS_MAGIC,   ROWS_VERSION, c->page_first,
				      c->pages_cnt, c->rules_cnt, cnt };
	m->rules = calloc(c->rules_cnt + 1, sizeof(*m->rules));
	m->page_rows = calloc(c->pages_cnt + 1, sizeof(*m->page_rows));
	m->rows = calloc(cnt + 1, sizeof(*m->rows));
	CHECK(m->rules && m->page_rows && m->rows);
	for (uint32_t i = 0; i < c->rules_cnt; i++)
		m->rules[i] = content_rule(c, i);
	for (uint32_t i = 0; i < c->pages_cnt; i++) {
		m->page_rows[i] = content_page_rows(c, i);
		for (uint32_t j = 0; j < m->page_rows[i]; j++)
			m->rows[n++] = CPROF_ROW(j * (65536 / m->page_rows[i]),
						 content_rule_of_row(c, i, j));
	}
	m->view = (struct rows_view){ &m->head, m->rules, m->page_rows, m->rows };
}

/* Takes out the pages whose bit is not set; of the first 64. */
__attribute__((unused)) static void make_part(struct made *m, uint64_t present)
{
	uint32_t from = 0, to = 0;

	for (uint32_t i = 0; i < m->head.pages_cnt; i++) {
		uint32_t cnt = m->page_rows[i];

		if (present >> i & 1) {
			memmove(m->rows + to, m->rows + from, cnt * sizeof(*m->rows));
			to += cnt;
		} else {
			m->page_rows[i] = CPROF_PAGE_ABSENT;
		}
		from += cnt;
	}
	m->head.rows_cnt = to;
}

__attribute__((unused)) static void made_done(struct made *m)
{
	free(m->rules);
	free(m->page_rows);
	free(m->rows);
}
