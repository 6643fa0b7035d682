/* SPDX-License-Identifier: Apache-2.0 */

/* spool: windows whole and in their place, budgets, clocks, hours, and whatever lies in the directory. */

/* Not one of these tests is of the disk: 2,000 windows of tiny files would only wait for it. */
#define SCRATCH_ROOT "/dev/shm"

#include "spool-fixture.h"

#include <sys/statvfs.h>

static void maintain(struct spool *s, uint64_t now)
{
	int r;

	for (int i = 0; i < 100000; i++) {
		r = spool_maintain(s, now);
		CHECK(r >= 0);
		if (r == 0)
			return;
	}
	CHECK_FAIL("housekeeping has no end");
}

static unsigned int mode_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		CHECK_FAIL("no %s", path);
	return st.st_mode & 07777;
}

TEST(a_window_in_its_place)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;
	struct spool_figures f;

	enter_scratch();
	s = must_open(&opts);
	CHECK_EQ(spool_last_end_ns(s), 0);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0 + HOUR, 1000, 3, 1, 0 }), 0);
	CHECK_EQ(access("2027-01-15/09/work-1-100-1.cpu.090000-090100.pb.gz", R_OK), 0);
	CHECK_EQ(mode_of("2027-01-15/09/work-3-100-1.cpu.090000-090100.pb.gz"), 0640);
	CHECK_EQ(mode_of("2027-01-15"), 0750);
	CHECK_EQ(mode_of("2027-01-15/09"), 0750);
	CHECK_EQ(look()->lines, 3);
	CHECK_EQ(entries(".", ""), 2); /* the day and the state */
	f = figures(s);
	CHECK(f.files == 3 && f.windows == 1 && f.bytes >= 3 * 512 && f.last_error == 0);
	CHECK_EQ(spool_last_end_ns(s), 1000 + MINUTE);
}

TEST(a_setgid_directory_gives_its_group)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	CHECK_EQ(chmod(".", 02750), 0);
	s = must_open(&opts);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 0, 1, 1, 0 }), 0);
	CHECK_EQ(mode_of("2027-01-15"), 02750);
	CHECK_EQ(mode_of("2027-01-15/08"), 02750);
}

TEST(names_that_are_taken)
{
	const struct spool_opts opts = fixture_opts();
	const struct spool_file twice[] = {
		{ "e-ended-00000000000000aa.cpu.080000-080100.pb.gz", "window 3 process 1\n", 19 },
		{ "e-ended-00000000000000aa.cpu.080000-080100.pb.gz", "window 3 process 2\n", 19 },
	};
	const struct spool_window w = { .from_real_ns = T0, .files = twice, .files_cnt = 2 };
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	s = must_open(&opts);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 0, 1, 1, 0 }), 0);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 0, 1, 2, 0 }), 0);
	CHECK_EQ(access("2027-01-15/08/work-1-100-1.cpu.080000-080100~1.pb.gz", R_OK), 0);
	CHECK_EQ(look()->lines, 2);
	CHECK_EQ(spool_commit(s, &w), 0);
	CHECK_EQ(spool_commit(s, &w), 0);
	CHECK_EQ(look()->files, 6);
	CHECK_EQ(figures(s).files, 6);
}

TEST(names_that_are_not_ours)
{
	static const char *const names[] = { "",
					     ".hidden",
					     "../up.pb.gz",
					     "a.pb.gz",
					     "a/b",
					     ".state",
					     "a-1-2-3.cpu.080000-080100.pb" };
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	s = must_open(&opts);
	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		const struct spool_file file = { names[i], "x", 1 };
		const struct spool_window w = { .from_real_ns = T0,
						.files = &file,
						.files_cnt = 1 };

		CHECK_EQ(spool_commit(s, &w), -EINVAL);
	}
	CHECK_EQ(entries(".", ""), 0);
	CHECK_EQ(figures(s).windows_failed, ELEMENTSOF(names));
}

