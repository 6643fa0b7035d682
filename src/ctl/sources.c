/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is named by the user is read whatever it is (a pipe of the shell, too). Below a directory only
 * regular files with a profile's name are, and no symbolic link is followed: no loops, no surprises.
 */

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/base/str.h"
#include "sources.h"

#define SOURCE_BYTES_MAX (1UL << 30) /* of one file, as it lies there */
#define SOURCE_READ_MIN (64UL << 10)

int source_read(int fd, void **ret, size_t *ret_sz)
{
	_cleanup_free_ char *bytes = NULL;
	size_t sz = 0, cap = 0;

	for (;;) {
		char *more;
		ssize_t n;

		cap = cap ? MIN(cap * 2, SOURCE_BYTES_MAX + 1) : SOURCE_READ_MIN;
		more = realloc(bytes, cap);
		if (!more)
			return -ENOMEM;
		bytes = more;
		n = fd_read_upto(fd, bytes + sz, cap - sz);
		if (n < 0)
			return (int)n;
		sz += (size_t)n;
		if (sz > SOURCE_BYTES_MAX)
			return -E2BIG;
		if (sz < cap)
			break;
	}
	*ret = TAKE_PTR(bytes);
	*ret_sz = sz;
	return 0;
}

static void visit_fd(const struct source_visitor *v, const char *shown, int fd)
{
	_cleanup_free_ void *bytes = NULL;
	size_t sz;
	int r = source_read(fd, &bytes, &sz);

	if (r < 0)
		v->on_error(v->ctx, shown, r);
	else
		v->on_file(v->ctx, shown, bytes, sz);
}

static void visit_file(const struct source_visitor *v, const char *path, const char *shown,
		       int flags)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags);

	if (fd < 0)
		v->on_error(v->ctx, shown, -errno);
	else
		visit_fd(v, shown, fd);
}

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* As cprofctl names them, and as others do; no half-written temporary. */
static bool is_profile_name(const char *name)
{
	return name[0] != '.' &&
	       (ends_with(name, ".pb.gz") || ends_with(name, ".pb") || ends_with(name, ".pprof"));
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void visit_entry(const struct source_visitor *v, const FTSENT *e, size_t *files)
{
	char shown[PATH_MAX];

	(void)str_clean(shown, sizeof(shown), e->fts_path, strlen(e->fts_path), NULL);
	if (e->fts_info == FTS_F && is_profile_name(e->fts_name)) {
		(*files)++;
		visit_file(v, e->fts_accpath, shown, O_NOFOLLOW | O_NONBLOCK);
	} else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR) {
		(*files)++;
		v->on_error(v->ctx, shown, -e->fts_errno);
	}
}

static void visit_directory(const struct source_visitor *v, const char *path, const char *shown)
{
	char *paths[] = { (char *)(uintptr_t)path, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	const FTSENT *e;
	size_t files = 0;

	if (!fts) {
		v->on_error(v->ctx, shown, -errno);
		return;
	}
	while ((e = fts_read(fts)))
		visit_entry(v, e, &files);
	(void)fts_close(fts);
	if (files == 0)
		v->on_error(v->ctx, shown, -ENODATA);
}

void source_visit(const char *source, const struct source_visitor *v)
{
	char shown[PATH_MAX];
	struct stat st;

	(void)str_clean(shown, sizeof(shown), source, strlen(source), NULL);
	if (strcmp(source, "-") == 0)
		visit_fd(v, "standard input", STDIN_FILENO);
	else if (stat(source, &st) < 0)
		v->on_error(v->ctx, shown, -errno);
	else if (S_ISDIR(st.st_mode))
		visit_directory(v, source, shown);
	else
		visit_file(v, source, shown, 0);
}
