/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The front that names the files is trusted less than whoever asks it, root mostly: a name leads nowhere
 * but below the directory, over no link, and to nothing but a regular file.
 */

#include "stored.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "listing.h"
#include "times.h"

static int stored_open(int dir_fd, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EBADMSG;
}

/* How many it was: 0 or 1. */
static size_t stored_visit_file(const struct stored *s, int dir_fd, const char *path,
				const struct source_visitor *v)
{
	_cleanup_close_ int fd = stored_open(dir_fd, path);
	_cleanup_free_ void *bytes = NULL;
	char shown[2 * PATH_MAX];
	size_t sz;
	int r;

	if (fd == -ENOENT)
		return 0;
	(void)snprintf(shown, sizeof(shown), "%s/%s", s->directory, path);
	r = fd < 0 ? fd : source_read(fd, &bytes, &sz);
	if (r < 0)
		v->on_error(v->ctx, shown, r);
	else
		v->on_file(v->ctx, shown, bytes, sz);
	return 1;
}

/* The daemon was told which; they come as it has them. */
static bool stored_choose(struct json_value row, uint64_t *ret_order, void *ctx)
{
	*ret_order = 0;
	return json_text_kind(json_text_member(row, "path")) == JSON_STRING;
}

static int stored_visit_rows(struct stored *s, const struct listing *l,
			     const struct source_visitor *v, struct problem *ret_problem)
{
	_cleanup_close_ int dir_fd = -EBADF;
	char *dir = s->directory, path[PATH_MAX];
	size_t files = 0;

	(void)json_text_string(json_text_member(l->answer.root, "directory"), dir, PATH_MAX);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return problem_set(
			ret_problem, -errno,
			"cannot open the daemon's directory %s: %m; run cprofctl beside it", dir);
	for (size_t i = 0; i < l->rows.cnt; i++) {
		(void)json_text_string(json_text_member(l->rows.v[i].value, "path"), path,
				       sizeof(path));
		files += stored_visit_file(s, dir_fd, path, v);
	}
	return files > 0 ? 0 : -ENODATA;
}

int stored_visit(struct stored *s, const struct ctl_globals *globals,
		 const struct source_visitor *v, struct problem *ret_problem)
{
	_cleanup_(listing_done) struct listing l = LISTING_INIT("files");
	char target[128], since[TIMES_SZ];
	int r;

	(void)snprintf(target, sizeof(target), "/ls?kind=cpu&since=%s",
		       times_rfc3339(s->since_real_ns, since));
	r = ask_daemon(globals, target, &l.answer, ret_problem);
	if (r < 0)
		return r;
	r = listing_choose(&l, stored_choose, NULL);
	if (r < 0)
		return problem_set(ret_problem, r, "%m; free memory");
	return l.rows.cnt == 0 ? -ENODATA : stored_visit_rows(s, &l, v, ret_problem);
}
