/* SPDX-License-Identifier: Apache-2.0 */

/*
 * test-unwind-pages FILE [whole] — each page that is read by itself, and some that are read together, are
 * row by row those of the whole file's block. "whole": it may be a file that is not read so, as others may differ
 * from machine to machine.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "check.h"
#include "cprof/base/rng.h"
#include "cprof/elf_file.h"
#include "cprof/rows.h"
#include "cprof/symtab.h"
#include "cprof/unwind_pages.h"

struct block {
	struct unwind_info info;
	struct rows_view view;
};

static uint64_t cpu_ns(void)
{
	struct timespec t;

	CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void block_done(struct block *b)
{
	free(b->info.bytes);
}

/* Rows of a page; none: it is not in the block. */
static const uint32_t *rows_of(const struct rows_view *v, uint32_t page, uint32_t *ret_cnt)
{
	const uint32_t *rows = v->rows;
	uint32_t nth = page - v->head->page_first;

	*ret_cnt = 0;
	if (page < v->head->page_first || nth >= v->head->pages_cnt)
		return rows;
	for (uint32_t i = 0; i < nth; i++)
		rows += rows_of_page(v->page_rows[i]);
	*ret_cnt = v->page_rows[nth];
	return rows;
}

/* The numbers of rules are each block's own. */
static bool is_same_page(const struct rows_view *a, const struct rows_view *b, uint32_t page)
{
	uint32_t a_cnt, b_cnt;
	const uint32_t *x = rows_of(a, page, &a_cnt), *y = rows_of(b, page, &b_cnt);

	if (a_cnt != b_cnt)
		return false;
	for (uint32_t i = 0; i < a_cnt; i++) {
		if (CPROF_ROW_PC(x[i]) != CPROF_ROW_PC(y[i]) ||
		    memcmp(&a->rules[CPROF_ROW_RULE(x[i])], &b->rules[CPROF_ROW_RULE(y[i])],
			   sizeof(*a->rules)) != 0)
			return false;
	}
	return true;
}

static void read_pages(struct unwind_pages *p, const uint32_t *pages, size_t cnt, struct block *ret)
{
	CHECK_EQ(unwind_pages_read(p, pages, cnt, &ret->info), UNWIND_INFO_OK);
	CHECK_EQ(rows_check(ret->info.bytes, ret->info.sz, &ret->view), 0);
	CHECK(!ret->info.part);
}

static bool is_asked(const uint32_t *pages, size_t cnt, uint32_t page)
{
	for (size_t i = 0; i < cnt; i++) {
		if (pages[i] == page)
			return true;
	}
	return false;
}

/* How many pages are others than they should be. */
static uint32_t check_pages(struct unwind_pages *p, const struct rows_view *whole,
			    const uint32_t *pages, size_t cnt)
{
	_cleanup_(block_done) struct block b = { 0 };
	const struct rows_head *h;
	uint32_t wrong = 0;

	read_pages(p, pages, cnt, &b);
	h = b.view.head;
	for (uint32_t i = 0; i < h->pages_cnt; i++) {
		uint32_t page = h->page_first + i;

		if (!is_asked(pages, cnt, page)) {
			CHECK_EQ(b.view.page_rows[i], CPROF_PAGE_ABSENT);
			continue;
		}
		CHECK(b.view.page_rows[i] != CPROF_PAGE_ABSENT);
		if (!is_same_page(&b.view, whole, page)) {
			fprintf(stderr, "page %#x of %zu is another one\n", page, cnt);
			wrong++;
		}
	}
	return wrong;
}

/* Pages that lie anyhow, some of them side by side. */
static size_t some_pages(struct rng *rng, const struct rows_head *h, uint32_t *ret)
{
	uint32_t page = h->page_first;
	size_t cnt = 0;

	while (cnt < UNWIND_PAGES_MAX && page < h->page_first + h->pages_cnt) {
		ret[cnt++] = page;
		page += rng_next(rng) % 3 ? 1 : 1 + (uint32_t)(rng_next(rng) % 9);
	}
	return cnt;
}

static uint32_t check_all(struct unwind_pages *p, const struct rows_view *whole)
{
	_cleanup_(block_done) struct block none = { 0 };
	uint32_t wrong = 0, pages[UNWIND_PAGES_MAX];
	struct rng rng = { 3 };

	read_pages(p, NULL, 0, &none);
	CHECK_EQ(none.view.head->rows_cnt, 0);
	CHECK(none.view.head->page_first <= whole->head->page_first);
	CHECK(none.view.head->page_first + none.view.head->pages_cnt >=
	      whole->head->page_first + whole->head->pages_cnt);
	for (uint32_t i = 0; i < none.view.head->pages_cnt; i++) {
		pages[0] = none.view.head->page_first + i;
		wrong += check_pages(p, whole, pages, 1);
	}
	for (int i = 0; i < 20; i++)
		wrong += check_pages(p, whole, pages, some_pages(&rng, none.view.head, pages));
	/* What is not there is as if nobody had asked. */
	pages[0] = UINT32_MAX;
	CHECK_EQ(check_pages(p, whole, pages, 1), 0);
	return wrong;
}

static struct elf_file *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_file *f;
	struct stat st;

	if (fd < 0)
		return NULL;
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(elf_file_open(fd, (uint64_t)st.st_size, &f), SYMTAB_OK);
	return f;
}

int main(int argc, char **argv)
{
	_cleanup_(unwind_pages_closep) struct unwind_pages *p = NULL;
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	_cleanup_(block_done) struct block whole = { 0 };
	uint64_t whole_ns, open_ns, all_ns;
	bool may = argc > 2 && strcmp(argv[2], "whole") == 0;
	uint32_t wrong;
	int r;

	CHECK(argc > 1);
	f = open_file(argv[1]);
	if (!f) {
		printf("SKIP: no %s\n", argv[1]);
		return 77;
	}
	open_ns = cpu_ns();
	r = unwind_pages_open(f, 0, &p);
	open_ns = cpu_ns() - open_ns;
	CHECK(r == 1 || (r == 0 && may));
	whole_ns = cpu_ns();
	CHECK_EQ(unwind_info_read(f, NULL, &whole.info), UNWIND_INFO_OK);
	whole_ns = cpu_ns() - whole_ns;
	if (r == 0) {
		printf("%s is read as a whole, and says %s\n", argv[1],
		       whole.info.part ? "a part" : "all");
		return 0;
	}
	CHECK_EQ(rows_check(whole.info.bytes, whole.info.sz, &whole.view), 0);
	CHECK(!whole.info.part);
	all_ns = cpu_ns();
	wrong = check_all(p, &whole.view);
	all_ns = cpu_ns() - all_ns;
	printf("%s: %u pages, %u others; %.2f ms for the whole, %.2f ms to begin, %.3f ms a page\n",
	       argv[1], whole.view.head->pages_cnt, wrong, (double)whole_ns / 1e6,
	       (double)open_ns / 1e6, (double)all_ns / 1e6 / whole.view.head->pages_cnt);
	CHECK_EQ(wrong, 0);
	return 0;
}
