/* SPDX-License-Identifier: Apache-2.0 */

/*
 * There may be hundreds of thousands of files on a slow disk, and this role has one thread, which also
 * answers everybody else. So a child walks through them and writes to memory; it is waited for by its
 * pidfd, and killed when it takes too long or nobody wants to know any more. It keeps none of our
 * descriptors: a connection that we close must be closed.
 */

#include "listing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cprof/base/clock.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/json.h"
#include "cprof/spool.h"
#include "moment.h"

#define LISTING_PRIORITY 2
#define LISTING_PATIENCE_NS (30 * NSEC_PER_SEC)

enum { CHILD_SPOOL = 3, CHILD_OUT = 4, CHILD_FREE = 5 };

struct listing {
	struct listing_opts opts;
	struct loop_source *source;
	struct loop_source *timer;
	pid_t pid;
	int pidfd;
	int out;
};

struct walk {
	const struct route_files *files;
	struct json json;
};

static int on_entry(const struct spool_entry *e, void *ctx)
{
	struct walk *w = ctx;
	struct json *j = &w->json;
	char from[MOMENT_SZ], to[MOMENT_SZ];

	if ((w->files->pid != 0 && e->pid != w->files->pid) ||
	    (w->files->comm[0] && strcmp(e->comm, w->files->comm) != 0) ||
	    (w->files->kind[0] && strcmp(e->kind, w->files->kind) != 0))
		return 0;
	moment_format(from, e->from_real_ns);
	moment_format(to, e->to_real_ns);
	json_object(j, NULL);
	json_string(j, "path", e->path);
	json_string(j, "comm", e->comm);
	json_string(j, "kind", e->kind);
	json_u64(j, "pid", e->pid);
	json_u64(j, "start", e->start_ticks);
	json_u64(j, "exec", e->exec);
	json_string(j, "from", from);
	json_string(j, "to", to);
	json_u64(j, "bytes", e->bytes);
	json_bool(j, "ended", e->ended);
	json_object_end(j);
	return ferror(j->f) ? -ENOSPC : 0;
}

static int child_list(const struct listing_opts *opts)
{
	/* Its own place in the directory: two children must not share one. */
	_cleanup_close_ int dir = openat(CHILD_SPOOL, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk w = { .files = &opts->files };
	FILE *f = fdopen(CHILD_OUT, "w");
	int r;

	if (dir < 0 || !f)
		return -errno;
	w.json = JSON_INIT(f);
	json_object(&w.json, NULL);
	json_string(&w.json, "directory", opts->directory);
	json_array(&w.json, "files");
	r = spool_list(dir, opts->files.since_real_ns, opts->files.until_real_ns, on_entry, &w);
	json_array_end(&w.json);
	json_object_end(&w.json);
	fputc('\n', f);
	return fclose(f) != 0 ? -ENOSPC : r;
}

static _Noreturn void child_run(const struct listing *l, pid_t parent)
{
	int spool = fcntl(l->opts.spool, F_DUPFD_CLOEXEC, CHILD_FREE);
	int out = fcntl(l->out, F_DUPFD_CLOEXEC, CHILD_FREE);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent || spool < 0 || out < 0 || dup2(spool, CHILD_SPOOL) < 0 ||
	    dup2(out, CHILD_OUT) < 0 || close_range(CHILD_FREE, ~0U, 0) < 0)
		_exit(1);
	_exit(child_list(&l->opts) < 0 ? 1 : 0);
}

struct listing *listing_free(struct listing *l)
{
	if (!l)
		return NULL;
	l->source = loop_remove(l->source);
	l->timer = loop_remove(l->timer);
	if (l->pid > 0) {
		(void)kill(l->pid, SIGKILL);
		(void)waitpid(l->pid, NULL, 0);
	}
	(void)fd_close(l->pidfd);
	(void)fd_close(l->out);
	free(l);
	return NULL;
}

/* The callee frees the listing. */
static int listing_end(struct listing *l, int error)
{
	struct stat st;

	l->source = loop_remove(l->source);
	l->timer = loop_remove(l->timer);
	if (error == 0 && fstat(l->out, &st) < 0)
		error = -errno;
	l->opts.fn(error, error < 0 ? -EBADF : TAKE_FD(l->out),
		   error < 0 ? 0 : (uint64_t)st.st_size, l->opts.ctx);
	return 0;
}

static int listing_on_exit(struct loop_source *s, uint32_t events, void *ctx)
{
	struct listing *l = ctx;
	pid_t pid = l->pid;
	int status;

	l->pid = 0;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return listing_end(l, -EIO);
	return listing_end(l, 0);
}

static int listing_on_timer(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	return listing_end(ctx, -ETIMEDOUT);
}

static int listing_fork(struct listing *l)
{
	pid_t parent = getpid();

	l->out = memfd_create("listing", MFD_CLOEXEC);
	if (l->out < 0)
		return -errno;
	l->pid = fork();
	if (l->pid == 0)
		child_run(l, parent);
	if (l->pid < 0)
		return -errno;
	l->pidfd = (int)syscall(SYS_pidfd_open, l->pid, 0);
	return l->pidfd < 0 ? -errno : 0;
}

int listing_start(const struct listing_opts *opts, uint64_t now_ns, struct listing **ret)
{
	struct listing *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->opts = *opts;
	l->out = l->pidfd = -EBADF;
	r = listing_fork(l);
	if (r == 0)
		r = loop_add_io(opts->loop, l->pidfd, EPOLLIN, LISTING_PRIORITY, listing_on_exit, l,
				&l->source);
	if (r == 0)
		r = loop_add_timer(opts->loop, LISTING_PRIORITY, listing_on_timer, l, &l->timer);
	if (r < 0) {
		(void)listing_free(l);
		return r;
	}
	loop_timer_set(l->timer, now_ns + LISTING_PATIENCE_NS);
	*ret = l;
	return 0;
}
