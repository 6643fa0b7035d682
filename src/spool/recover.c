/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an earlier run left. Everything is found by names: a directory .new-<n> was never committed and
 * goes; one that is called .window-<date>-<hour>-<n> was committed and is brought to its place, its
 * name tells where. The sums of all hours are taken from the directories and the sizes of files.
 *
 * Whatever else lies there does not stop us. It is left where it is, unless it stands in our way.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/str.h"
#include "cprof/profile_name.h"
#include "spool-internal.h"

#define NEW ".new-"
#define WINDOW ".window-"

struct found_window {
	char name[80];
	uint64_t n;
	uint32_t hour;
};

struct found {
	struct spool *s;
	VEC(struct found_window) windows;
};

static bool starts_with(const char *name, const char *start)
{
	return strncmp(name, start, strlen(start)) == 0;
}

/* .window-YYYY-MM-DD-HH-<n> */
static bool parse_window(const char *name, struct found_window *ret)
{
	char date[SPOOL_DATE_LEN + 1], hour[3];
	const char *at;
	uint32_t h;

	if (!starts_with(name, WINDOW) || strlen(name) >= sizeof(ret->name))
		return false;
	at = name + strlen(WINDOW);
	if (strlen(at) < SPOOL_DATE_LEN + 5 || at[SPOOL_DATE_LEN] != '-' ||
	    at[SPOOL_DATE_LEN + 3] != '-')
		return false;
	memcpy(date, at, SPOOL_DATE_LEN);
	date[SPOOL_DATE_LEN] = '\0';
	memcpy(hour, at + SPOOL_DATE_LEN + 1, 2);
	hour[2] = '\0';
	if (!spool_parse_date(date, &ret->hour) || !spool_parse_hour(hour, &h) ||
	    !str_parse_number(at + SPOOL_DATE_LEN + 4, strlen(at + SPOOL_DATE_LEN + 4), &ret->n))
		return false;
	ret->hour += h;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	return true;
}

static bool parse_new(const char *name, uint64_t *ret_n)
{
	return starts_with(name, NEW) &&
	       str_parse_number(name + strlen(NEW), strlen(name + strlen(NEW)), ret_n);
}

/* Counting */

struct counting {
	struct spool *s;
	struct spool_hour hour;
	uint32_t first; /* hour of the day's directory */
};

static int count_file(int dir_fd, const char *name, void *ctx)
{
	struct counting *c = ctx;
	struct profile_parsed parsed;
	uint64_t bytes;

	if (!profile_name_parse(name, &parsed) || !dir_is_file(dir_fd, name, &bytes)) {
		c->s->figures.quarantined++;
		return 0;
	}
	c->hour.files++;
	c->hour.bytes += bytes;
	return 0;
}

int spool_count_hour(struct spool *s, int hour_fd, struct spool_hour *ret)
{
	struct counting c = { .s = s, .hour = { .hour = ret->hour } };
	int r = dir_walk(hour_fd, count_file, &c);

	if (r < 0)
		return r;
	c.hour.dir_bytes = dir_bytes(hour_fd);
	*ret = c.hour;
	return 0;
}

/* What cannot be read is a stranger's; only memory that runs out ends it all. */
static int count_stranger(struct spool *s, int r)
{
	if (r == -ENOMEM)
		return r;
	s->figures.quarantined++;
	return 0;
}

static int count_hour_entry(int date_fd, const char *name, void *ctx)
{
	struct counting *c = ctx;
	_cleanup_close_ int fd = -EBADF;
	struct spool_hour h = { 0 };
	int r;

	if (!spool_parse_hour(name, &h.hour))
		return count_stranger(c->s, 0);
	h.hour += c->first;
	fd = dir_open(date_fd, name);
	r = fd < 0 ? fd : spool_count_hour(c->s, fd, &h);
	if (r == 0 && !spool_hour_get(c->s, h.hour))
		r = -ENOMEM;
	if (r < 0)
		return count_stranger(c->s, r);
	spool_hour_set(c->s, &h);
	if (h.files == 0)
		spool_hour_remove(c->s, h.hour);
	return 0;
}

static int count_date(struct spool *s, int dir_fd, const char *name, uint32_t first)
{
	struct counting c = { .s = s, .first = first };
	_cleanup_close_ int fd = dir_open(dir_fd, name);
	int r = fd < 0 ? fd : dir_walk(fd, count_hour_entry, &c);

	return r < 0 ? count_stranger(s, r) : 0;
}