TEST(an_empty_window_moves_the_state)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	s = must_open(&opts);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 77, 0, 1, 0 }), 0);
	CHECK_EQ(entries(".", ""), 1);
	s = spool_free(s);
	s = must_open(&opts);
	CHECK_EQ(spool_last_end_ns(s), 77 + MINUTE);
}

/* What no file says is not behind us: a run that follows says it. */
TEST(what_is_untold_is_not_over)
{
	const struct spool_opts opts = fixture_opts();
	struct spool_window w = {
		.from_real_ns = T0, .to_real_ns = T0 + 50, .to_boot_ns = 1050, .untold_ns = 300
	};
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	s = must_open(&opts);
	CHECK_EQ(spool_commit(s, &w), 0);
	CHECK_EQ(spool_last_end_ns(s), 750);
	s = spool_free(s);
	s = must_open(&opts);
	CHECK_EQ(spool_last_end_ns(s), 750);
	w.untold_ns = 2000; /* nonsense: since boot */
	CHECK_EQ(spool_commit(s, &w), 0);
	CHECK_EQ(spool_last_end_ns(s), 0);
	w.untold_ns = 0;
	CHECK_EQ(spool_commit(s, &w), 0);
	CHECK_EQ(spool_last_end_ns(s), 1050);
}

TEST(one_writer)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL, *other = NULL;
	struct spool_failure failure;
	int fd, same;

	enter_scratch();
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	same = dup(fd);
	CHECK_EQ(spool_open(fd, &opts, T0, &s, &failure), 0);
	CHECK_EQ(fixture_open(&opts, &other), -EBUSY);
	/* The launcher's descriptor, handed to the next sampler. */
	CHECK_EQ(spool_open(same, &opts, T0, &other, &failure), 0);
	put_file("file", "");
	other = spool_free(other);
	CHECK_EQ(spool_open(open("file", O_RDONLY | O_CLOEXEC), &opts, T0, &other, &failure),
		 -ENOTDIR);
}

/* What a crash leaves, at each side of the commit. */
TEST(a_crash_is_cleaned_up)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;
	struct spool_figures f;

	enter_scratch();
	CHECK_EQ(mkdir(".new-7", 0750), 0);
	put_file(".new-7/work-1-100-1.cpu.080000-080100.pb.gz", "window 1 process 1\n");
	CHECK_EQ(mkdir(".window-2027-01-15-08-9", 0750), 0);
	put_file(".window-2027-01-15-08-9/work-1-100-1.cpu.080100-080200.pb.gz",
		 "window 2 process 1\n");
	put_file(".window-2027-01-15-08-9/.state", "cprofd-state 1\nboot " BOOT "\nend 9\n");
	CHECK_EQ(mkdir(".window-2027-01-15-08-10", 0750), 0);
	put_file(".window-2027-01-15-08-10/work-1-100-1.cpu.080200-080300.pb.gz",
		 "window 3 process 1\n");
	put_file(".window-2027-01-15-08-10/.state", "cprofd-state 1\nboot " BOOT "\nend 10\n");
	s = must_open(&opts);
	f = figures(s);
	CHECK(f.litter == 1 && f.windows_finished == 2 && f.files == 2 && f.quarantined == 0);
	CHECK_EQ(spool_last_end_ns(s), 10);
	CHECK_EQ(look()->lines, 2);
	CHECK_EQ(seen_of_window(look(), 1), 0);
	CHECK_EQ(entries(".", ""), 2);
	/* It goes on, and no name of before is in its way. */
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 0, 2, 4, 0 }), 0);
	CHECK_EQ(look()->lines, 4);
}

/* A window that had to wait does not take the state back. */
TEST(a_window_that_was_overtaken)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	put_file(".state", "cprofd-state 1\nboot " BOOT "\nend 50\n");
	CHECK_EQ(mkdir(".window-2027-01-15-08-9", 0750), 0);
	put_file(".window-2027-01-15-08-9/.state", "cprofd-state 1\nboot " BOOT "\nend 9\n");
	s = must_open(&opts);
	CHECK_EQ(spool_last_end_ns(s), 50);
	CHECK_EQ(entries(".", ""), 1);
}

