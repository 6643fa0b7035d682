/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A window's files written and made safe.
 *
 * fsync() of a new file makes the file system commit its journal. So that a hundred files cost one such
 * commit and not a hundred, the data of all is sent to the disk first and waited for, which settles
 * their sizes and places; the first fsync() then commits all of it, and the others find nothing to do.
 *
 * A descriptor stays open from the first byte to its fsync(): an error of writing back is told to those
 * who have the file open, and to nobody when the file was closed and left memory. That needs many
 * descriptors, so it is done in batches, and in smaller ones where descriptors are short.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/fd.h"
#include "cprof/profile_name.h"
#include "spool-internal.h"

#define SYNC_ALL (SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)

static int sync_range(int fd, unsigned int flags)
{
	/* Only a shortcut: where it may not be called, fsync() does all. */
	if (sync_file_range(fd, 0, 0, flags) == 0 || errno == ENOSYS || errno == EPERM)
		return 0;
	return -errno;
}

int spool_sync_files(int *fds, size_t *cnt)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < *cnt; i++)
		r = sync_range(fds[i], SYNC_FILE_RANGE_WRITE);
	for (size_t i = 0; r == 0 && i < *cnt; i++)
		r = sync_range(fds[i], SYNC_ALL);
	for (size_t i = 0; r == 0 && i < *cnt; i++)
		r = dir_sync(fds[i]);
	for (size_t i = 0; i < *cnt; i++)
		fds[i] = fd_close(fds[i]);
	*cnt = 0;
	return r;
}

struct writing {
	struct spool *s;
	int dir_fd;
	int fds[SPOOL_SYNC_BATCH];
	size_t cnt;
};

static int writing_sync(struct writing *w)
{
	int r = spool_sync_files(w->fds, &w->cnt);

	if (r < 0)
		w->s->figures.sync_failed++;
	return r;
}

int spool_create(int dir_fd, const char *name, char chosen[static SPOOL_NAME_SZ])
{
	int fd = -1;

	(void)snprintf(chosen, SPOOL_NAME_SZ, "%s", name);
	for (unsigned int n = 1; n < SPOOL_OTHERS_MAX; n++) {
		fd = openat(dir_fd, chosen, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    SPOOL_FILE_MODE);
		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			return -errno;
		profile_name_other(chosen, SPOOL_NAME_SZ, name, n);
	}
	return -EEXIST;
}

static int add_file(struct writing *w, const struct spool_file *file)
{
	char chosen[SPOOL_NAME_SZ];
	int r = w->cnt == ELEMENTSOF(w->fds) ? writing_sync(w) : 0;
	int fd;

	if (r < 0)
		return r;
	fd = spool_create(w->dir_fd, file->name, chosen);
	if ((fd == -EMFILE || fd == -ENFILE) && w->cnt > 0) {
		r = writing_sync(w);
		if (r < 0)
			return r;
		fd = spool_create(w->dir_fd, file->name, chosen);
	}
	if (fd < 0)
		return fd;
	w->fds[w->cnt++] = fd;
	return fd_write_all(fd, file->bytes, file->sz);
}

static int write_files(struct writing *w, const struct spool_window *window)
{
	char state[SPOOL_STATE_SZ];
	int r = 0;

	for (size_t i = 0; r == 0 && i < window->files_cnt; i++)
		r = add_file(w, &window->files[i]);
	if (r < 0)
		return r;
	spool_state_write(state, w->s->opts.boot_id, spool_state_end_ns(window));
	r = add_file(w, &(struct spool_file){
				.name = SPOOL_STATE, .bytes = state, .sz = strlen(state) });
	if (r < 0)
		return r;
	r = writing_sync(w);
	if (r < 0)
		return r;
	r = dir_sync(w->dir_fd);
	if (r < 0)
		w->s->figures.sync_failed++;
	return r;
}

static void writing_done(struct writing *w)
{
	for (size_t i = 0; i < w->cnt; i++)
		(void)close(w->fds[i]);
	(void)fd_close(w->dir_fd);
}

int spool_write_window(struct spool *s, const struct spool_window *window, char name[static 32])
{
	_cleanup_(writing_done) struct writing w = { .s = s, .dir_fd = spool_make_new(s, name) };
	int r;

	if (w.dir_fd < 0)
		return w.dir_fd;
	r = write_files(&w, window);
	if (r < 0)
		(void)dir_remove(s->dir_fd, name);
	return r;
}
