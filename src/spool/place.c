/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where profiles stand: DATE/HH below the spool. Of the files only sums are kept, one for each hour:
 * 200,000 files are 168 hours, and names are read again from the directory when they are wanted.
 *
 * Where something else stands in the way of a directory (a file, a link), it is moved aside.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cprof/profile_name.h"
#include "spool-internal.h"

static size_t hour_index(const struct spool *s, uint32_t hour)
{
	size_t low = 0, high = s->hours.cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->hours.v[mid].hour < hour)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct spool_hour *spool_hour_find(struct spool *s, uint32_t hour)
{
	size_t i = hour_index(s, hour);

	return i < s->hours.cnt && s->hours.v[i].hour == hour ? &s->hours.v[i] : NULL;
}

struct spool_hour *spool_hour_get(struct spool *s, uint32_t hour)
{
	struct spool_hour *h = spool_hour_find(s, hour);
	size_t i = hour_index(s, hour);

	if (h)
		return h;
	if (vec_reserve(&s->hours, 1) < 0)
		return NULL;
	h = &s->hours.v[i];
	memmove(h + 1, h, (s->hours.cnt - i) * sizeof(*h));
	s->hours.cnt++;
	*h = (struct spool_hour){ .hour = hour };
	return h;
}

static void hour_sums(struct spool *s, const struct spool_hour *h, int sign)
{
	s->figures.files += sign > 0 ? h->files : -h->files;
	s->figures.bytes += sign > 0 ? h->bytes + h->dir_bytes : -(h->bytes + h->dir_bytes);
}

void spool_hour_set(struct spool *s, const struct spool_hour *known)
{
	struct spool_hour *h = spool_hour_find(s, known->hour);

	assert(h);
	hour_sums(s, h, -1);
	*h = *known;
	hour_sums(s, h, 1);
}

void spool_hour_forget(struct spool *s, uint32_t hour)
{
	struct spool_hour *h = spool_hour_find(s, hour);

	if (!h)
		return;
	hour_sums(s, h, -1);
	memmove(h, h + 1, (size_t)(s->hours.v + s->hours.cnt - (h + 1)) * sizeof(*h));
	s->hours.cnt--;
}

void spool_hour_date(char dst[static 16], uint32_t hour)
{
	time_t t = (time_t)hour * 3600;
	struct tm tm = { 0 };

	(void)gmtime_r(&t, &tm);
	(void)strftime(dst, 16, "%Y-%m-%d", &tm);
}

void spool_hour_name(char dst[static 16], uint32_t hour)
{
	(void)snprintf(dst, 16, "%02" PRIu32, hour % SPOOL_HOURS_OF_DAY);
}

