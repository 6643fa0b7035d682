/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cleanup — ownership by scope, in systemd's idiom.
 *
 * A variable that owns something is declared with a cleanup attribute and acquired in the same
 * statement; ownership leaves it only through TAKE_PTR() or TAKE_FD(). Destructors accept NULL and
 * half-built objects and return NULL, so `x = x_free(x)` is the way to let go early.
 */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)

#define TAKE_PTR(ptr)                          \
	({                                     \
		__typeof__(ptr) *_pp = &(ptr); \
		__typeof__(ptr) _taken = *_pp; \
		*_pp = NULL;                   \
		_taken;                        \
	})

#define TAKE_FD(fd)                 \
	({                          \
		int *_fdp = &(fd);  \
		int _taken = *_fdp; \
		*_fdp = -EBADF;     \
		_taken;             \
	})

/* Defines funcp(), the cleanup function for variables of this pointer type. */
#define DEFINE_CLEANUP(type, func)          \
	static inline void func##p(type *p) \
	{                                   \
		if (*p)                     \
			*p = func(*p);      \
	}                                   \
	struct cleanup_swallow_semicolon

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* Closes what is open and returns -EBADF: `fd = fd_close(fd)`. */
static inline int fd_close(int fd)
{
	cleanup_closep(&fd);
	return -EBADF;
}

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define CMP(a, b) (((a) > (b)) - ((a) < (b)))

/*
 * Each takes its arguments once, in the type that both of them would be compared in. Only in functions, and
 * no constant.
 */
#define MIN(a, b) CLEANUP_CHOOSE(a, b, <, __COUNTER__)
#define MAX(a, b) CLEANUP_CHOOSE(a, b, >, __COUNTER__)

/* With names of their own, for one may stand within another. */
#define CLEANUP_CHOOSE(a, b, op, n) \
	CLEANUP_CHOOSE_BY(a, b, op, CLEANUP_JOIN(_a, n), CLEANUP_JOIN(_b, n))
#define CLEANUP_CHOOSE_BY(a, b, op, name_a, name_b)                   \
	({                                                            \
		__typeof__(1 ? (a) : (b)) name_a = (a), name_b = (b); \
		name_a op name_b ? name_a : name_b;                   \
	})
#define CLEANUP_JOIN(a, b) CLEANUP_JOIN_BY(a, b)
#define CLEANUP_JOIN_BY(a, b) a##b