/* Numbers of directories at the end of their range. */
TEST(numbers_do_not_run_out)
{
	const struct spool_opts opts = fixture_opts();

	static const char *const ends[] = { "65533",
					    "4294967293",
					    "18446744073709551613",
					    "18446744073709551615",
					    "18446744073709551616",
					    "99999999999999999999999",
					    "007" };

	for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
		_cleanup_(spool_freep) struct spool *s = NULL;
		char name[64];

		enter_scratch();
		snprintf(name, sizeof(name), ".window-2027-01-15-08-%s", ends[i]);
		put_file(name, "a file, no directory");
		snprintf(name, sizeof(name), ".new-%s", ends[i]);
		put_file(name, "likewise");
		s = must_open(&opts);
		for (unsigned int n = 1; n < 8; n++)
			CHECK_EQ(commit_minute(s, &(struct minute){ T0, 0, 2, n, 0 }), 0);
		CHECK_EQ(look()->lines, 14);
		CHECK_EQ(figures(s).quarantined, 2);
	}
}

TEST(states_of_any_content)
{
	static const char *const texts[] = { "",
					     "\n",
					     "cprofd-state 2\nboot " BOOT "\nend 5\n",
					     "cprofd-state 1\nboot x\nend 5\n",
					     "cprofd-state 1\nboot " BOOT "\nend 5",
					     "cprofd-state 1\nboot " BOOT "\nend 5\n\n",
					     "cprofd-state 1\nboot " BOOT "\nend -5\n",
					     "cprofd-state 1\nboot " BOOT "\nend 05\n",
					     "cprofd-state 1\nboot " BOOT
					     "\nend 99999999999999999999999999\n",
					     "\nend 5\n" };
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		put_file(".state", texts[i]);
		s = must_open(&opts);
		CHECK_EQ(spool_last_end_ns(s), 0);
		s = spool_free(s);
	}
	put_file(".state", "cprofd-state 1\nboot " BOOT "\nend 5\n");
	s = must_open(&opts);
	CHECK_EQ(spool_last_end_ns(s), 5);
	s = spool_free(s);
	CHECK_EQ(unlink(".state"), 0);
	CHECK_EQ(mkfifo(".state", 0600), 0);
	s = must_open(&opts);
	CHECK_EQ(spool_last_end_ns(s), 0);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 5, 1, 1, 0 }), 0);
	s = spool_free(s);
	CHECK_EQ(unlink(".state"), 0);
	CHECK_EQ(mkdir(".state", 0700), 0);
	put_file(".state/x", "x");
	s = must_open(&opts);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 6, 1, 2, 0 }), 0);
	s = spool_free(s);
	s = must_open(&opts);
	CHECK_EQ(spool_last_end_ns(s), 6 + MINUTE);
	CHECK_EQ(look()->lines, 2);
}