static bool is_directory(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int count_entry(int dir_fd, const char *name, void *ctx)
{
	struct spool *s = ctx;
	struct found_window window;
	uint64_t n;
	uint32_t first;

	if (spool_parse_date(name, &first))
		return count_date(s, dir_fd, name, first);
	/* spool_recover() looks at these; the last one is the file system's own. */
	if (strcmp(name, SPOOL_STATE) == 0 || strcmp(name, SPOOL_QUARANTINE) == 0 ||
	    strcmp(name, "lost+found") == 0)
		return 0;
	if ((parse_new(name, &n) || parse_window(name, &window)) && is_directory(dir_fd, name))
		return 0;
	return count_stranger(s, 0);
}

int spool_count(struct spool *s)
{
	return dir_walk(s->dir_fd, count_entry, s);
}

/* Finishing */

struct finishing {
	struct spool *s;
	struct spool_place place;
};

static void finishing_done(struct finishing *f)
{
	spool_place_done(&f->place);
}

static int finish_entry(int dir_fd, const char *name, void *ctx)
{
	struct finishing *f = ctx;
	struct profile_parsed parsed;
	uint64_t bytes;
	int r;

	if (!profile_name_parse(name, &parsed) || !dir_is_file(dir_fd, name, &bytes))
		return 0;
	if (f->place.hour_fd < 0) {
		r = spool_place_make(f->s, f->place.hour, &f->place);
		if (r < 0)
			return r;
	}
	return spool_place_file(f->s, dir_fd, name, &f->place);
}

/* A window that had to wait may have been overtaken: then its state is older than what is there. */
static bool is_overtaken(const struct spool *s, int window_fd)
{
	return spool_state_read(s->dir_fd, s->opts.boot_id) >
	       spool_state_read(window_fd, s->opts.boot_id);
}

static int finish_state(struct spool *s, int window_fd, bool waited)
{
	uint64_t bytes;

	if (!dir_is_file(window_fd, SPOOL_STATE, &bytes))
		return 0;
	if (waited && is_overtaken(s, window_fd))
		return unlinkat(window_fd, SPOOL_STATE, 0) < 0 ? -errno : 0;
	if (renameat(window_fd, SPOOL_STATE, s->dir_fd, SPOOL_STATE) == 0)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (spool_quarantine(s, s->dir_fd, SPOOL_STATE) < 0)
		return -EISDIR;
	return renameat(window_fd, SPOOL_STATE, s->dir_fd, SPOOL_STATE) < 0 ? -errno : 0;
}

/* The window is safe already: an error here is told, and costs nothing. */
static void finish_sync(struct spool *s, const struct spool_place *p)
{
	struct spool_hour *h = spool_hour_find(s, p->hour);
	int r = 0;

	if (p->hour_fd >= 0) {
		r = dir_sync(p->hour_fd) < 0 || dir_sync(p->date_fd) < 0;
		if (h) {
			s->figures.bytes -= h->dir_bytes;
			h->dir_bytes = dir_bytes(p->hour_fd);
			s->figures.bytes += h->dir_bytes;
		}
	}
	if (dir_sync(s->dir_fd) < 0 || r != 0)
		s->figures.sync_failed++;
}

int spool_finish_window(struct spool *s, const char *name, uint32_t hour, bool waited)
{
	_cleanup_(finishing_done) struct finishing f = { .s = s, .place = SPOOL_PLACE_INIT };
	_cleanup_close_ int fd = dir_open(s->dir_fd, name);
	int r;

	if (fd < 0)
		return fd;
	f.place.hour = hour;
	r = dir_walk(fd, finish_entry, &f);
	if (r == 0)
		r = finish_state(s, fd, waited);
	if (r == 0 && unlinkat(s->dir_fd, name, AT_REMOVEDIR) < 0)
		r = errno == ENOTEMPTY ? spool_quarantine(s, s->dir_fd, name) : -errno;
	finish_sync(s, &f.place);
	return r;
}

static int recover_entry(int dir_fd, const char *name, void *ctx)
{
	struct found *found = ctx;
	struct spool *s = found->s;
	struct found_window window;
	uint64_t n;
	int r;

	if (parse_window(name, &window)) {
		s->next = MAX(s->next, window.n + 1);
		return is_directory(dir_fd, name) ? vec_push(&found->windows, window) : 0;
	}
	if (!parse_new(name, &n))
		return 0;
	s->next = MAX(s->next, n + 1);
	if (!is_directory(dir_fd, name))
		return 0;
	r = dir_remove(dir_fd, name);
	if (r == -ENOTEMPTY)
		r = spool_quarantine(s, dir_fd, name);
	else if (r == 0)
		s->figures.litter++;
	if (r < 0)
		s->figures.last_error = r;
	return 0;
}

static int compare_windows(const void *x, const void *y)
{
	const struct found_window *a = x, *b = y;

	return CMP(a->n, b->n);
}

static void found_done(struct found *found)
{
	vec_done(&found->windows);
}

int spool_recover(struct spool *s)
{
	_cleanup_(found_done) struct found found = { .s = s };
	int r = dir_walk(s->dir_fd, recover_entry, &found);

	if (r < 0)
		return r;
	s->unfinished = false;
	/* In their order: the last one has the newest state. */
	if (found.windows.cnt > 1)
		qsort(found.windows.v, found.windows.cnt, sizeof(*found.windows.v),
		      compare_windows);
	for (size_t i = 0; i < found.windows.cnt; i++) {
		r = spool_finish_window(s, found.windows.v[i].name, found.windows.v[i].hour, true);
		if (r == 0) {
			s->figures.windows_finished++;
			continue;
		}
		s->unfinished = true;
		s->figures.last_error = r;
	}
	return 0;
}
