/* SPDX-License-Identifier: Apache-2.0 */

/*
 * spool: each call to the kernel, and each allocation, made to fail at the n-th time, n = 0, 1, ...
 * until nothing is reached any more. Whatever fails: what was committed is there, whole and once; what
 * was not is not there, now and after the next start; nothing of before is lost; no litter is left.
 */

#define SCRATCH_ROOT "/dev/shm"

#include <limits.h>

#include "fail-calls.h"
#include "fail.h"
#include "spool-fixture.h"

#define PROCESSES 2
#define OLD_WINDOWS 4
#define N_MAX 2000

static const int errors[] = { EIO, ENOSPC, EDQUOT, EROFS, EMFILE, ENOMEM };

/* How it fails. */
struct fault {
	enum fail_call call;
	int error;
	long times;
	bool memory;
};

static void arm(const struct fault *f, long n)
{
	if (f->memory)
		fail_at(n);
	else
		fail_call_at(f->call, f->error, n, f->times);
}

static bool disarm(const struct fault *f)
{
	return f->memory ? fail_over() : fail_calls_over();
}

static int remove_path(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return ftw->level > 0 ? remove(path) : 0;
}

/* Thousands of them would fill the scratch. */
static void clear_scratch(void)
{
	CHECK_EQ(nftw(".", remove_path, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* An hour that can be merged, and the last window before the fault. */
static void prepare(struct spool *s)
{
	for (unsigned int n = 1; n < OLD_WINDOWS; n++)
		CHECK_EQ(commit_minute(s, &(struct minute){ T0 + n * MINUTE, n * MINUTE, PROCESSES,
							    n, 0 }),
			 0);
	CHECK_EQ(commit_minute(
			 s, &(struct minute){ T0 + 8 * HOUR, 8 * HOUR, PROCESSES, OLD_WINDOWS, 0 }),
		 0);
}

/* What happened to the windows that were tried under the fault. */
struct outcome {
	int r[2];
};

static struct outcome try_all(struct spool *s)
{
	struct outcome o;

	o.r[0] = commit_minute(s, &(struct minute){ T0 + 9 * HOUR, 9 * HOUR, PROCESSES, 101, 0 });
	for (int i = 0; i < 12 && spool_maintain(s, T0 + 9 * HOUR) > 0; i++)
		;
	o.r[1] = commit_minute(s, &(struct minute){ T0 + 33 * HOUR, 33 * HOUR, PROCESSES, 102, 0 });
	return o;
}

/* @strict: a window that failed is not there at all; else it may be, whole. */
static void check_windows(const struct fault *f, long n, const struct outcome *o, bool strict)
{
	const struct seen *seen = look();
	/* Where there is no room, the oldest goes. */
	const bool room = f->memory || (f->error != ENOSPC && f->error != EDQUOT);

	for (unsigned int w = 1; w <= OLD_WINDOWS; w++)
		if (seen_of_window(seen, w) > PROCESSES ||
		    (room && seen_of_window(seen, w) < PROCESSES))
			CHECK_FAIL("%s %d at %ld: window %u is there %u times", fail_names[f->call],
				   f->error, n, w, seen_of_window(seen, w));
	for (unsigned int i = 0; i < ELEMENTSOF(o->r); i++) {
		const unsigned int cnt = seen_of_window(seen, 101 + i);

		if (o->r[i] == 0 && !room && cnt <= PROCESSES)
			continue;
		if (cnt != (o->r[i] == 0 ? PROCESSES : 0) && (strict || cnt != PROCESSES))
			CHECK_FAIL("%s %d at %ld: commit said %d, but %u files are there",
				   fail_names[f->call], f->error, n, o->r[i], cnt);
	}
}

/* True when there was no n-th time. */
static bool commit_with(const struct fault *f, long n)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;
	struct outcome o;
	bool over;

	s = must_open(&opts);
	prepare(s);
	arm(f, n);
	o = try_all(s);
	over = disarm(f);
	if (over)
		CHECK(o.r[0] == 0 && o.r[1] == 0);
	/* It goes on as before, once nothing fails. */
	CHECK_EQ(commit_minute(s, &(struct minute){ T0 + 33 * HOUR, 34 * HOUR, 1, 200, 0 }), 0);
	while (spool_maintain(s, T0 + 33 * HOUR) > 0)
		;
	check_windows(f, n, &o, f->times <= 1);
	CHECK_EQ(figures(s).files, look()->files);
	s = spool_free(s);
	s = must_open(&opts);
	check_windows(f, n, &o, f->times <= 1);
	CHECK_EQ(seen_of_window(look(), 200), 1);
	CHECK_EQ(entries(".", ".new") + entries(".", ".window"), 0);
	CHECK_EQ(figures(s).files, look()->files);
	CHECK_EQ(figures(s).quarantined, 0);
	CHECK_EQ(spool_last_end_ns(s), 34 * HOUR + MINUTE);
	return over;
}

/* As after a crash: litter, and a window to be finished. */
static bool open_with(const struct fault *f, long n)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;
	bool over;
	int r;

	CHECK_EQ(mkdir(".new-1", 0750), 0);
	put_file(".new-1/work-1-100-1.cpu.080000-080100.pb.gz", "window 1 process 1\n");
	CHECK_EQ(mkdir(".window-2027-01-15-08-9", 0750), 0);
	put_file(".window-2027-01-15-08-9/work-1-100-1.cpu.080000-080100.pb.gz",
		 "window 2 process 1\n");
	put_file(".window-2027-01-15-08-9/work-2-100-1.cpu.080000-080100.pb.gz",
		 "window 2 process 2\n");
	put_file(".window-2027-01-15-08-9/.state", "cprofd-state 1\nboot " BOOT "\nend 9\n");
	put_file("2027-01-15", "in the way");
	arm(f, n);
	r = fixture_open(&opts, &s);
	over = disarm(f);
	CHECK(r < 0 || s);
	if (s)
		CHECK_EQ(commit_minute(s, &(struct minute){ T0 + HOUR, 10, 1, 3, 0 }), 0);
	s = spool_free(s);
	s = must_open(&opts);
	CHECK_EQ(seen_of_window(look(), 1), 0);
	CHECK_EQ(seen_of_window(look(), 2), 2);
	CHECK_EQ(seen_of_window(look(), 3), r == 0);
	CHECK_EQ(entries(".", ".new") + entries(".", ".window"), 0);
	CHECK_EQ(figures(s).files, look()->files);
	CHECK_EQ(spool_last_end_ns(s), r == 0 ? 10 + MINUTE : 9);
	return over;
}

static void fail_everywhere(const struct fault *f, bool (*act)(const struct fault *f, long n))
{
	long n = 0;
	bool over = false;

	enter_scratch();
	while (!over) {
		over = act(f, n);
		clear_scratch();
		CHECK(++n < N_MAX);
	}
	/* A fault that nothing can meet shows nothing: the spool has no use for link(2) at its start. */
	if (n == 1 && f->call != FAIL_LINK && f->call != FAIL_WRITE &&
	    f->call != FAIL_SYNC_FILE_RANGE)
		CHECK_FAIL("%s never failed", fail_names[f->call]);
}

static void fail_each(long times, bool (*act)(const struct fault *f, long n))
{
	for (int call = 0; call < FAIL_ANY; call++)
		for (size_t i = 0; i < ELEMENTSOF(errors); i++)
			fail_everywhere(&(struct fault){ .call = (enum fail_call)call,
							 .error = errors[i],
							 .times = times },
					act);
}

TEST(commits_whatever_fails_once)
{
	fail_each(1, commit_with);
}

TEST(commits_whatever_fails_from_then_on)
{
	fail_each(LONG_MAX, commit_with);
}

/* The disk is gone, or read-only. */
TEST(commits_when_all_fails)
{
	fail_everywhere(&(struct fault){ .call = FAIL_ANY, .error = EIO, .times = LONG_MAX },
			commit_with);
	fail_everywhere(&(struct fault){ .call = FAIL_ANY, .error = EROFS, .times = LONG_MAX },
			commit_with);
}

/* Some calls, one after the other: a sync, and what should have undone it. */
TEST(commits_when_some_fail)
{
	for (long times = 2; times < 5; times++)
		fail_everywhere(&(struct fault){ .call = FAIL_ANY, .error = EIO, .times = times },
				commit_with);
}

TEST(commits_without_memory)
{
	fail_everywhere(&(struct fault){ .memory = true }, commit_with);
}

TEST(openings_whatever_fails)
{
	fail_each(1, open_with);
	fail_each(LONG_MAX, open_with);
	fail_everywhere(&(struct fault){ .call = FAIL_ANY, .error = EIO, .times = LONG_MAX },
			open_with);
	fail_everywhere(&(struct fault){ .memory = true }, open_with);
}

/* A failed fsync is answered by new files, not by another fsync of the same ones. */
TEST(a_failed_fsync_is_not_tried_again)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	s = must_open(&opts);
	fail_call_at(FAIL_FSYNC, EIO, 0, 1);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 0, 2, 1, 0 }), 0);
	CHECK(!fail_calls_over());
	CHECK_EQ(figures(s).sync_failed, 1);
	CHECK_EQ(figures(s).windows_failed, 0);
	CHECK_EQ(seen_of_window(look(), 1), 2);
	/* Twice: it is given up. */
	fail_call_at(FAIL_FSYNC, EIO, 0, LONG_MAX);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0 + MINUTE, MINUTE, 2, 2, 0 }), -EIO);
	CHECK(!fail_calls_over());
	CHECK_EQ(figures(s).sync_failed, 3);
	CHECK_EQ(figures(s).windows_failed, 1);
	CHECK_EQ(figures(s).last_error, -EIO);
	CHECK_EQ(seen_of_window(look(), 2), 0);
	CHECK_EQ(entries(".", ""), 2);
}