/* Things of wrong types in all places, also in those that we need. */
TEST(garbage)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;
	char huge[NAME_MAX + 1];

	enter_scratch();
	memset(huge, 'h', NAME_MAX);
	huge[NAME_MAX] = '\0';
	CHECK_EQ(mkdir("outside", 0750), 0);
	CHECK_EQ(mkdir("d", 0750), 0);
	CHECK_EQ(chdir("d"), 0);
	put_file(huge, "x");
	CHECK_EQ(symlink("../outside", "2027-01-15"), 0);
	CHECK_EQ(mkfifo("2027-01-16", 0600), 0);
	CHECK_EQ(mkdir("2027-01-17", 0750), 0);
	CHECK_EQ(symlink("../../outside", "2027-01-17/08"), 0);
	CHECK_EQ(mkfifo("2027-01-17/09", 0600), 0);
	CHECK_EQ(mkdir("2027-01-17/10", 0750), 0);
	CHECK_EQ(symlink("/etc/passwd", "2027-01-17/10/a-1-2-3.cpu.100000-100100.pb.gz"), 0);
	CHECK_EQ(mkfifo("2027-01-17/10/b-1-2-3.cpu.100000-100100.pb.gz", 0600), 0);
	put_file("2027-01-17/10/readme", "x");
	CHECK_EQ(mkdir("2027-13-40", 0750), 0);
	CHECK_EQ(mkdir("9999-12-31", 0750), 0);
	put_file(".quarantine", "a file");
	CHECK_EQ(mkdir(".new-1", 0750), 0);
	CHECK_EQ(mkdir(".new-1/deep", 0750), 0);
	CHECK_EQ(mkdir(".window-2027-01-15-08-2", 0750), 0);
	CHECK_EQ(mkdir(".window-2027-01-15-08-2/deep", 0750), 0);
	CHECK_EQ(symlink("../outside", ".window-2027-01-15-08-3"), 0);
	CHECK_EQ(symlink("../outside", ".new-3"), 0);
	s = must_open(&opts);
	CHECK(figures(s).quarantined >= 12);
	CHECK_EQ(figures(s).files, 0);
	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int h = 0; h < 3; h++)
			CHECK_EQ(commit_minute(s, &(struct minute){ T0 + i * DAY + h * HOUR, 0, 2,
								    1 + 3 * i + h, 0 }),
				 0);
	CHECK_EQ(look()->lines, 18);
	CHECK_EQ(figures(s).files, 18);
	CHECK_EQ(entries("../outside", ""), 0);
	CHECK_EQ(access(huge, F_OK), 0);
	CHECK(entries(".quarantine", "") >= 4);
	maintain(s, T0 + 3 * DAY);
	s = spool_free(s);
	s = must_open(&opts);
	CHECK_EQ(look()->lines, 18);
}

/* Budgets */

static struct spool_opts small_budget(uint64_t bytes, uint64_t files)
{
	struct spool_opts opts = fixture_opts();

	opts.merge = NULL;
	opts.limits.use_max = bytes;
	opts.limits.files_max = files;
	return opts;
}

TEST(the_oldest_go_first)
{
	const struct spool_opts opts = small_budget(1 << 20, 200000);
	_cleanup_(spool_freep) struct spool *s = NULL;
	const unsigned int last = 300;
	unsigned int first = 0;
	uint64_t sum = 0;

	enter_scratch();
	s = must_open(&opts);
	for (unsigned int n = 1; n <= last; n++) {
		CHECK_EQ(commit_minute(s, &(struct minute){ T0 + n * MINUTE, n, 2, n, 8000 }), 0);
		CHECK(figures(s).bytes <= 1 << 20);
	}
	for (unsigned int n = 1; n <= last; n++) {
		unsigned int cnt = seen_of_window(look(), n);

		if (cnt > 0 && first == 0)
			first = n;
		/* From the first that is left on all are whole. */
		CHECK(first == 0 || n == first || cnt == 2);
	}
	CHECK(first > 100 && first < 280);
	CHECK_EQ(figures(s).files, look()->files);
	CHECK_EQ(figures(s).evicted, 2 * last - figures(s).files);
	/* The same after a restart, before anything is committed. */
	sum = figures(s).bytes;
	s = spool_free(s);
	s = must_open(&opts);
	CHECK_EQ(figures(s).bytes, sum);
	CHECK_EQ(figures(s).files, look()->files);
	CHECK(look()->bytes <= sum);
}

TEST(files_are_counted_too)
{
	const struct spool_opts opts = small_budget(1 << 30, 100);
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	s = must_open(&opts);
	for (unsigned int n = 1; n <= 60; n++)
		CHECK_EQ(commit_minute(s, &(struct minute){ T0 + n * 10 * MINUTE, n, 4, n, 0 }), 0);
	CHECK(figures(s).files <= 100 && figures(s).files > 60);
	CHECK_EQ(seen_of_window(look(), 60), 4);
	/* Empty hours are not left behind. */
	CHECK(entries("2027-01-15", "") < 6);
}

