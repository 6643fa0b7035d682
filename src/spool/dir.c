/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Directories. Descriptors that come from elsewhere may share their offset with another process, so a
 * walk opens the directory anew. O_DIRECTORY is checked before anything is opened for good: a FIFO is
 * refused without waiting for its writer.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/profile_name.h"
#include "dir.h"

#define BLOCK_BYTES 512 /* of st_blocks, whatever the file system's blocks are */

int dir_open(int at_fd, const char *name)
{
	int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int dir_walk(int dir_fd, dir_entry_fn fn, void *ctx)
{
	_cleanup_closedir_ DIR *dir = fd_opendir(dir_open(dir_fd, "."));
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0) {
		const struct dirent *e;

		errno = 0;
		e = readdir(dir);
		if (!e)
			return -errno;
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = fn(dirfd(dir), e->d_name, ctx);
	}
	return r;
}

int dir_sync(int fd)
{
	return fsync(fd) < 0 ? -errno : 0;
}

static bool is_same_file(int a_fd, const char *a, int b_fd, const char *b)
{
	struct stat x, y;

	return fstatat(a_fd, a, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(b_fd, b, &y, AT_SYMLINK_NOFOLLOW) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* link(2) never replaces either. It takes two steps, of which an earlier run may have done one. */
static int link_and_unlink(int from_fd, const char *from, int to_fd, const char *to)
{
	int r;

	if (linkat(from_fd, from, to_fd, to, 0) < 0 &&
	    (errno != EEXIST || !is_same_file(from_fd, from, to_fd, to)))
		return -errno;
	if (unlinkat(from_fd, from, 0) == 0)
		return 0;
	r = -errno;
	(void)unlinkat(to_fd, to, 0);
	return r;
}

int dir_rename_free(int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system that does not have it. */
	return link_and_unlink(from_fd, from, to_fd, to);
}

static int remove_entry(int dir_fd, const char *name, void *ctx)
{
	/* Directories stay: there is none in what we make. */
	if (unlinkat(dir_fd, name, 0) < 0 && errno != EISDIR && errno != ENOENT)
		return -errno;
	return 0;
}

int dir_remove(int at_fd, const char *name)
{
	_cleanup_close_ int fd = dir_open(at_fd, name);
	int r;

	if (fd < 0)
		return fd;
	r = dir_walk(fd, remove_entry, NULL);
	if (r < 0)
		return r;
	return unlinkat(at_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

bool dir_is_file(int dir_fd, const char *name, uint64_t *ret_bytes)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return false;
	*ret_bytes = (uint64_t)st.st_blocks * BLOCK_BYTES;
	return true;
}

uint64_t dir_bytes(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_blocks * BLOCK_BYTES;
}

static int list_entry(int dir_fd, const char *name, void *ctx)
{
	struct dir_list *l = ctx;
	struct profile_parsed parsed;
	char *copy;

	if (!profile_name_parse(name, &parsed)) {
		l->strangers++;
		return 0;
	}
	copy = arena_strndup(&l->arena, name, strlen(name));
	if (!copy)
		return -ENOMEM;
	return vec_push(&l->files, (struct dir_file){ .name = copy,
						      .id_len = (uint32_t)parsed.id_len,
						      .from_s = parsed.from_s });
}

int dir_list_read(int dir_fd, struct dir_list *ret)
{
	struct dir_list l = { .arena = ARENA_INIT };
	int r = dir_walk(dir_fd, list_entry, &l);

	if (r < 0)
		dir_list_done(&l);
	else
		*ret = l;
	return r;
}

void dir_list_done(struct dir_list *l)
{
	vec_done(&l->files);
	arena_done(&l->arena);
}

static int compare_age(const void *x, const void *y)
{
	const struct dir_file *a = x, *b = y;

	return a->from_s != b->from_s ? CMP(a->from_s, b->from_s) : strcmp(a->name, b->name);
}

static int compare_process(const void *x, const void *y)
{
	const struct dir_file *a = x, *b = y;
	const int r = memcmp(a->name, b->name, MIN(a->id_len, b->id_len));

	if (r != 0)
		return r;
	return a->id_len != b->id_len ? CMP(a->id_len, b->id_len) : compare_age(x, y);
}

bool dir_file_same_process(const struct dir_file *a, const struct dir_file *b)
{
	return a->id_len == b->id_len && memcmp(a->name, b->name, a->id_len) == 0;
}

static void list_sort(struct dir_list *l, int (*compare)(const void *, const void *))
{
	if (l->files.cnt > 1)
		qsort(l->files.v, l->files.cnt, sizeof(*l->files.v), compare);
}

void dir_list_by_age(struct dir_list *l)
{
	list_sort(l, compare_age);
}

void dir_list_by_process(struct dir_list *l)
{
	list_sort(l, compare_process);
}
