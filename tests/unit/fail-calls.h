/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fail-calls — calls to the kernel that fail at the n-th time, or so many from then on. As fail.h does for
 * memory: programs that include this are linked with --wrap for each of them (see meson.build).
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum fail_call {
	FAIL_OPENAT,
	FAIL_WRITE,
	FAIL_FSYNC,
	FAIL_SYNC_FILE_RANGE,
	FAIL_RENAME,
	FAIL_RENAME2,
	FAIL_LINK,
	FAIL_UNLINK,
	FAIL_MKDIR,
	FAIL_ANY,
};

static const char *const fail_names[] = {
	"openat",    "write", "fsync",	"sync_file_range", "rename",
	"renameat2", "link",  "unlink", "mkdir",	   "any",
};

static struct {
	enum fail_call call;
	int error;
	bool armed, reached;
	long left;  /* calls that still succeed */
	long times; /* and then fail */
} fail_calls;

/* The @times calls of that kind after the next @n fail with @error. */
static inline void fail_call_at(enum fail_call call, int error, long n, long times)
{
	fail_calls.call = call;
	fail_calls.error = error;
	fail_calls.left = n;
	fail_calls.times = times;
	fail_calls.reached = false;
	fail_calls.armed = true;
}

/* Back to normal; true when the failure was not reached. */
static inline bool fail_calls_over(void)
{
	fail_calls.armed = false;
	return !fail_calls.reached;
}

static inline bool fail_call_now(enum fail_call call)
{
	if (!fail_calls.armed || (fail_calls.call != call && fail_calls.call != FAIL_ANY))
		return false;
	if (fail_calls.left > 0) {
		fail_calls.left--;
		return false;
	}
	if (fail_calls.times == 0)
		return false;
	fail_calls.times--;
	fail_calls.reached = true;
	errno = fail_calls.error;
	return true;
}

/* A call, its parameters, and the names of these: one wrapper. */
#define FAIL_WRAP(type, kind, name, params, args)                     \
	type __real_##name params;                                    \
	type __wrap_##name params;                                    \
	type __wrap_##name params                                     \
	{                                                             \
		return fail_call_now(kind) ? -1 : __real_##name args; \
	}

FAIL_WRAP(ssize_t, FAIL_WRITE, write, (int fd, const void *p, size_t sz), (fd, p, sz))
FAIL_WRAP(int, FAIL_FSYNC, fsync, (int fd), (fd))
FAIL_WRAP(int, FAIL_SYNC_FILE_RANGE, sync_file_range,
	  (int fd, off_t at, off_t sz, unsigned int flags), (fd, at, sz, flags))
FAIL_WRAP(int, FAIL_RENAME, renameat, (int a, const char *x, int b, const char *y), (a, x, b, y))
FAIL_WRAP(int, FAIL_RENAME2, renameat2,
	  (int a, const char *x, int b, const char *y, unsigned int flags), (a, x, b, y, flags))
FAIL_WRAP(int, FAIL_LINK, linkat, (int a, const char *x, int b, const char *y, int flags),
	  (a, x, b, y, flags))
FAIL_WRAP(int, FAIL_UNLINK, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
FAIL_WRAP(int, FAIL_MKDIR, mkdirat, (int fd, const char *name, mode_t mode), (fd, name, mode))

int __real_openat64(int fd, const char *name, int flags, ...);
int __wrap_openat64(int fd, const char *name, int flags, ...);

int __wrap_openat64(int fd, const char *name, int flags, ...)
{
	va_list ap;
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return fail_call_now(FAIL_OPENAT) ? -1 : __real_openat64(fd, name, flags, mode);
}