TEST(a_window_that_cannot_fit_costs_nothing)
{
	struct spool_opts opts = small_budget(200000, 1000);
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	s = must_open(&opts);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 1, 4, 1, 8000 }), 0);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 1, 50, 2, 8000 }), -ENOSPC);
	CHECK_EQ(seen_of_window(look(), 1), 4);
	CHECK_EQ(look()->lines, 4);
	CHECK_EQ(figures(s).last_error, -ENOSPC);
	opts.limits.use_max = 1 << 20;
	spool_set_limits(s, &opts.limits);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0, 1, 50, 2, 8000 }), 0);
	CHECK_EQ(figures(s).last_error, 0);
}

/* All of the file system is to be kept free: what is left is the floor. */
TEST(the_floor_is_always_ours)
{
	struct spool_opts opts = small_budget(1 << 30, 200000);
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	opts.limits.keep_free_ppm = 1000000;
	opts.limits.floor = 1 << 20;
	s = must_open(&opts);
	for (unsigned int n = 1; n <= 300; n++)
		CHECK_EQ(commit_minute(s, &(struct minute){ T0 + n * MINUTE, n, 2, n, 8000 }), 0);
	CHECK(figures(s).bytes <= 1 << 20 && figures(s).bytes > 1 << 19);
	CHECK_EQ(figures(s).below_floor, 1);
	/* A budget that was lowered is kept by housekeeping, in pieces. */
	opts.limits.floor = 0;
	opts.limits.keep_free_ppm = 0;
	opts.limits.use_max = 100000;
	spool_set_limits(s, &opts.limits);
	maintain(s, T0 + 300 * MINUTE);
	CHECK(figures(s).bytes <= 100000 && figures(s).files > 0);
	CHECK_EQ(figures(s).below_floor, 0);
}

/* Clocks */

/* Committed for hours, one window each five minutes; returns the number of the last one. */
static unsigned int run_for(struct spool *s, struct minute *m, unsigned int windows)
{
	for (unsigned int i = 0; i < windows; i++) {
		m->n++;
		CHECK_EQ(commit_minute(s, m), 0);
		m->real_ns += 5 * MINUTE;
		m->boot_ns += 5 * MINUTE;
		maintain(s, m->real_ns);
	}
	return m->n;
}

TEST(age_by_time_that_passed)
{
	struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;
	struct minute m = { .real_ns = T0, .processes = 1 };
	unsigned int last;

	enter_scratch();
	opts.merge = NULL;
	opts.limits.age_max_ns = DAY;
	s = must_open(&opts);
	last = run_for(s, &m, 12 * 72);
	/* A day and the hour that is not over. */
	CHECK(look()->files >= 12 * 24 && look()->files <= 12 * 26);
	CHECK_EQ(seen_of_window(look(), last), 1);
	CHECK_EQ(figures(s).evicted + look()->files, last);
}

TEST(clock_steps_delete_nothing_in_bulk)
{
	static const int64_t steps[] = { (int64_t)HOUR, -(int64_t)HOUR, 20 * 365 * (int64_t)DAY,
					 -20 * 365 * (int64_t)DAY, -(int64_t)T0 };
	struct spool_opts opts = fixture_opts();

	opts.merge = NULL;
	for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
		_cleanup_(spool_freep) struct spool *s = NULL;
		struct minute m = { .real_ns = T0, .processes = 1 };

		enter_scratch();
		s = must_open(&opts);
		(void)run_for(s, &m, 12 * 12);
		m.real_ns += (uint64_t)steps[i];
		(void)run_for(s, &m, 12 * 3);
		CHECK_EQ(figures(s).evicted, 0);
		/* Also not by another run that was started under the wrong clock. */
		s = spool_free(s);
		s = must_open(&opts);
		maintain(s, m.real_ns);
		m.real_ns -= (uint64_t)steps[i];
		(void)run_for(s, &m, 12 * 3);
		/* What was dated 20 years back goes for its age, two hours of it in an hour at most. */
		CHECK(figures(s).evicted <= 12 * (steps[i] < -(int64_t)DAY ? 6 : 0));
		for (unsigned int n = 1; n <= 12 * 12; n++)
			CHECK_EQ(seen_of_window(look(), n), 1);
	}
}

