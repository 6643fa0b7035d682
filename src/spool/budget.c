/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What may stay. The oldest goes first, when there is no room or when it is too old.
 *
 * Which one is the oldest is asked of a clock that may have jumped. Hours are in a circle that begins
 * some hours ahead of now: what is further in the future than that was written under a wrong clock (or
 * the clock is wrong now), and goes before everything else does. So a new window always finds its place,
 * whatever dates the old ones have, and no more goes than it needs.
 *
 * For its age nothing goes that was not recorded long ago by the clock that does not jump: an hour of
 * windows lets at most two hours of old files go, and when the wall clock leaps against it, nothing
 * goes for a day.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "spool-internal.h"

#define PPM 1000000u
#define FUTURE_HOURS 3	    /* ahead of now: not the future yet */
#define SLACK_SHIFT 6	    /* what goes beyond need, so that it need not happen every time */
#define FLOOR_FILE_SHIFT 12 /* the floor's inodes: one for each 4 KiB */
#define AGE_STEP_NS ((int64_t)(SPOOL_HOUR_NS / 2))
#define AGE_CREDIT_MAX_NS ((int64_t)SPOOL_HOUR_NS)
#define CLOCK_LEAP_NS ((int64_t)(SPOOL_HOUR_NS / 6))
#define CLOCK_HOLD_NS ((int64_t)(24 * SPOOL_HOUR_NS))
#define DIRS_OF_HOUR 2 /* at most */

struct room {
	uint64_t bytes, inodes;
};

static struct room room_used(const struct spool *s)
{
	return (struct room){
		.bytes = s->figures.bytes + s->work_bytes,
		.inodes = s->figures.files + DIRS_OF_HOUR * s->hours.cnt + s->work_files,
	};
}

/* What may be ours when @keep of @total is to be left free, and @free_now is. */
static uint64_t room_beside(uint64_t used, uint64_t free_now, uint64_t total, uint32_t keep_ppm)
{
	const uint64_t keep = (uint64_t)((unsigned __int128)total * keep_ppm / PPM);
	uint64_t sum;

	if (__builtin_add_overflow(used, free_now, &sum))
		return UINT64_MAX;
	return sum > keep ? sum - keep : 0;
}

/* What may be ours. Some file systems do not count inodes. */
static struct room room_allowed(struct spool *s)
{
	const struct spool_limits *l = &s->opts.limits;
	const struct room used = room_used(s);
	struct room r = { .bytes = l->use_max, .inodes = l->files_max };
	struct statvfs st;
	uint64_t beside;

	s->figures.below_floor = 0;
	if (fstatvfs(s->dir_fd, &st) < 0)
		return r;
	beside = room_beside(used.bytes, (uint64_t)st.f_bavail * st.f_frsize,
			     (uint64_t)st.f_blocks * st.f_frsize, l->keep_free_ppm);
	if (beside < MIN(l->floor, l->use_max))
		s->figures.below_floor = 1;
	r.bytes = MIN(r.bytes, MAX(beside, l->floor));
	if (st.f_files > 0) {
		beside = room_beside(used.inodes, st.f_favail, st.f_files, l->keep_free_ppm);
		if (beside < MIN(l->floor >> FLOOR_FILE_SHIFT, l->files_max))
			s->figures.below_floor = 1;
		r.inodes = MIN(r.inodes, MAX(beside, l->floor >> FLOOR_FILE_SHIFT));
	}
	return r;
}

static bool room_fits(const struct spool *s, const struct room *room)
{
	const struct room used = room_used(s);

	return used.bytes <= room->bytes && used.inodes <= room->inodes;
}

/* Removing */

static void hour_subtract(struct spool *s, struct spool_hour *h, uint64_t bytes)
{
	bytes = MIN(bytes, h->bytes);
	h->bytes -= bytes;
	s->figures.bytes -= bytes;
	if (h->files > 0) {
		h->files--;
		s->figures.files--;
	}
}

/* False: it cannot be removed, or is none of ours. What somebody else removed is gone as well. */
static bool remove_file(struct spool *s, struct spool_hour *h, int hour_fd, const char *name)
{
	uint64_t bytes = 0;

	errno = 0;
	if (dir_is_file(hour_fd, name, &bytes) && unlinkat(hour_fd, name, 0) == 0)
		s->figures.evicted++;
	else if (errno != ENOENT)
		return false;
	hour_subtract(s, h, bytes);
	return true;
}

struct eviction {
	const struct room *until; /* NULL: all that there is */
	size_t files_left;
};

static bool eviction_over(const struct spool *s, const struct eviction *e)
{
	return e->files_left == 0 || (e->until && room_fits(s, e->until));
}

