/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Minutes become hours. A whole hour changes at once: beside it a directory is filled with one merged
 * file for each process, and with links to the files that are alone; all of it is synced, the two
 * directories are exchanged in one step, and only then the minutes go. So a reader, and a crash at any
 * moment, finds the minutes or the hour, never both, and what is not in its place has a name that makes
 * it litter.
 *
 * A call merges the files of one process. Whatever else happens to the hour meanwhile (a window that is
 * committed into it because the clock went back, files that go for want of room) ends the work, and
 * it begins anew later.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/profile_name.h"
#include "spool-internal.h"

#define MERGE_FILES 64 /* into one, at a time: each takes a descriptor */
#define MERGE_ROOM_SHIFT \
	3 /* what the new files take is at most that part of the old ones, usually */
#define MERGE_EVICT_FILES 256
#define SECONDS_OF_DAY 86400u

struct spool_work {
	uint32_t hour;
	struct spool_place place;
	struct dir_list list; /* by process */
	size_t at;	      /* the first file that was not looked at */
	char name[32];	      /* of the directory that will take the hour's place */
	int dir_fd;
	int fds[SPOOL_SYNC_BATCH]; /* written and not synced yet */
	size_t fds_cnt;
	uint64_t merged;       /* files that went into others */
	uint64_t bytes, files; /* new ones */
	bool again;	       /* a process had more files than go into one */
	bool spoilt;	       /* a file is in it that should not be there */
};

static struct spool_work *work_free(struct spool_work *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->fds_cnt; i++)
		(void)close(w->fds[i]);
	(void)fd_close(w->dir_fd);
	spool_place_done(&w->place);
	dir_list_done(&w->list);
	free(w);
	return NULL;
}

DEFINE_CLEANUP(struct spool_work *, work_free);

void spool_merge_stop(struct spool *s)
{
	if (!s->work)
		return;
	(void)dir_remove(s->dir_fd, s->work->name);
	s->work = work_free(s->work);
	s->work_bytes = s->work_files = 0;
}

void spool_merge_leave(struct spool *s, uint32_t hour)
{
	if (s->work && s->work->hour == hour)
		spool_merge_stop(s);
}

/* Beginning */

static struct spool_hour *find_mergeable(struct spool *s)
{
	for (size_t i = 0; i < s->hours.cnt; i++) {
		struct spool_hour *h = &s->hours.v[i];
		const uint64_t end = ((uint64_t)h->hour + 1) * SPOOL_HOUR_NS;

		if (end >= s->clock_real_ns || s->clock_real_ns - end < s->opts.merge_after_ns)
			return NULL;
		if (!h->settled && !h->stuck)
			return h;
	}
	return NULL;
}

static size_t group_end(const struct dir_list *l, size_t at)
{
	size_t end = at + 1;

	while (end < l->files.cnt && dir_file_same_process(&l->files.v[at], &l->files.v[end]))
		end++;
	return end;
}

static bool has_groups(const struct dir_list *l)
{
	for (size_t i = 0; i < l->files.cnt; i++)
		if (group_end(l, i) > i + 1)
			return true;
	return false;
}

/* 0: nothing is to be done there; 1: it was begun; -errno. */
static int work_read(struct spool *s, struct spool_work *w)
{
	int r = spool_place_find(s, w->hour, &w->place);

	if (r == 0)
		r = dir_list_read(w->place.hour_fd, &w->list);
	if (r < 0)
		return r;
	/* An hour that holds a stranger's things stays as it is. */
	if (w->list.strangers > 0)
		return 0;
	dir_list_by_process(&w->list);
	if (!has_groups(&w->list))
		return 0;
	w->dir_fd = spool_make_new(s, w->name);
	return w->dir_fd < 0 ? w->dir_fd : 1;
}

