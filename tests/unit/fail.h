/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fail — memory that runs out at the n-th allocation from now, and only there.
 *
 * The programs that include this are linked with --wrap for malloc(), calloc() and realloc() (see
 * meson.build), so that every call of ours goes through here and none of libc's own. Real shortage
 * cannot be had at a chosen place. Use: for (n = 0; ; n++) { fail_at(n); act; if (fail_over())
 * break; check that nothing changed }, which ends when the action needed fewer than n.
 */

#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t sz);
void *__real_calloc(size_t cnt, size_t sz);
void *__real_realloc(void *p, size_t sz);
void *__wrap_malloc(size_t sz);
void *__wrap_calloc(size_t cnt, size_t sz);
void *__wrap_realloc(void *p, size_t sz);

static long fail_left = -1; /* allocations that still succeed; negative: all */

/* The allocation after the next @n fails. */
static inline void fail_at(long n)
{
	fail_left = n;
}

/* Back to normal; true when the failure was not reached. */
static inline bool fail_over(void)
{
	bool over = fail_left >= 0;

	fail_left = -1;
	return over;
}

static inline bool fail_now(void)
{
	return fail_left >= 0 && fail_left-- == 0;
}

void *__wrap_malloc(size_t sz)
{
	return fail_now() ? NULL : __real_malloc(sz);
}

void *__wrap_calloc(size_t cnt, size_t sz)
{
	return fail_now() ? NULL : __real_calloc(cnt, sz);
}

void *__wrap_realloc(void *p, size_t sz)
{
	return fail_now() ? NULL : __real_realloc(p, sz);
}