/* Of one hour, from its oldest file on: 1 when the hour is gone; -errno: it cannot be read. */
static int evict_files(struct spool *s, struct spool_hour *h, struct eviction *e)
{
	_cleanup_(spool_place_done) struct spool_place p = SPOOL_PLACE_INIT;
	_cleanup_(dir_list_done) struct dir_list list = { 0 };
	size_t left = 0, i;
	int r = spool_place_find(s, h->hour, &p);

	if (r == 0)
		r = dir_list_read(p.hour_fd, &list);
	if (r < 0)
		return r;
	dir_list_by_age(&list);
	for (i = 0; i < list.files.cnt && !eviction_over(s, e); i++) {
		if (remove_file(s, h, p.hour_fd, list.files.v[i].name))
			e->files_left--;
		else
			left++;
	}
	if (i < list.files.cnt)
		return 0;
	h->stuck = left > 0;
	return left == 0;
}

static int evict_hour(struct spool *s, uint32_t hour, struct eviction *e)
{
	struct spool_hour *h = spool_hour_find(s, hour);
	int r;

	spool_merge_leave(s, hour);
	r = evict_files(s, h, e);
	if (r > 0 || r == -ENOENT) {
		spool_hour_remove(s, hour);
		return 1;
	}
	if (r < 0)
		h->stuck = true;
	return r;
}

/* Where in the circle an hour stands: 0 is the oldest. */
static uint32_t hour_order(const struct spool *s, uint32_t hour)
{
	return hour - (uint32_t)(s->clock_real_ns / SPOOL_HOUR_NS) - FUTURE_HOURS;
}

static const struct spool_hour *oldest_hour(const struct spool *s, uint32_t before)
{
	const struct spool_hour *best = NULL;

	for (size_t i = 0; i < s->hours.cnt; i++) {
		const struct spool_hour *h = &s->hours.v[i];

		if (h->stuck || (before > 0 && hour_order(s, h->hour) >= hour_order(s, before)))
			continue;
		if (!best || hour_order(s, h->hour) < hour_order(s, best->hour))
			best = h;
	}
	return best;
}

static int evict_until(struct spool *s, const struct room *until, uint32_t before, size_t files_max)
{
	struct eviction e = { .until = until, .files_left = files_max };

	while (!eviction_over(s, &e)) {
		const struct spool_hour *h = oldest_hour(s, before);

		if (!h)
			return -ENOSPC;
		(void)evict_hour(s, h->hour, &e);
	}
	return room_fits(s, until) ? 0 : 1;
}

int spool_make_room(struct spool *s, const struct spool_need *need, size_t files_max)
{
	const struct room allowed = room_allowed(s), used = room_used(s);
	struct room until;
	int r;

	if (need->bytes > allowed.bytes || need->inodes > allowed.inodes)
		return -ENOSPC;
	until = (struct room){ .bytes = allowed.bytes - need->bytes,
			       .inodes = allowed.inodes - need->inodes };
	if (need->force) {
		until.bytes = MIN(until.bytes, used.bytes - MIN(used.bytes, need->bytes));
		until.inodes = MIN(until.inodes, used.inodes - MIN(used.inodes, need->inodes));
	} else if (room_fits(s, &until)) {
		return 0;
	} else {
		until.bytes -= MIN(until.bytes, allowed.bytes >> SLACK_SHIFT);
		until.inodes -= MIN(until.inodes, allowed.inodes >> SLACK_SHIFT);
	}
	r = evict_until(s, &until, need->before, files_max);
	/* The slack is a wish. */
	until = (struct room){ .bytes = allowed.bytes - need->bytes,
			       .inodes = allowed.inodes - need->inodes };
	return r == -ENOSPC && room_fits(s, &until) ? 0 : r;
}

int spool_expire(struct spool *s, size_t files_max)
{
	const uint64_t age_max = s->opts.limits.age_max_ns;
	struct eviction e = { .files_left = files_max };

	for (size_t i = 0; s->age_credit_ns >= AGE_STEP_NS && i < s->hours.cnt; i++) {
		const struct spool_hour *h = &s->hours.v[i];
		const uint64_t end = ((uint64_t)h->hour + 1) * SPOOL_HOUR_NS;

		if (end >= s->clock_real_ns || s->clock_real_ns - end < age_max)
			return 0;
		if (h->stuck)
			continue;
		if (evict_hour(s, h->hour, &e) <= 0)
			return 1;
		s->age_credit_ns -= AGE_STEP_NS;
		return 1;
	}
	return 0;
}

void spool_watch_clock(struct spool *s, const struct spool_window *w)
{
	if (s->committed && w->to_boot_ns > s->clock_boot_ns) {
		const int64_t elapsed = (int64_t)(w->to_boot_ns - s->clock_boot_ns);
		const int64_t leap = (int64_t)(w->to_real_ns - s->clock_real_ns) - elapsed;

		if (leap > CLOCK_LEAP_NS || leap < -CLOCK_LEAP_NS)
			s->age_credit_ns = -CLOCK_HOLD_NS;
		else
			s->age_credit_ns = MIN(s->age_credit_ns + elapsed, AGE_CREDIT_MAX_NS);
	}
	s->committed = true;
	s->clock_boot_ns = w->to_boot_ns;
	s->clock_real_ns = w->to_real_ns;
}
