/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Atomic output: a hidden temporary in the target directory, then rename. RENAME_NOREPLACE keeps
 * what exists without a race; file systems that do not have it (NFS) have link(2), which never
 * replaces either. No fsync: a recording can be made again.
 */

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/output.h"
#include "cprof/profile_name.h"

#define OUTPUT_FILE_MODE 0640
#define OUTPUT_SECRET_MODE 0600
#define OUTPUT_DIR_MODE 0700
#define OUTPUT_OTHERS_MAX 10000
#define OUTPUT_COPY_BYTES ((size_t)256 << 10)

bool output_is_directory(const char *path)
{
	size_t len = strlen(path);
	struct stat st;

	return (len > 0 && path[len - 1] == '/') || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

struct temporary {
	int fd;
	char name[64];
};

static int output_temporary(struct output *o, struct temporary *ret)
{
	for (int i = 0; i < OUTPUT_OTHERS_MAX; i++) {
		(void)snprintf(ret->name, sizeof(ret->name), ".cprofctl-%d-%u.tmp", getpid(),
			       o->temporaries++);
		ret->fd = openat(o->dir_fd, ret->name,
				 O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
				 o->secret ? OUTPUT_SECRET_MODE : OUTPUT_FILE_MODE);
		if (ret->fd >= 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* Only making a file tells whether one can be made: permissions, quota, read-only mounts. */
static int output_try(struct output *o)
{
	struct temporary tmp;
	int r = output_temporary(o, &tmp);

	if (r < 0)
		return r;
	(void)close(tmp.fd);
	return unlinkat(o->dir_fd, tmp.name, 0) < 0 ? -errno : 0;
}

static int output_open(struct output *o, const char *dir)
{
	size_t len = strlen(dir);

	/* "a//" and "a" are shown alike, "/" stays. */
	while (len > 1 && dir[len - 1] == '/')
		len--;
	if (strcmp(dir, ".") == 0)
		o->dir = strdup("");
	else if (asprintf(&o->dir, "%.*s%s", (int)len, dir, dir[len - 1] == '/' ? "" : "/") < 0)
		o->dir = NULL;
	if (!o->dir)
		return -ENOMEM;
	o->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->dir_fd < 0)
		return -errno;
	return output_try(o);
}

int output_open_directory(struct output *o, const char *path)
{
	assert(*path);
	o->made = mkdir(path, OUTPUT_DIR_MODE) == 0;
	if (!o->made && errno != EEXIST)
		return -errno;
	return output_open(o, path);
}

int output_open_here(struct output *o)
{
	return output_open(o, ".");
}

int output_open_file(struct output *o, const char *path)
{
	_cleanup_free_ char *dir = NULL;
	const char *slash = strrchr(path, '/');
	struct stat st;

	/* Renaming over a device or a socket would take it from everybody. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return -EINVAL;
	o->file = strdup(slash ? slash + 1 : path);
	dir = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!o->file || !dir)
		return -ENOMEM;
	o->replace = true;
	return output_open(o, dir);
}

void output_done(struct output *o)
{
	o->dir_fd = fd_close(o->dir_fd);
	if (o->made && !o->written && o->dir)
		(void)rmdir(o->dir);
	free(o->dir);
	free(o->file);
	*o = OUTPUT_INIT;
}

/* Gives the temporary its name if that is free: -EEXIST if not. */
static int output_name_free(const struct output *o, const char *tmp, const char *name)
{
	if (renameat2(o->dir_fd, tmp, o->dir_fd, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(o->dir_fd, tmp, o->dir_fd, name, 0) < 0)
		return -errno;
	(void)unlinkat(o->dir_fd, tmp, 0);
	return 0;
}

/* Gives it a name that may be taken, but by nothing other than a file: looked at again, for it is long
 * since the output was opened. -EEXIST if not. */
static int output_name_replaced(const struct output *o, const char *tmp, const char *name)
{
	struct stat st;

	if (fstatat(o->dir_fd, name, &st, 0) == 0 && !S_ISREG(st.st_mode))
		return -EEXIST;
	return renameat(o->dir_fd, tmp, o->dir_fd, name) < 0 ? -errno : 0;
}

/* Gives it @name or, where that is taken, the first free other one. */
static int output_name(struct output *o, const char *tmp, const char *name, char **ret_path)
{
	char chosen[NAME_MAX + 1];
	const size_t path_sz = strlen(o->dir) + sizeof(chosen);
	_cleanup_free_ char *path = malloc(path_sz); /* nothing may fail once it has its name */
	int r = -EEXIST;

	if (!path)
		return -ENOMEM;
	(void)snprintf(chosen, sizeof(chosen), "%s", name);
	if (o->replace)
		r = output_name_replaced(o, tmp, name);
	for (unsigned int n = 0; r == -EEXIST && n < OUTPUT_OTHERS_MAX; n++) {
		if (n > 0)
			profile_name_other(chosen, sizeof(chosen), name, n);
		r = output_name_free(o, tmp, chosen);
	}
	if (r < 0)
		return r;
	o->replace = false;
	(void)snprintf(path, path_sz, "%s%s", o->dir, chosen);
	*ret_path = TAKE_PTR(path);
	return 0;
}

/* The first @sz bytes of a file, from its beginning. */
static int copy_whole(int to, int from, uint64_t sz)
{
	_cleanup_free_ char *buf = malloc(OUTPUT_COPY_BYTES);
	uint64_t at = 0;
	int r = buf ? 0 : -ENOMEM;

	while (r == 0 && at < sz) {
		ssize_t n = fd_pread_upto(from, buf, MIN(OUTPUT_COPY_BYTES, sz - at), at);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		r = fd_write_all(to, buf, (size_t)n);
		at += (uint64_t)n;
	}
	return r;
}

/* Closes the temporary; one that was written without a fault gets its name, another one goes. */
static int output_commit(struct output *o, struct temporary *tmp, const char *name, int r,
			 char **ret_path)
{
	/* NFS and quotas report here. */
	if (close(tmp->fd) < 0 && r == 0)
		r = -errno;
	if (r == 0)
		r = output_name(o, tmp->name, o->file ? o->file : name, ret_path);
	if (r < 0)
		(void)unlinkat(o->dir_fd, tmp->name, 0);
	else
		o->written = true;
	return r;
}

int output_write(struct output *o, const char *name, const void *bytes, size_t sz, char **ret_path)
{
	struct temporary tmp;
	int r = output_temporary(o, &tmp);

	if (r < 0)
		return r;
	return output_commit(o, &tmp, name, fd_write_all(tmp.fd, bytes, sz), ret_path);
}

int output_copy(struct output *o, const char *name, int from, uint64_t sz, char **ret_path)
{
	struct temporary tmp;
	int r = output_temporary(o, &tmp);

	if (r < 0)
		return r;
	return output_commit(o, &tmp, name, copy_whole(tmp.fd, from, sz), ret_path);
}
