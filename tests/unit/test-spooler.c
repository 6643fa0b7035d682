/* SPDX-License-Identifier: Apache-2.0 */

/*
 * spooler: the thread between the loop and the disk, over a spool of the test's: one that waits,
 * fails and cannot be opened when it is told to, which no real disk does on demand.
 */

#include "check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cprof/base/clock.h"
#include "spooler.h"

struct spool {
	struct spool_figures figures;
};

/* What the disk does, and what was done to it. */
static struct {
	atomic_int open_error, commit_error;
	atomic_bool hangs;
	atomic_int opened, commits, maintains, freed, limits;
	atomic_int pieces; /* of housekeeping that are left */
	atomic_bool signals_blocked;
	pthread_mutex_t mutex;
	char committed[1024]; /* names, in order */
	uint64_t untold_ns;   /* of the last one */
} disk = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void reset(void)
{
	disk.open_error = disk.commit_error = 0;
	disk.hangs = false;
	disk.opened = disk.commits = disk.maintains = disk.freed = disk.limits = disk.pieces = 0;
	disk.committed[0] = '\0';
}

int spool_open(int dir_fd, const struct spool_opts *opts, uint64_t now_real_ns, struct spool **ret,
	       struct spool_failure *failure)
{
	sigset_t set;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &set);
	disk.signals_blocked = sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGCHLD) == 1;
	close(dir_fd);
	disk.opened++;
	if (disk.open_error) {
		(void)snprintf(failure->text, sizeof(failure->text), "no such disk");
		return disk.open_error;
	}
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct spool *spool_free(struct spool *s)
{
	if (s)
		disk.freed++;
	free(s);
	return NULL;
}

int spool_commit(struct spool *s, const struct spool_window *w)
{
	while (disk.hangs)
		usleep(1000);
	disk.commits++;
	if (disk.commit_error) {
		s->figures.windows_failed++;
		s->figures.last_error = disk.commit_error;
		return disk.commit_error;
	}
	pthread_mutex_lock(&disk.mutex);
	for (size_t i = 0; i < w->files_cnt; i++) {
		strcat(disk.committed, w->files[i].name);
		strcat(disk.committed, " ");
	}
	disk.untold_ns = w->untold_ns;
	pthread_mutex_unlock(&disk.mutex);
	s->figures.windows++;
	s->figures.files += w->files_cnt;
	return 0;
}

int spool_maintain(struct spool *s, uint64_t now_real_ns)
{
	disk.maintains++;
	return disk.pieces > 0 && --disk.pieces > 0;
}

void spool_set_limits(struct spool *s, const struct spool_limits *limits)
{
	disk.limits = (int)limits->use_max;
}

void spool_figures(const struct spool *s, struct spool_figures *ret)
{
	*ret = s->figures;
}

uint64_t spool_last_end_ns(const struct spool *s)
{
	return 4711;
}

static struct spooler *start(void)
{
	const struct spool_opts opts = { .limits.use_max = 1 };
	struct spooler *s;
	int fd = eventfd(0, EFD_CLOEXEC); /* any descriptor will do */

	CHECK_EQ(spooler_new(fd, &opts, &s), 0);
	return s;
}

static struct spooler_window *window(const char *name, uint64_t samples)
{
	struct spooler_window *w = calloc(1, sizeof(*w));

	CHECK(w);
	w->samples = samples;
	CHECK_EQ(spooler_window_add(w, name, strdup("bytes"), 5), 0);
	CHECK_EQ(w->bytes, 5);
	return w;
}

static void submit(struct spooler *s, const char *name, uint64_t samples)
{
	struct spooler_window *w = window(name, samples);

	CHECK_EQ(spooler_submit(s, &w), 0);
	CHECK(!w);
}

/* What came back, within five seconds. */
static struct spooler_window *await(struct spooler *s)
{
	for (;;) {
		struct spooler_window *w = spooler_take(s);
		struct pollfd p = { .fd = spooler_fd(s), .events = POLLIN };

		if (w)
			return w;
		CHECK_EQ(poll(&p, 1, 5000), 1);
	}
}