/* A full spool under a clock that leaps: what is new has its place, and one goes for one that comes. */
TEST(clock_steps_of_a_full_spool)
{
	static const int64_t steps[] = { 2 * (int64_t)DAY, -2 * (int64_t)DAY,
					 20 * 365 * (int64_t)DAY, -20 * 365 * (int64_t)DAY,
					 -(int64_t)T0 };
	const struct spool_opts opts = small_budget(1 << 30, 400);

	for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
		_cleanup_(spool_freep) struct spool *s = NULL;
		struct minute m = { .real_ns = T0, .processes = 1 };
		uint64_t evicted;

		enter_scratch();
		s = must_open(&opts);
		(void)run_for(s, &m, 420);
		m.real_ns += (uint64_t)steps[i];
		for (int step = 0; step < 2; step++) {
			evicted = figures(s).evicted;
			for (int n = 0; n < 40; n++) {
				unsigned int last = run_for(s, &m, 1);

				CHECK_EQ(seen_of_window(look(), last), 1);
			}
			for (int n = 0; n < 40; n++)
				CHECK_EQ(seen_of_window(look(), m.n - (unsigned int)n), 1);
			/* As many as came, the room of directories, and the slack. */
			CHECK(figures(s).evicted - evicted <= 40 + 30);
			m.real_ns -= (uint64_t)steps[i];
		}
	}
}

/* Hours */

TEST(minutes_become_hours)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;
	char alone[] = "2027-01-15/08/alone-9-9-9.cpu.081500-081600.pb.gz";
	struct minute m = { .processes = 3 };
	struct spool_figures f;

	enter_scratch();
	s = must_open(&opts);
	for (m.n = 1; m.n <= 2 * 60; m.n++) {
		m.real_ns = T0 + (m.n - 1) * MINUTE + MINUTE / 2;
		m.boot_ns = m.n * MINUTE;
		CHECK_EQ(commit_minute(s, &m), 0);
	}
	put_file(alone, "window 999 process 9\n");
	maintain(s, T0 + 2 * HOUR);
	CHECK_EQ(figures(s).merged, 0);
	m.real_ns = T0 + 7 * HOUR + MINUTE;
	CHECK_EQ(commit_minute(s, &m), 0);
	maintain(s, m.real_ns);
	/* Only the first hour is six hours old. */
	CHECK_EQ(figures(s).merged, 180);
	CHECK_EQ(entries("2027-01-15/08", ""), 4);
	CHECK_EQ(access("2027-01-15/08/work-1-100-1.cpu.080030-090030.pb.gz", R_OK), 0);
	CHECK_EQ(access(alone, R_OK), 0);
	CHECK_EQ(mode_of("2027-01-15/08/work-1-100-1.cpu.080030-090030.pb.gz"), 0640);
	CHECK_EQ(entries("2027-01-15/09", ""), 180);
	CHECK_EQ(look()->lines, 360 + 1 + 3);
	for (unsigned int n = 1; n <= 121; n++)
		CHECK_EQ(seen_of_window(look(), n), 3);
	CHECK_EQ(entries(".", ""), 2);
	f = figures(s);
	CHECK_EQ(f.files, look()->files);
	/* A window of a clock that went back comes to the hour, and joins it later. */
	CHECK_EQ(commit_minute(s, &(struct minute){ T0 + 5 * MINUTE, HOUR, 3, 500, 0 }), 0);
	m.n = 501;
	CHECK_EQ(commit_minute(s, &m), 0);
	CHECK_EQ(entries("2027-01-15/08", ""), 7);
	maintain(s, m.real_ns);
	CHECK_EQ(entries("2027-01-15/08", ""), 4);
	CHECK_EQ(look()->lines, 360 + 1 + 9);
	CHECK_EQ(figures(s).files, look()->files);
	CHECK_EQ(figures(s).quarantined, 0);
}

