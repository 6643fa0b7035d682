/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The spool as its user sees it: open, commit, keep house.
 *
 * A commit is written, synced, and then renamed; the rename and the sync of the directory above make
 * it true. Until then a failure leaves nothing, and the window is tried once more, with new files: what
 * the kernel did with the data of a failed fsync is not known. After it a failure costs only time: the
 * window is safe, and is brought to its place by the next call or the next run.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cprof/profile_name.h"
#include "spool-internal.h"

#define MERGE_AFTER_NS (6 * SPOOL_HOUR_NS)
#define BLOCK_USUAL 4096
#define MAINTAIN_FILES 256 /* removed by one call: some milliseconds */
#define VAIN_PAUSE 16	   /* windows until older ones go again for one that is not kept */
#define WINDOW_EXTRA 6	   /* blocks and inodes beside a window's files: directories, state */

static int fail(struct spool_failure *failure, int r, const char *what)
{
	(void)snprintf(failure->text, sizeof(failure->text), "profiles directory: %s", what);
	return r;
}

/*
 * One writer. The lock is the descriptor's, which each role gets anew: one that hangs in the kernel keeps
 * it until it is gone, and whoever comes after it does not hang in the same disk, but tries again.
 */
static int take_directory(int dir_fd, struct spool_failure *failure)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return fail(failure, -errno, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail(failure, -ENOTDIR, "it is no directory");
	if (flock(dir_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return fail(failure, -EBUSY,
			    "another cprofd writes to it, or hangs in it; stop that one, or set "
			    "Directory=");
	return 0;
}

static uint64_t block_size(int dir_fd)
{
	struct statvfs st;

	return fstatvfs(dir_fd, &st) == 0 && st.f_frsize > 0 ? st.f_frsize : BLOCK_USUAL;
}

int spool_open(int dir_fd, const struct spool_opts *opts, uint64_t now_real_ns, struct spool **ret,
	       struct spool_failure *failure)
{
	_cleanup_close_ int fd = dir_fd;
	_cleanup_(spool_freep) struct spool *s = NULL;
	int r = take_directory(fd, failure);

	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return fail(failure, -ENOMEM, "no memory");
	s->dir_fd = TAKE_FD(fd);
	s->opts = *opts;
	s->opts.boot_id[sizeof(s->opts.boot_id) - 1] = '\0';
	if (s->opts.merge_after_ns == 0)
		s->opts.merge_after_ns = MERGE_AFTER_NS;
	s->block = block_size(s->dir_fd);
	s->clock_real_ns = now_real_ns;
	r = spool_count(s);
	if (r == 0)
		r = spool_recover(s);
	if (r < 0)
		return fail(failure, r, strerror(-r));
	s->last_end_ns = spool_state_read(s->dir_fd, s->opts.boot_id);
	*ret = TAKE_PTR(s);
	return 0;
}

struct spool *spool_free(struct spool *s)
{
	if (!s)
		return NULL;
	spool_merge_stop(s);
	vec_done(&s->hours);
	(void)fd_close(s->dir_fd);
	free(s);
	return NULL;
}

/* Committing */

struct attempt {
	struct spool_need need;
	uint32_t hour;
	char window[64]; /* of the committed directory */
	bool last;	 /* it must not be tried again */
};

static void attempt_measure(const struct spool *s, const struct spool_window *w, struct attempt *a)
{
	a->need.bytes = WINDOW_EXTRA * s->block;
	a->need.inodes = WINDOW_EXTRA + w->files_cnt;
	for (size_t i = 0; i < w->files_cnt; i++)
		a->need.bytes += (w->files[i].sz / s->block + 1) * s->block;
}

/* Back from .window: it was not committed after all. */
static void take_back(struct spool *s, struct attempt *a, const char *name)
{
	if (renameat(s->dir_fd, a->window, s->dir_fd, name) == 0)
		(void)dir_remove(s->dir_fd, name);
	else /* it will be there all the same: then not twice */
		a->last = s->unfinished = true;
}

static int publish(struct spool *s, struct attempt *a, const char *name)
{
	char date[16], hour[16];
	int r = -EEXIST;

	spool_hour_date(date, a->hour);
	spool_hour_name(hour, a->hour);
	/* Plain rename: something else of that name is no empty directory, and then refuses. */
	for (int i = 0; r == -EEXIST && i < SPOOL_OTHERS_MAX; i++) {
		(void)snprintf(a->window, sizeof(a->window), ".window-%s-%s-%" PRIu64, date, hour,
			       s->next++);
		if (renameat(s->dir_fd, name, s->dir_fd, a->window) == 0)
			r = 0;
		else
			r = errno == ENOTEMPTY || errno == ENOTDIR ? -EEXIST : -errno;
	}
	if (r < 0) {
		(void)dir_remove(s->dir_fd, name);
		return r;
	}
	r = dir_sync(s->dir_fd);
	if (r < 0) {
		s->figures.sync_failed++;
		take_back(s, a, name);
	}
	return r;
}

static int attempt_commit(struct spool *s, const struct spool_window *w, struct attempt *a)
{
	char name[32];
	int r = spool_make_room(s, &a->need, SIZE_MAX);

	if (r < 0)
		return r;
	r = spool_write_window(s, w, name);
	return r < 0 ? r : publish(s, a, name);
}

/* The disk is full in spite of what the budget says. */
static bool is_full(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

/*
 * Older ones go for it. A file system that keeps its last blocks for root gives us nothing of what they
 * had: then it is tried seldom, or all would go for nothing.
 */
static int commit_by_force(struct spool *s, const struct spool_window *w, struct attempt *a)
{
	if (s->vain++ % VAIN_PAUSE != 0)
		return -ENOSPC;
	a->need.force = true;
	/* What was freed just now is free for good only then. */
	(void)dir_sync(s->dir_fd);
	return attempt_commit(s, w, a);
}

static bool names_are_ours(const struct spool_window *w)
{
	struct profile_parsed parsed;

	for (size_t i = 0; i < w->files_cnt; i++)
		if (!profile_name_parse(w->files[i].name, &parsed))
			return false;
	return true;
}

/* Nothing of it is there yet, and nothing stands in its way that need not. */
static void prepare(struct spool *s, uint32_t hour)
{
	for (size_t i = 0; i < s->hours.cnt; i++)
		s->hours.v[i].stuck = false;
	spool_merge_leave(s, hour);
	if (s->unfinished) {
		spool_merge_stop(s);
		(void)spool_recover(s);
	}
}

static int commit(struct spool *s, const struct spool_window *w)
{
	struct attempt a = { .hour = (uint32_t)(w->from_real_ns / SPOOL_HOUR_NS) };
	int r;

	if (!names_are_ours(w) || w->from_real_ns / SPOOL_HOUR_NS >= SPOOL_HOUR_END)
		return -EINVAL;
	prepare(s, a.hour);
	spool_watch_clock(s, w);
	attempt_measure(s, w, &a);
	r = attempt_commit(s, w, &a);
	if (r < 0 && !a.last)
		r = is_full(r) ? commit_by_force(s, w, &a) : attempt_commit(s, w, &a);
	if (r < 0)
		return r;
	s->vain = 0;
	s->figures.windows++;
	s->last_end_ns = spool_state_end_ns(w);
	s->figures.last_error = spool_finish_window(s, a.window, a.hour, false);
	s->unfinished |= s->figures.last_error < 0;
	return 0;
}

static uint64_t mono(const struct spool *s)
{
	return s->opts.mono_ns ? s->opts.mono_ns(s->opts.ctx) : 0;
}

int spool_commit(struct spool *s, const struct spool_window *w)
{
	const uint64_t begun = mono(s);
	const int r = commit(s, w);

	if (r < 0) {
		s->figures.windows_failed++;
		s->figures.last_error = r;
	}
	s->figures.commit_ns_max = MAX(s->figures.commit_ns_max, mono(s) - begun);
	return r;
}

int spool_maintain(struct spool *s, uint64_t now_real_ns)
{
	int r = 0;

	if (!s->committed)
		s->clock_real_ns = now_real_ns;
	if (s->unfinished) {
		spool_merge_stop(s);
		r = spool_recover(s);
	}
	if (r == 0)
		r = spool_make_room(s, &(struct spool_need){ 0 }, MAINTAIN_FILES);
	if (r == 0)
		r = spool_expire(s, MAINTAIN_FILES);
	if (r == 0)
		r = spool_merge_hours(s);
	return r;
}

void spool_set_limits(struct spool *s, const struct spool_limits *limits)
{
	s->opts.limits = *limits;
}

void spool_figures(const struct spool *s, struct spool_figures *ret)
{
	*ret = s->figures;
}

uint64_t spool_last_end_ns(const struct spool *s)
{
	return s->last_end_ns;
}