static void await_back(struct spooler *s, uint64_t samples, int error)
{
	struct spooler_window *w = await(s);

	CHECK_EQ(w->samples, samples);
	CHECK_EQ(w->error, error);
	CHECK_EQ(w->files.cnt, 0); /* their memory is not kept for the figures */
	(void)spooler_window_free(w);
}

static void await_busy(struct spooler *s, bool busy)
{
	struct spooler_figures f;

	for (int i = 0; i < 5000; i++) {
		spooler_figures(s, &f);
		if ((f.busy_since_ns != 0) == busy && f.waiting == 0)
			return;
		usleep(1000);
	}
	CHECK_FAIL("the thread is still %s", busy ? "idle" : "busy");
}

TEST(windows_come_back_in_order)
{
	struct spooler_figures f;
	struct spooler *s;

	reset();
	s = start();
	for (uint64_t i = 1; i <= 20; i++) {
		submit(s, i % 2 ? "odd" : "even", i);
		await_back(s, i, 0);
	}
	CHECK(!spooler_take(s));
	spooler_figures(s, &f);
	CHECK(f.open && f.tried);
	CHECK_EQ(f.last_end_ns, 4711);
	CHECK_EQ(f.spool.windows, 20);
	CHECK_EQ(f.spool.files, 20);
	CHECK_EQ(disk.opened, 1);
	CHECK(disk.signals_blocked);
	CHECK_EQ(strncmp(disk.committed, "odd even odd even ", 18), 0);
	spooler_end(s, 5 * NSEC_PER_SEC);
	CHECK_EQ(disk.freed, 1);
}

/* A window that came back has left its place a moment before the next one leaves the queue. */
static void await_place(struct spooler *s, struct spooler_window **w)
{
	uint64_t end_ns = clock_mono_ns() + 5 * NSEC_PER_SEC;
	int r = spooler_submit(s, w);

	while (r == -EAGAIN && clock_mono_ns() < end_ns) {
		(void)usleep(1000);
		r = spooler_submit(s, w);
	}
	CHECK_EQ(r, 0);
}

TEST(a_disk_that_hangs_holds_up_nobody)
{
	struct spooler_window *more;
	struct spooler_figures f;
	uint64_t begun_ns;
	struct spooler *s;

	reset();
	disk.hangs = true;
	s = start();
	begun_ns = clock_mono_ns();
	submit(s, "first", 1);
	await_busy(s, true);
	submit(s, "second", 2);
	submit(s, "third", 3);
	more = window("fourth", 4);
	CHECK_EQ(spooler_submit(s, &more), -EAGAIN);
	CHECK(more && more->files.cnt == 1);
	spooler_figures(s, &f);
	CHECK_EQ(f.waiting, SPOOLER_WAITING_MAX);
	CHECK(f.busy_since_ns >= begun_ns && f.busy_since_ns <= clock_mono_ns());
	CHECK(!spooler_take(s));
	disk.hangs = false;
	await_back(s, 1, 0);
	await_place(s, &more);
	await_back(s, 2, 0);
	await_back(s, 3, 0);
	await_back(s, 4, 0);
	await_busy(s, false);
	CHECK_STR(disk.committed, "first second third fourth ");
	spooler_end(s, 5 * NSEC_PER_SEC);
}

TEST(what_is_not_committed_is_told)
{
	struct spooler_figures f;
	struct spooler *s;

	reset();
	disk.commit_error = -ENOSPC;
	s = start();
	submit(s, "lost", 7);
	await_back(s, 7, -ENOSPC);
	await_busy(s, false);
	spooler_figures(s, &f);
	CHECK_EQ(f.spool.windows_failed, 1);
	CHECK_EQ(f.spool.last_error, -ENOSPC);
	disk.commit_error = 0;
	submit(s, "kept", 8);
	await_back(s, 8, 0);
	CHECK_STR(disk.committed, "kept ");
	spooler_end(s, 5 * NSEC_PER_SEC);
}