/* 1: there is more to do; 0: there is no hour, or no room for it now. */
static int work_begin(struct spool *s)
{
	_cleanup_(work_freep) struct spool_work *w = NULL;
	struct spool_hour *h = find_mergeable(s);
	struct spool_need need;
	int r;

	if (!h)
		return 0;
	need = (struct spool_need){ .bytes = (h->bytes >> MERGE_ROOM_SHIFT) + h->dir_bytes +
					     s->block,
				    .inodes = h->files / 2 + 1,
				    .before = h->hour };
	r = spool_make_room(s, &need, MERGE_EVICT_FILES);
	if (r != 0)
		return r == -ENOSPC ? 0 : r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->dir_fd = -EBADF;
	w->place = SPOOL_PLACE_INIT;
	/* Looking for room may have moved it. */
	h = find_mergeable(s);
	if (!h)
		return 1;
	w->hour = h->hour;
	r = work_read(s, w);
	/* What cannot be read or made is not tried again and again. */
	h->settled = r <= 0;
	if (r <= 0)
		return r < 0 ? r : 1;
	s->work_bytes = need.bytes;
	s->work_files = need.inodes;
	s->work = TAKE_PTR(w);
	return 1;
}

/* Merging */

static int open_profile(int dir_fd, const char *name)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return TAKE_FD(fd);
}

/* A range of the list, open. */
struct minutes {
	const struct dir_file *files;
	size_t cnt;
	int fds[MERGE_FILES];
	size_t open;
};

static void minutes_done(struct minutes *m)
{
	for (size_t i = 0; i < m->open; i++)
		(void)close(m->fds[i]);
}

static int minutes_open(struct minutes *m, int dir_fd)
{
	while (m->open < m->cnt) {
		int fd = open_profile(dir_fd, m->files[m->open].name);

		if (fd < 0)
			return fd;
		m->fds[m->open++] = fd;
	}
	return 0;
}

/* The name of what holds all of them: from the first one's begin to the last end. */
static void minutes_name(const struct minutes *m, char dst[static SPOOL_NAME_SZ])
{
	struct profile_parsed first = { 0 }, p;
	uint32_t end = 0;

	for (size_t i = m->cnt; i-- > 0;) {
		(void)profile_name_parse(m->files[i].name, &p);
		end = MAX(end, p.to_s + (p.to_s < p.from_s ? SECONDS_OF_DAY : 0));
		first = p;
	}
	first.to_s = end % SECONDS_OF_DAY;
	profile_name_span(dst, SPOOL_NAME_SZ, m->files[0].name, &first);
}

static int work_sync(struct spool *s)
{
	int r = spool_sync_files(s->work->fds, &s->work->fds_cnt);

	if (r < 0)
		s->figures.sync_failed++;
	return r;
}

/* The merged file, open, is one of those to be synced; or nothing is left of it. */
static int merge_minutes(struct spool *s, struct minutes *m)
{
	struct spool_work *w = s->work;
	char name[SPOOL_NAME_SZ], chosen[SPOOL_NAME_SZ];
	int fd, r = minutes_open(m, w->place.hour_fd);

	if (r < 0)
		return r;
	minutes_name(m, name);
	fd = spool_create(w->dir_fd, name, chosen);
	if (fd < 0)
		return fd;
	r = s->opts.merge(m->fds, m->cnt, fd, s->opts.ctx);
	if (r < 0) {
		(void)close(fd);
		w->spoilt = unlinkat(w->dir_fd, chosen, 0) < 0;
		return r;
	}
	w->fds[w->fds_cnt++] = fd;
	w->bytes += dir_bytes(fd);
	w->files++;
	s->work_bytes = MAX(s->work_bytes, w->bytes);
	s->work_files = MAX(s->work_files, w->files);
	return 0;
}

/*
 * As many of the next process's files as can be merged, halving: where one is damaged, or of another
 * event, the others become fewer all the same. How many were done with, or -errno.
 */