/* The year's four digits and two of two: what is no date does not come out as it went in. */
bool spool_parse_date(const char *name, uint32_t *ret_hour)
{
	struct tm tm = { 0 };
	char again[16];
	time_t t;

	if (strlen(name) != SPOOL_DATE_LEN ||
	    sscanf(name, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	t = timegm(&tm);
	if (t < 0 || t / 3600 >= SPOOL_HOUR_END)
		return false;
	*ret_hour = (uint32_t)(t / 3600);
	spool_hour_date(again, *ret_hour);
	return strcmp(again, name) == 0;
}

bool spool_parse_hour(const char *name, uint32_t *ret)
{
	if (strlen(name) != 2 || name[0] < '0' || name[0] > '2' || name[1] < '0' || name[1] > '9')
		return false;
	*ret = (uint32_t)(name[0] - '0') * 10 + (uint32_t)(name[1] - '0');
	return *ret < SPOOL_HOURS_OF_DAY;
}

void spool_place_done(struct spool_place *p)
{
	p->date_fd = fd_close(p->date_fd);
	p->hour_fd = fd_close(p->hour_fd);
}

int spool_place_find(const struct spool *s, uint32_t hour, struct spool_place *ret)
{
	_cleanup_close_ int date_fd = -EBADF;
	char date[16], name[16];
	int fd;

	spool_hour_date(date, hour);
	spool_hour_name(name, hour);
	date_fd = dir_open(s->dir_fd, date);
	if (date_fd < 0)
		return date_fd;
	fd = dir_open(date_fd, name);
	if (fd < 0)
		return fd;
	*ret = (struct spool_place){ .date_fd = TAKE_FD(date_fd), .hour_fd = fd, .hour = hour };
	return 0;
}

/* The directory, made if need be, in the place of whatever else has its name. */
static int make_dir(struct spool *s, int at_fd, const char *name)
{
	int fd = dir_open(at_fd, name);

	if (fd == -ENOTDIR || fd == -ELOOP) {
		int r = spool_quarantine(s, at_fd, name);

		if (r < 0)
			return r;
		fd = -ENOENT;
	}
	if (fd != -ENOENT)
		return fd;
	if (mkdirat(at_fd, name, SPOOL_DIR_MODE) < 0)
		return -errno;
	return dir_open(at_fd, name);
}

int spool_place_make(struct spool *s, uint32_t hour, struct spool_place *ret)
{
	_cleanup_close_ int date_fd = -EBADF, hour_fd = -EBADF;
	char date[16], name[16];

	if (!spool_hour_get(s, hour))
		return -ENOMEM;
	spool_hour_date(date, hour);
	spool_hour_name(name, hour);
	date_fd = make_dir(s, s->dir_fd, date);
	if (date_fd < 0)
		return date_fd;
	hour_fd = make_dir(s, date_fd, name);
	if (hour_fd < 0)
		return hour_fd;
	*ret = (struct spool_place){ .date_fd = TAKE_FD(date_fd),
				     .hour_fd = TAKE_FD(hour_fd),
				     .hour = hour };
	return 0;
}

int spool_place_file(struct spool *s, int from_fd, const char *name, const struct spool_place *p)
{
	struct spool_hour *h = spool_hour_find(s, p->hour);
	char chosen[SPOOL_NAME_SZ];
	uint64_t bytes;
	int r;

	if (!h || !dir_is_file(from_fd, name, &bytes))
		return -EINVAL;
	(void)snprintf(chosen, sizeof(chosen), "%s", name);
	r = dir_rename_free(from_fd, name, p->hour_fd, chosen);
	for (unsigned int n = 1; r == -EEXIST && n < SPOOL_OTHERS_MAX; n++) {
		profile_name_other(chosen, sizeof(chosen), name, n);
		r = dir_rename_free(from_fd, name, p->hour_fd, chosen);
	}
	if (r < 0)
		return r;
	h->files++;
	h->bytes += bytes;
	h->settled = h->stuck = false;
	s->figures.files++;
	s->figures.bytes += bytes;
	return 0;
}

void spool_hour_remove(struct spool *s, uint32_t hour)
{
	char date[16], name[16];
	_cleanup_close_ int date_fd = -EBADF;

	spool_hour_forget(s, hour);
	spool_hour_date(date, hour);
	spool_hour_name(name, hour);
	date_fd = dir_open(s->dir_fd, date);
	if (date_fd < 0)
		return;
	/* Refused where a stranger's things are in it, or another hour: then it stays. */
	if (unlinkat(date_fd, name, AT_REMOVEDIR) == 0)
		(void)unlinkat(s->dir_fd, date, AT_REMOVEDIR);
}

int spool_make_new(struct spool *s, char name[static 32])
{
	for (int i = 0; i < SPOOL_OTHERS_MAX; i++) {
		(void)snprintf(name, 32, ".new-%" PRIu64, s->next++);
		if (mkdirat(s->dir_fd, name, SPOOL_DIR_MODE) == 0)
			return dir_open(s->dir_fd, name);
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int open_quarantine(struct spool *s)
{
	int fd = dir_open(s->dir_fd, SPOOL_QUARANTINE);
	char aside[64];

	if (fd == -ENOTDIR || fd == -ELOOP) {
		int r;

		(void)snprintf(aside, sizeof(aside), SPOOL_QUARANTINE "-%" PRIu64, s->next++);
		r = dir_rename_free(s->dir_fd, SPOOL_QUARANTINE, s->dir_fd, aside);
		if (r < 0)
			return r;
		fd = -ENOENT;
	}
	if (fd != -ENOENT)
		return fd;
	if (mkdirat(s->dir_fd, SPOOL_QUARANTINE, SPOOL_DIR_MODE) < 0)
		return -errno;
	return dir_open(s->dir_fd, SPOOL_QUARANTINE);
}

int spool_quarantine(struct spool *s, int at_fd, const char *name)
{
	_cleanup_close_ int fd = open_quarantine(s);
	char to[SPOOL_NAME_SZ];
	int r = -EEXIST;

	if (fd < 0)
		return fd;
	for (int i = 0; r == -EEXIST && i < SPOOL_OTHERS_MAX; i++) {
		(void)snprintf(to, sizeof(to), "%" PRIu64 "-%.200s", s->next++, name);
		r = dir_rename_free(at_fd, name, fd, to);
	}
	if (r == 0)
		s->figures.quarantined++;
	return r;
}
