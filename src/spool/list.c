/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is there, for readers: also for those who may only read, while the one who writes goes on. A
 * name tells nearly all, so only files that are wanted are looked at, and none is opened.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/profile_name.h"
#include "spool-internal.h"

#define DAY_NS (SPOOL_HOURS_OF_DAY * SPOOL_HOUR_NS)

struct query {
	uint64_t since, until;
	spool_entry_fn fn;
	void *ctx;
};

struct days {
	VEC(uint32_t) first; /* hour of each */
};

static int day_entry(int dir_fd, const char *name, void *ctx)
{
	struct days *days = ctx;
	uint32_t hour;

	return spool_parse_date(name, &hour) ? vec_push(&days->first, hour) : 0;
}

static void days_done(struct days *days)
{
	vec_done(&days->first);
}

static int compare_days(const void *x, const void *y)
{
	const uint32_t *a = x, *b = y;

	return CMP(*a, *b);
}

static void entry_of_name(struct spool_entry *e, const struct profile_parsed *p, uint64_t day_ns)
{
	(void)snprintf(e->comm, sizeof(e->comm), "%s", p->comm);
	(void)snprintf(e->kind, sizeof(e->kind), "%s", p->kind);
	e->from_real_ns = day_ns + p->from_s * NSEC_PER_SEC;
	e->to_real_ns = day_ns + p->to_s * NSEC_PER_SEC + (p->to_s < p->from_s ? DAY_NS : 0);
	e->start_ticks = p->start_ticks;
	e->exe_id = p->exe_id;
	e->pid = p->pid;
	e->exec = p->exec;
	e->ended = p->form == PROFILE_OF_ENDED;
}

/* A name has whole seconds, cut off: the file may end in all of its last one. */
static bool is_wanted(const struct query *q, const struct spool_entry *e)
{
	return e->from_real_ns < q->until && e->to_real_ns + NSEC_PER_SEC > q->since;
}

static int list_files(int hour_fd, const struct dir_list *list, uint32_t hour,
		      const struct query *q)
{
	char date[16], name[16];
	int r = 0;

	spool_hour_date(date, hour);
	spool_hour_name(name, hour);
	for (size_t i = 0; r >= 0 && i < list->files.cnt; i++) {
		const char *file = list->files.v[i].name;
		struct spool_entry e = { 0 };
		struct profile_parsed p;

		(void)profile_name_parse(file, &p);
		entry_of_name(&e, &p, hour / SPOOL_HOURS_OF_DAY * DAY_NS);
		if (!is_wanted(q, &e) || !dir_is_file(hour_fd, file, &e.bytes))
			continue;
		(void)snprintf(e.path, sizeof(e.path), "%s/%s/%.*s", date, name, 200, file);
		r = q->fn(&e, q->ctx);
	}
	return r < 0 ? r : 0;
}

/* What went meanwhile, or cannot be read, is not there. */
static int list_hour(int date_fd, uint32_t hour, const struct query *q)
{
	_cleanup_(dir_list_done) struct dir_list list = { 0 };
	_cleanup_close_ int fd = -EBADF;
	char name[16];
	int r;

	spool_hour_name(name, hour);
	fd = dir_open(date_fd, name);
	r = fd < 0 ? fd : dir_list_read(fd, &list);
	if (r < 0)
		return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : 0;
	dir_list_by_age(&list);
	return list_files(fd, &list, hour, q);
}

/* Can an hour hold what is wanted? A file begins in its hour, and its name spans a day at most. */
static bool hour_is_wanted(const struct query *q, uint32_t hour)
{
	const uint64_t begin = hour * SPOOL_HOUR_NS;

	return begin < q->until && begin + SPOOL_HOUR_NS + DAY_NS + NSEC_PER_SEC > q->since;
}

static int list_day(int dir_fd, uint32_t first, const struct query *q)
{
	_cleanup_close_ int fd = -EBADF;
	char date[16];
	int r = 0;

	spool_hour_date(date, first);
	fd = dir_open(dir_fd, date);
	for (uint32_t i = 0; fd >= 0 && r == 0 && i < SPOOL_HOURS_OF_DAY; i++)
		if (hour_is_wanted(q, first + i))
			r = list_hour(fd, first + i, q);
	return r;
}

int spool_list(int dir_fd, uint64_t since_real_ns, uint64_t until_real_ns, spool_entry_fn fn,
	       void *ctx)
{
	const struct query q = {
		.since = since_real_ns, .until = until_real_ns, .fn = fn, .ctx = ctx
	};
	_cleanup_(days_done) struct days days = { 0 };
	int r = dir_walk(dir_fd, day_entry, &days);

	if (r == 0 && days.first.cnt > 1)
		qsort(days.first.v, days.first.cnt, sizeof(*days.first.v), compare_days);
	for (size_t i = 0; r == 0 && i < days.first.cnt; i++)
		r = list_day(dir_fd, days.first.v[i], &q);
	return r;
}