static void commit_old_hour(struct spool *s, unsigned int processes)
{
	struct minute m = { .processes = processes };

	for (m.n = 1; m.n <= 10; m.n++) {
		m.real_ns = T0 + m.n * MINUTE;
		m.boot_ns = m.n * MINUTE;
		CHECK_EQ(commit_minute(s, &m), 0);
	}
	m.real_ns = T0 + 8 * HOUR;
	m.boot_ns = 8 * HOUR;
	CHECK_EQ(commit_minute(s, &m), 0);
}

static void check_once(unsigned int processes)
{
	const struct seen *seen = look();

	CHECK_EQ(seen->lines, 11 * processes);
	for (unsigned int n = 1; n <= 11; n++)
		CHECK_EQ(seen_of_window(seen, n), processes);
}

/* Ended after each piece of the work; what it did not finish is litter of the next run. */
TEST(hours_are_whole_whenever_it_ends)
{
	const struct spool_opts opts = fixture_opts();
	bool over = false;

	for (int steps = 0; !over; steps++) {
		_cleanup_(spool_freep) struct spool *s = NULL;
		CHECK(steps < 100);
		enter_scratch();
		s = must_open(&opts);
		commit_old_hour(s, 3);
		for (int i = 0; i < steps && !over; i++) {
			over = spool_maintain(s, T0 + 8 * HOUR) == 0;
			check_once(3);
			CHECK_EQ(figures(s).files, look()->files);
		}
		s = spool_free(s);
		s = must_open(&opts);
		check_once(3);
		CHECK_EQ(entries(".", ".new"), 0);
		maintain(s, T0 + 8 * HOUR);
		CHECK_EQ(figures(s).last_error, 0);
	}
}

static int merge_refuses(const int *fds, size_t cnt, int out_fd, void *ctx)
{
	char c;

	if (write(out_fd, "half", 4) != 4)
		return -EIO;
	return pread(fds[0], &c, 1, 0) == 1 ? -EBADMSG : -EIO;
}

TEST(minutes_that_cannot_be_merged_stay)
{
	struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	opts.merge = merge_refuses;
	s = must_open(&opts);
	commit_old_hour(s, 3);
	maintain(s, T0 + 8 * HOUR);
	check_once(3);
	CHECK_EQ(figures(s).merged, 0);
	CHECK_EQ(entries("2027-01-15/08", ""), 30);
	CHECK_EQ(entries(".", ""), 2);
	s = spool_free(s);
	/* An hour with a stranger's file in it is left as it is. */
	opts = fixture_opts();
	put_file("2027-01-15/08/notes.txt", "mine");
	s = must_open(&opts);
	maintain(s, T0 + 8 * HOUR);
	CHECK_EQ(figures(s).merged, 0);
	CHECK_EQ(access("2027-01-15/08/notes.txt", F_OK), 0);
}

/* As where the rate changed: windows up to the fourth do not go with later ones, and the seventh is bad. */
static int merge_of_two_kinds(const int *fds, size_t cnt, int out_fd, void *ctx)
{
	char text[32];
	unsigned int n, early = 0;

	for (size_t i = 0; i < cnt; i++) {
		CHECK(pread(fds[i], text, sizeof(text), 0) > 0);
		CHECK_EQ(sscanf(text, "window %u", &n), 1);
		if (n == 7)
			return -EBADMSG;
		early += n <= 4;
	}
	return early > 0 && early < cnt ? -EINVAL : fixture_merge(fds, cnt, out_fd, ctx);
}

