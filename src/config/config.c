/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config — which files there are, in which order, and reading them.
 *
 * All of them are read, also behind an error, so that everything that is wrong is told at once. What
 * is no regular file is not waited for: a FIFO would hang the daemon's start.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/base/vec.h"
#include "cprof/config.h"
#include "parse.h"

#define FILE_NAME "cprofd.conf"
#define DROPINS_NAME "cprofd.conf.d"
#define DROPINS_MAX 1024 /* in all folders */
#define SUFFIX ".conf"

/* The strongest first. Relative to the root. */
static const char *const folders[] = { "etc/cprofd", "run/cprofd", "usr/lib/cprofd" };

struct dropin {
	char *name;
	size_t folder;
};

struct load {
	const struct config_source *source;
	struct parser parser;
	VEC(struct dropin) dropins;
	int error; /* the first file that could not be read */
};

static void load_done(struct load *l)
{
	for (size_t i = 0; i < l->dropins.cnt; i++)
		free(l->dropins.v[i].name);
	vec_done(&l->dropins);
}

static void unreadable(struct load *l, const char *name, int error, const char *why)
{
	parser_tell(&l->parser, true, "%s: not read: %s", name, why ? why : strerror(-error));
	if (l->error == 0)
		l->error = error;
}

/* What a descriptor is of; NULL when it can be read. */
static const char *why_not(const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return "it is a directory";
	if (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3))
		return NULL; /* /dev/null hides what is below */
	return S_ISREG(st->st_mode) ? NULL : "it is no file";
}

/* As much as there is, and never more than the limit and one byte. */
static ssize_t read_bounded(int fd, char **ret)
{
	_cleanup_free_ char *bytes = malloc(PARSE_TEXT_MAX + 1);
	ssize_t n;

	if (!bytes)
		return -ENOMEM;
	n = fd_read_upto(fd, bytes, PARSE_TEXT_MAX + 1);
	if (n >= 0)
		*ret = TAKE_PTR(bytes);
	return n;
}

/* @fd: opened, or -errno; it is the caller's. */
static void load_file(struct load *l, int fd, const char *name)
{
	struct config_text text = { .name = name };
	_cleanup_free_ char *bytes = NULL;
	const char *why;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		unreadable(l, name, fd < 0 ? fd : -errno, NULL);
		return;
	}
	why = why_not(&st);
	if (why) {
		unreadable(l, name, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL, why);
		return;
	}
	n = read_bounded(fd, &bytes);
	if (n < 0) {
		unreadable(l, name, (int)n, NULL);
		return;
	}
	text.bytes = bytes;
	text.sz = MAX((size_t)n, (size_t)st.st_size); /* a huge one is told with its size */
	if (text.sz <= PARSE_TEXT_MAX)
		text.sz = (size_t)n;
	if (parser_text(&l->parser, &text) < 0 && l->error == 0)
		l->error = -ENOMEM;
}

#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static void load_named(struct load *l)
{
	_cleanup_close_ int fd = open(l->source->file, OPEN_FLAGS);

	load_file(l, fd < 0 ? -errno : fd, l->source->file);
}

/* The path below the root, shown with a slash before it. */
static void load_below(struct load *l, const char *folder, const char *sub, const char *name)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -EBADF;

	if (asprintf(&path, "/%s/%s%s", folder, sub, name) < 0) {
		path = NULL;
		unreadable(l, name, -ENOMEM, NULL);
		return;
	}
	fd = root_open_file(l->source->root, path + 1, OPEN_FLAGS);
	load_file(l, fd, path);
}

/* The first folder that has one: whoever writes /etc/cprofd/cprofd.conf begins anew. */
static void load_main(struct load *l)
{
	for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
		char path[64];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/" FILE_NAME, folders[i]);
		if (fstatat(l->source->root->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
		    (errno == ENOENT || errno == ENOTDIR))
			continue;
		load_below(l, folders[i], "", FILE_NAME);
		return;
	}
}

static bool is_dropin(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > strlen(SUFFIX) &&
	       strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

static int add_dropin(struct load *l, const char *name, size_t folder)
{
	struct dropin d = { .folder = folder };
	int r;

	for (size_t i = 0; i < l->dropins.cnt; i++) {
		if (strcmp(l->dropins.v[i].name, name) == 0)
			return 0; /* a stronger folder has it */
	}
	if (l->dropins.cnt == DROPINS_MAX)
		return -E2BIG;
	d.name = strdup(name);
	if (!d.name)
		return -ENOMEM;
	r = vec_push(&l->dropins, d);
	if (r < 0)
		free(d.name);
	return r;
}

static void list_dropins(struct load *l, size_t folder)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *e;
	char path[64];
	int r = 0, fd;

	(void)snprintf(path, sizeof(path), "/%s/" DROPINS_NAME, folders[folder]);
	fd = root_open_file(l->source->root, path + 1, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	if (fd == -ENOENT)
		return;
	dir = fd_opendir(fd);
	if (!dir) {
		unreadable(l, path, -errno, NULL);
		return;
	}
	while (r == 0 && (errno = 0, e = readdir(dir))) {
		if (is_dropin(e->d_name))
			r = add_dropin(l, e->d_name, folder);
	}
	if (r == 0 && errno != 0)
		r = -errno;
	if (r < 0)
		unreadable(l, path, r, r == -E2BIG ? "there are more than 1024 files" : NULL);
}

static int compare_dropins(const void *a, const void *b)
{
	const struct dropin *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void load_dropins(struct load *l)
{
	for (size_t i = 0; i < ELEMENTSOF(folders); i++)
		list_dropins(l, i);
	if (l->dropins.cnt > 0)
		qsort(l->dropins.v, l->dropins.cnt, sizeof(*l->dropins.v), compare_dropins);
	for (size_t i = 0; i < l->dropins.cnt; i++)
		load_below(l, folders[l->dropins.v[i].folder], DROPINS_NAME "/",
			   l->dropins.v[i].name);
}

int config_load(const struct config_source *source, struct config *ret)
{
	_cleanup_(load_done) struct load l = { .source = source };
	struct config config;

	config_defaults(&config);
	l.parser = (struct parser){
		.config = &config,
		.on_problem = source->on_problem,
		.ctx = source->ctx,
	};
	if (source->file) {
		load_named(&l);
	} else {
		load_main(&l);
		load_dropins(&l);
	}
	for (size_t i = 0; i < source->options_cnt; i++)
		parser_option(&l.parser, source->options[i]);
	if (l.error < 0)
		return l.error;
	if (l.parser.errors > 0)
		return -EINVAL;
	*ret = config;
	return 0;
}
