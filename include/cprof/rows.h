/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rows — the unwinding rows of one object as one block of bytes: what the symbolizer makes of a file, and
 * what the sampler, which does not believe it, looks at row by row before a walk may read it.
 *
 * A block is a struct rows_head, then rules (struct cprof_rule), then for each page of 64 KiB from
 * page_first on the number of its rows (uint32_t), then the rows of all pages (CPROF_ROW). Places are
 * file offsets. Rule 0 is a GAP. A page that has rows begins with one at 0, so each can be read by itself;
 * one without is a GAP from end to end; one whose number is CPROF_PAGE_ABSENT has none here, and nothing is
 * said of it (docs/adr/0046).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/unwind.h"

#define ROWS_MAGIC 0x776f7263u /* "crow" */
#define ROWS_VERSION 1

struct rows_head {
	uint32_t magic;
	uint32_t version;
	uint32_t page_first;
	uint32_t pages_cnt; /* 0: the file has no unwinding information */
	uint32_t rules_cnt;
	uint32_t rows_cnt;
};

/* Of one object; what goes beyond them is not built, and a block that does is refused. */
#define ROWS_PAGES_MAX 32768u /* 2 GiB of a file */
#define ROWS_RULES_MAX 16384u
#define ROWS_CNT_MAX (16u << 20)
#define ROWS_BYTES_MAX                                                                   \
	(sizeof(struct rows_head) + (size_t)ROWS_RULES_MAX * sizeof(struct cprof_rule) + \
	 ((size_t)ROWS_PAGES_MAX + ROWS_CNT_MAX) * sizeof(uint32_t))

/* Building: stretches of code by ascending file offset; what is between them is a GAP. */
struct rows_builder;
int rows_builder_new(struct rows_builder **ret);
struct rows_builder *rows_builder_free(struct rows_builder *b);
/*
 * From @offset up to @end this rule. A stretch goes in whole or not at all. 0; -EINVAL: it begins before
 * the last one's end, or it is none, or no walk may follow the rule; -E2BIG: beyond the limits, and what
 * comes next may fit; -ENOMEM.
 */
int rows_add(struct rows_builder *b, uint64_t offset, uint64_t end, const struct cprof_rule *rule);
/* The same in two steps, for rules that come often: a number above 0, or -EINVAL, -E2BIG, -ENOMEM. */
int rows_rule(struct rows_builder *b, const struct cprof_rule *rule);
int rows_add_number(struct rows_builder *b, uint64_t offset, uint64_t end, uint16_t number);
/*
 * Before the first stretch: the block will have these pages, all of them absent but for those that
 * rows_present() names. What stretches say of absent ones is left out. 0; -E2BIG; -ENOMEM.
 */
int rows_pages(struct rows_builder *b, uint32_t page_first, uint32_t pages_cnt);
/* One that the block does not have is as none. */
void rows_present(struct rows_builder *b, uint32_t page);
/* How many bytes have a rule. */
uint64_t rows_covered(const struct rows_builder *b);
/* The block: *ret_bytes is the caller's, to be freed; the builder is used up. 0 or -ENOMEM. */
int rows_finish(struct rows_builder *b, void **ret_bytes, size_t *ret_sz);

/* A checked block, pointing into its bytes. */
struct rows_view {
	const struct rows_head *head;
	const struct cprof_rule *rules;
	const uint32_t *page_rows; /* how many rows each page has */
	const uint32_t *rows;
};

/*
 * Looks at everything: sizes, every rule (known numbers, registers within bounds), every row (ascending,
 * of a rule that is there). @bytes is aligned to 8. 0, or -EBADMSG.
 */
int rows_check(const void *bytes, size_t sz, struct rows_view *ret);

static inline uint32_t rows_of_page(uint32_t cnt)
{
	return cnt == CPROF_PAGE_ABSENT ? 0 : cnt;
}

/* Is a page of it absent? */
bool rows_are_part(const struct rows_view *rows);

/* Is this a rule that a walk may follow? */
bool rows_check_rule(const struct cprof_rule *rule);

DEFINE_CLEANUP(struct rows_builder *, rows_builder_free);