static int merge_some(struct spool *s, size_t all)
{
	struct spool_work *w = s->work;
	size_t cnt = all;

	while (cnt > 1) {
		_cleanup_(minutes_done) struct minutes m = { .files = &w->list.files.v[w->at],
							     .cnt = cnt };
		int r;

		r = merge_minutes(s, &m);
		if (w->spoilt)
			return -EIO;
		if (r == 0) {
			for (size_t i = w->at; i < w->at + cnt; i++)
				w->list.files.v[i].merged = true;
			w->merged += cnt;
			return (int)cnt;
		}
		/* Not for what is in them: then fewer would not do either. */
		if (r != -EINVAL && r != -EBADMSG && r != -EFBIG)
			return (int)all;
		cnt /= 2;
	}
	return 1;
}

/* The next process that has more than one file. */
static int work_next(struct spool *s)
{
	struct spool_work *w = s->work;
	const size_t end = group_end(&w->list, w->at), cnt = MIN(end - w->at, MERGE_FILES);
	int r = w->fds_cnt == ELEMENTSOF(w->fds) ? work_sync(s) : 0;

	if (r < 0)
		return r;
	r = merge_some(s, cnt);
	if (r < 0)
		return r;
	w->again |= r > 1 && w->at + (size_t)r < end;
	w->at += (size_t)r;
	return 0;
}

/* Ending */

static int link_rest(struct spool_work *w)
{
	for (size_t i = 0; i < w->list.files.cnt; i++) {
		const char *name = w->list.files.v[i].name;
		char chosen[SPOOL_NAME_SZ];
		int r = -EEXIST;

		if (w->list.files.v[i].merged)
			continue;
		(void)snprintf(chosen, sizeof(chosen), "%s", name);
		for (unsigned int n = 1; r == -EEXIST && n < SPOOL_OTHERS_MAX; n++) {
			r = linkat(w->place.hour_fd, name, w->dir_fd, chosen, 0) < 0 ? -errno : 0;
			profile_name_other(chosen, sizeof(chosen), name, n);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int exchange(struct spool *s)
{
	struct spool_work *w = s->work;
	char name[16];

	spool_hour_name(name, w->hour);
	if (renameat2(s->dir_fd, w->name, w->place.date_fd, name, RENAME_EXCHANGE) == 0)
		return 0;
	/* A file system that cannot: minutes stay minutes. */
	s->no_exchange = errno == EINVAL || errno == ENOSYS;
	return -errno;
}

/* Safe on disk, before the minutes go; else all is as it was. *ret is what the hour holds then. */
static int work_publish(struct spool *s, struct spool_hour *ret)
{
	struct spool_work *w = s->work;
	int r = link_rest(w);

	if (r == 0)
		r = work_sync(s);
	if (r == 0)
		r = spool_count_hour(s, w->dir_fd, ret);
	if (r == 0)
		r = dir_sync(w->dir_fd);
	if (r == 0)
		r = exchange(s);
	if (r < 0)
		return r;
	r = dir_sync(w->place.date_fd);
	if (r == 0)
		r = dir_sync(s->dir_fd);
	if (r == 0)
		return 0;
	s->figures.sync_failed++;
	if (exchange(s) == 0)
		return r;
	/* The hour is there, but nobody knows what is on the disk: until the next start, both stay. */
	w->name[0] = '\0';
	return 0;
}

static int work_end(struct spool *s)
{
	struct spool_work *w = s->work;
	struct spool_hour *h = spool_hour_find(s, w->hour), now = { .hour = w->hour };
	int r = w->merged > 0 ? work_publish(s, &now) : 0;

	if (r == 0 && w->merged > 0) {
		s->figures.merged += w->merged;
		spool_hour_set(s, &now);
	}
	h->settled = r < 0 || !w->again || w->merged == 0;
	spool_merge_stop(s);
	return r < 0 ? r : 1;
}

int spool_merge_hours(struct spool *s)
{
	int r;

	if (!s->opts.merge || s->no_exchange)
		return 0;
	if (!s->work)
		return work_begin(s);
	if (s->work->at == s->work->list.files.cnt)
		return work_end(s);
	r = work_next(s);
	if (r < 0) {
		struct spool_hour *h = spool_hour_find(s, s->work->hour);

		if (h)
			h->settled = true;
		spool_merge_stop(s);
		return r;
	}
	return 1;
}
