/* SPDX-License-Identifier: Apache-2.0 */

/*
 * spooler — see its header. Two lists under one mutex: windows that wait, windows that came back. The
 * thread alone calls the spool, and holds nothing meanwhile.
 *
 * Housekeeping (age, budget, hours) is done in pieces when no window waits: after each window, and
 * once in a while on a machine that has none.
 */

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>

#include "cprof/base/clock.h"
#include "spooler.h"

#define STACK_SZ (512u << 10)
#define MAINTAIN_EVERY_NS (60 * NSEC_PER_SEC)
#define OPEN_EVERY_NS (1 * NSEC_PER_SEC)

struct spooler {
	/* The thread's alone. */
	int dir_fd;
	struct spool *spool;
	struct spool_opts opts;
	uint64_t maintain_ns; /* CLOCK_MONOTONIC: not before */

	pthread_t thread;
	int event_fd;

	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t wake;
	struct spooler_window *waiting, **waiting_end;
	struct spooler_window *back, **back_end;
	struct spooler_figures figures;
	struct spool_limits limits;
	bool limits_new;
	bool quit;
	bool ended; /* the thread has nothing more to do */
};

struct spooler_window *spooler_window_free(struct spooler_window *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->files.cnt; i++)
		free(w->files.v[i].bytes);
	vec_done(&w->files);
	free(w);
	return NULL;
}

int spooler_window_add(struct spooler_window *w, const char *name, void *bytes, size_t sz)
{
	_cleanup_free_ void *owned = bytes;
	struct spooler_file *f;
	int r;

	if (strlen(name) >= sizeof(f->name))
		return -ENAMETOOLONG;
	r = vec_reserve(&w->files, 1);
	if (r < 0)
		return r;
	f = &w->files.v[w->files.cnt++];
	memcpy(f->name, name, strlen(name) + 1);
	f->bytes = TAKE_PTR(owned);
	f->sz = sz;
	w->bytes += sz;
	return 0;
}

/* Around each call to the spool: how long it takes is seen while it takes it. */
static void begin_call(struct spooler *s)
{
	pthread_mutex_lock(&s->mutex);
	s->figures.busy_since_ns = clock_mono_ns();
	pthread_mutex_unlock(&s->mutex);
}

static void end_call(struct spooler *s)
{
	struct spool_figures figures = { 0 };

	if (s->spool)
		spool_figures(s->spool, &figures);
	pthread_mutex_lock(&s->mutex);
	s->figures.busy_since_ns = 0;
	if (s->spool)
		s->figures.spool = figures;
	pthread_mutex_unlock(&s->mutex);
}

static int open_spool(struct spooler *s)
{
	struct spool_failure failure = { 0 };
	int fd, r;

	if (s->spool)
		return 0;
	begin_call(s);
	fd = fcntl(s->dir_fd, F_DUPFD_CLOEXEC, 0);
	r = fd < 0 ? -errno : spool_open(fd, &s->opts, clock_real_ns(), &s->spool, &failure);
	end_call(s);
	pthread_mutex_lock(&s->mutex);
	s->figures.tried = true;
	s->figures.open = r == 0;
	s->figures.failure = failure;
	if (r == 0)
		s->figures.last_end_ns = spool_last_end_ns(s->spool);
	pthread_mutex_unlock(&s->mutex);
	return r;
}