/* The gap before a run whose windows were made before the directory was open. */
TEST(what_the_files_could_not_say_is_untold)
{
	static const struct {
		uint64_t untold_ns, run_boot_ns, expected;
	} cases[] = {
		{ 0, 0, 0 },
		{ 5, 0, 5 },
		{ 0, 5000, 5000 - 4711 },
		{ 5, 5000, 5 + 5000 - 4711 },
		{ 0, 4711, 0 },
		{ 0, 4000, 0 }, /* it sampled while the one before was still writing */
	};
	struct spooler *s;

	reset();
	s = start();
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct spooler_window *w = window("a", 1);

		w->untold_ns = cases[i].untold_ns;
		w->run_boot_ns = cases[i].run_boot_ns;
		CHECK_EQ(spooler_submit(s, &w), 0);
		await_back(s, 1, 0);
		CHECK_EQ(disk.untold_ns, cases[i].expected);
	}
	spooler_end(s, 5 * NSEC_PER_SEC);
}

TEST(a_directory_is_tried_again)
{
	struct spooler_figures f;
	struct spooler *s;

	reset();
	disk.open_error = -EROFS;
	s = start();
	submit(s, "lost", 1);
	await_back(s, 1, -EROFS);
	spooler_figures(s, &f);
	CHECK(f.tried && !f.open);
	CHECK_STR(f.failure.text, "no such disk");
	disk.open_error = 0;
	submit(s, "kept", 2);
	await_back(s, 2, 0);
	spooler_figures(s, &f);
	CHECK(f.open);
	CHECK_STR(f.failure.text, "");
	spooler_end(s, 5 * NSEC_PER_SEC);
}

TEST(what_waits_is_written_at_the_end)
{
	struct spooler *s;

	reset();
	disk.hangs = true;
	s = start();
	submit(s, "a", 1);
	await_busy(s, true);
	submit(s, "b", 2);
	submit(s, "c", 3);
	disk.hangs = false;
	spooler_end(s, 5 * NSEC_PER_SEC);
	CHECK_STR(disk.committed, "a b c ");
	CHECK_EQ(disk.freed, 1);
}

TEST(housekeeping_ends)
{
	struct spooler *s;

	reset();
	disk.pieces = 5;
	s = start();
	submit(s, "a", 1);
	await_back(s, 1, 0);
	for (int i = 0; i < 5000 && disk.maintains < 5; i++)
		usleep(1000);
	usleep(20000);
	/* Five pieces (and one look before the window, perhaps); then it is left alone. */
	CHECK(disk.maintains >= 5 && disk.maintains <= 7);
	spooler_end(s, 5 * NSEC_PER_SEC);
}

TEST(limits_are_passed_on)
{
	const struct spool_limits limits = { .use_max = 42 };
	struct spooler *s;

	reset();
	s = start();
	submit(s, "a", 1);
	await_back(s, 1, 0);
	spooler_set_limits(s, &limits);
	for (int i = 0; i < 5000 && disk.limits != 42; i++)
		usleep(1000);
	CHECK_EQ(disk.limits, 42);
	spooler_end(s, 5 * NSEC_PER_SEC);
}

/* The last: its thread is left behind. */
TEST(the_end_does_not_wait_for_a_disk)
{
	struct spooler *s;
	uint64_t begun_ns;

	reset();
	disk.hangs = true;
	s = start();
	submit(s, "never", 1);
	await_busy(s, true);
	begun_ns = clock_mono_ns();
	spooler_end(s, 50 * NSEC_PER_MSEC);
	CHECK(clock_mono_ns() - begun_ns < 2 * NSEC_PER_SEC);
	CHECK_EQ(disk.freed, 0);
}

CHECK_MAIN