/* No RENAME_NOREPLACE, no RENAME_EXCHANGE: names are kept all the same, and minutes stay minutes. */
TEST(a_file_system_without_renameat2)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	s = must_open(&opts);
	fail_call_at(FAIL_RENAME2, EINVAL, 0, LONG_MAX);
	prepare(s);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0 + 8 * HOUR, 9 * HOUR, PROCESSES, 50, 0 }),
		 0);
	while (spool_maintain(s, T0 + 9 * HOUR) > 0)
		;
	CHECK(!fail_calls_over());
	CHECK_EQ(look()->lines, PROCESSES * (OLD_WINDOWS + 1));
	CHECK_EQ(look()->files, figures(s).files);
	CHECK_EQ(figures(s).merged, 0);
	s = spool_free(s);
	/* The power went between the two steps of a move. */
	CHECK_EQ(mkdir(".window-2027-01-15-08-9", 0750), 0);
	CHECK_EQ(link("2027-01-15/08/work-1-100-1.cpu.080100-080200.pb.gz",
		      ".window-2027-01-15-08-9/work-1-100-1.cpu.080100-080200.pb.gz"),
		 0);
	fail_call_at(FAIL_RENAME2, EINVAL, 0, LONG_MAX);
	s = must_open(&opts);
	CHECK(!fail_calls_over());
	CHECK_EQ(look()->lines, PROCESSES * (OLD_WINDOWS + 1));
	CHECK_EQ(entries(".", ""), 2);
}

CHECK_MAIN