static int commit(struct spooler *s, struct spooler_window *w)
{
	_cleanup_free_ struct spool_file *files =
		calloc(MAX(w->files.cnt, (size_t)1), sizeof(*files));
	struct spool_window sw = {
		.from_real_ns = w->from_real_ns,
		.to_real_ns = w->to_real_ns,
		.to_boot_ns = w->to_boot_ns,
		.untold_ns = w->untold_ns,
		.files = files,
		.files_cnt = w->files.cnt,
	};
	int r;

	if (!files)
		return -ENOMEM;
	r = open_spool(s);
	if (r < 0)
		return r;
	/* Written by this thread alone. */
	if (s->figures.last_end_ns > 0 && w->run_boot_ns > s->figures.last_end_ns)
		sw.untold_ns += w->run_boot_ns - s->figures.last_end_ns;
	for (size_t i = 0; i < w->files.cnt; i++)
		files[i] = (struct spool_file){ .name = w->files.v[i].name,
						.bytes = w->files.v[i].bytes,
						.sz = w->files.v[i].sz };
	begin_call(s);
	r = spool_commit(s->spool, &sw);
	end_call(s);
	return r;
}

static void maintain(struct spooler *s)
{
	uint64_t now_ns;
	int r = open_spool(s);

	if (r == 0) {
		begin_call(s);
		r = spool_maintain(s->spool, clock_real_ns());
		end_call(s);
	}
	now_ns = clock_mono_ns();
	if (!s->spool)
		s->maintain_ns = now_ns + OPEN_EVERY_NS;
	else
		s->maintain_ns = r > 0 ? now_ns : now_ns + MAINTAIN_EVERY_NS;
}

/* What it writes is not needed any more: only the figures go back. */
static void drop_files(struct spooler_window *w)
{
	for (size_t i = 0; i < w->files.cnt; i++)
		free(w->files.v[i].bytes);
	vec_done(&w->files);
}

static void write_window(struct spooler *s, struct spooler_window *w)
{
	const uint64_t one = 1;

	w->error = commit(s, w);
	drop_files(w);
	pthread_mutex_lock(&s->mutex);
	w->next = NULL;
	*s->back_end = w;
	s->back_end = &w->next;
	pthread_mutex_unlock(&s->mutex);
	(void)!write(s->event_fd, &one, sizeof(one)); /* a full one is readable as well */
	s->maintain_ns = 0;
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / NSEC_PER_SEC),
				  .tv_nsec = (long)(ns % NSEC_PER_SEC) };
}

/* What the loop wants next, under the mutex. */
static struct spooler_window *wait_for_window(struct spooler *s)
{
	const struct timespec until = timespec_of(s->maintain_ns);
	struct spooler_window *w;

	while (!s->waiting && !s->quit && !s->limits_new && clock_mono_ns() < s->maintain_ns)
		(void)pthread_cond_timedwait(&s->wake, &s->mutex, &until);
	w = s->waiting;
	if (!w)
		return NULL;
	s->waiting = w->next;
	if (!s->waiting)
		s->waiting_end = &s->waiting;
	s->figures.waiting--;
	return w;
}

/* The next window; NULL: there is something else to do. *ret_quit: nothing is, ever. */
static struct spooler_window *next_window(struct spooler *s, bool *ret_quit)
{
	struct spooler_window *w;
	bool limits_new;

	pthread_mutex_lock(&s->mutex);
	w = wait_for_window(s);
	*ret_quit = s->quit && !w;
	limits_new = s->limits_new;
	if (limits_new)
		s->opts.limits = s->limits;
	s->limits_new = false;
	pthread_mutex_unlock(&s->mutex);
	if (limits_new && s->spool)
		spool_set_limits(s->spool, &s->opts.limits);
	return w;
}