TEST(minutes_of_two_kinds)
{
	struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	opts.merge = merge_of_two_kinds;
	s = must_open(&opts);
	commit_old_hour(s, 3);
	maintain(s, T0 + 8 * HOUR);
	check_once(3);
	/* Windows 1 to 4, 5 and 6, the bad one, 8 to 10. */
	CHECK_EQ(entries("2027-01-15/08", ""), 4 * 3);
	CHECK_EQ(figures(s).files, look()->files);
}

static int merge_without_room(const int *fds, size_t cnt, int out_fd, void *ctx)
{
	return -ENOSPC;
}

TEST(hours_that_find_no_room)
{
	struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	opts.merge = merge_without_room;
	s = must_open(&opts);
	for (unsigned int n = 1; n <= 150; n++)
		CHECK_EQ(commit_minute(s, &(struct minute){ T0 + n * NSEC_PER_SEC, n, 1, n, 0 }),
			 0);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0 + 8 * HOUR, 8 * HOUR, 1, 151, 0 }), 0);
	maintain(s, T0 + 8 * HOUR);
	CHECK_EQ(look()->files, 151);
}

/* Windows of a second: more files of a process than are merged at a time. */
TEST(many_files_of_one_process)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_(spool_freep) struct spool *s = NULL;

	enter_scratch();
	s = must_open(&opts);
	for (unsigned int n = 1; n <= 150; n++)
		CHECK_EQ(commit_minute(s, &(struct minute){ T0 + n * NSEC_PER_SEC, n, 1, n, 0 }),
			 0);
	CHECK_EQ(commit_minute(s, &(struct minute){ T0 + 8 * HOUR, 8 * HOUR, 1, 151, 0 }), 0);
	maintain(s, T0 + 8 * HOUR);
	CHECK_EQ(entries("2027-01-15/08", ""), 1);
	CHECK_EQ(look()->lines, 151);
}

/* Lists */

struct listed {
	unsigned int cnt;
	struct spool_entry last;
};

static int note_entry(const struct spool_entry *e, void *ctx)
{
	struct listed *l = ctx;

	l->cnt++;
	CHECK(e->from_real_ns >= l->last.from_real_ns);
	l->last = *e;
	return l->cnt == 100 ? -ECANCELED : 0;
}

TEST(lists)
{
	const struct spool_opts opts = fixture_opts();
	_cleanup_close_ int fd = -EBADF;
	_cleanup_(spool_freep) struct spool *s = NULL;
	struct listed l = { 0 };

	enter_scratch();
	s = must_open(&opts);
	for (unsigned int n = 0; n < 120; n++)
		CHECK_EQ(commit_minute(s,
				       &(struct minute){ T0 + 15 * HOUR + n * MINUTE, n, 1, n, 0 }),
			 0);
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(spool_list(fd, T0 + 15 * HOUR + 30 * MINUTE, T0 + 15 * HOUR + 40 * MINUTE,
			    note_entry, &l),
		 0);
	CHECK_EQ(l.cnt, 11); /* with the one that ends where the time begins: names have seconds */
	CHECK_STR(l.last.path, "2027-01-15/23/work-1-100-1.cpu.233900-234000.pb.gz");
	CHECK_STR(l.last.comm, "work");
	CHECK_STR(l.last.kind, "cpu");
	CHECK(l.last.pid == 1 && l.last.start_ticks == 100 && l.last.exec == 1 && !l.last.ended);
	CHECK_EQ(l.last.to_real_ns - l.last.from_real_ns, MINUTE);
	CHECK(l.last.bytes > 0);
	/* Over midnight. */
	l = (struct listed){ 0 };
	CHECK_EQ(spool_list(fd, T0 + 16 * HOUR - MINUTE, T0 + 16 * HOUR, note_entry, &l), 0);
	CHECK_EQ(l.last.to_real_ns, T0 + 16 * HOUR);
	l = (struct listed){ 0 };
	CHECK_EQ(spool_list(fd, 0, UINT64_MAX, note_entry, &l), -ECANCELED);
	CHECK_EQ(l.cnt, 100);
}

CHECK_MAIN