static void *run(void *arg)
{
	struct spooler *s = arg;
	bool quit = false;

	/* Another thread would have to write the name to a file, which the sandbox refuses. */
	(void)prctl(PR_SET_NAME, "spool");
	(void)open_spool(s);
	for (;;) {
		struct spooler_window *w = next_window(s, &quit);

		if (quit)
			break;
		if (w)
			write_window(s, w);
		else
			maintain(s);
	}
	s->spool = spool_free(s->spool);
	pthread_mutex_lock(&s->mutex);
	s->ended = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

/* Signals are the loop's: none is ever delivered to this thread. */
static int start_thread(struct spooler *s)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int r;

	r = pthread_attr_init(&attr);
	if (r != 0)
		return -r;
	r = pthread_attr_setstacksize(&attr, STACK_SZ);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (r == 0)
		r = pthread_create(&s->thread, &attr, run, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return -r;
}

static int init_sync(struct spooler *s)
{
	pthread_condattr_t attr;
	int r;

	r = pthread_condattr_init(&attr);
	if (r == 0)
		r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (r == 0)
		r = pthread_cond_init(&s->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	return r ? -r : -pthread_mutex_init(&s->mutex, NULL);
}

static struct spooler *spooler_free(struct spooler *s)
{
	if (!s)
		return NULL;
	while (s->waiting) {
		struct spooler_window *w = s->waiting;

		s->waiting = w->next;
		(void)spooler_window_free(w);
	}
	while (s->back) {
		struct spooler_window *w = s->back;

		s->back = w->next;
		(void)spooler_window_free(w);
	}
	s->event_fd = fd_close(s->event_fd);
	s->dir_fd = fd_close(s->dir_fd);
	free(s);
	return NULL;
}

DEFINE_CLEANUP(struct spooler *, spooler_free);

int spooler_new(int dir_fd, const struct spool_opts *opts, struct spooler **ret)
{
	_cleanup_close_ int owned_fd = dir_fd;
	_cleanup_(spooler_freep) struct spooler *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->dir_fd = TAKE_FD(owned_fd);
	s->opts = *opts;
	s->waiting_end = &s->waiting;
	s->back_end = &s->back;
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event_fd < 0)
		return -errno;
	r = init_sync(s);
	if (r < 0)
		return r;
	r = start_thread(s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void spooler_end(struct spooler *s, uint64_t wait_ns)
{
	const struct timespec until = timespec_of(clock_mono_ns() + wait_ns);
	bool ended;

	if (!s)
		return;
	pthread_mutex_lock(&s->mutex);
	s->quit = true;
	pthread_cond_signal(&s->wake);
	while (!s->ended && pthread_cond_timedwait(&s->wake, &s->mutex, &until) == 0)
		;
	ended = s->ended;
	pthread_mutex_unlock(&s->mutex);
	if (!ended)
		return;
	(void)pthread_join(s->thread, NULL);
	(void)pthread_cond_destroy(&s->wake);
	(void)pthread_mutex_destroy(&s->mutex);
	(void)spooler_free(s);
}

int spooler_submit(struct spooler *s, struct spooler_window **w)
{
	int r = 0;

	pthread_mutex_lock(&s->mutex);
	if (s->figures.waiting == SPOOLER_WAITING_MAX) {
		r = -EAGAIN;
	} else {
		struct spooler_window *mine = TAKE_PTR(*w);

		mine->next = NULL;
		*s->waiting_end = mine;
		s->waiting_end = &mine->next;
		s->figures.waiting++;
		pthread_cond_signal(&s->wake);
	}
	pthread_mutex_unlock(&s->mutex);
	return r;
}

int spooler_fd(const struct spooler *s)
{
	return s->event_fd;
}

struct spooler_window *spooler_take(struct spooler *s)
{
	struct spooler_window *w;
	uint64_t cnt;

	/* First: what comes back behind our back makes it readable again. */
	(void)!read(s->event_fd, &cnt, sizeof(cnt));
	pthread_mutex_lock(&s->mutex);
	w = s->back;
	if (w) {
		s->back = w->next;
		if (!s->back)
			s->back_end = &s->back;
	}
	pthread_mutex_unlock(&s->mutex);
	return w;
}

void spooler_set_limits(struct spooler *s, const struct spool_limits *limits)
{
	pthread_mutex_lock(&s->mutex);
	s->limits = *limits;
	s->limits_new = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->mutex);
}

void spooler_figures(struct spooler *s, struct spooler_figures *ret)
{
	pthread_mutex_lock(&s->mutex);
	*ret = s->figures;
	pthread_mutex_unlock(&s->mutex);
}
