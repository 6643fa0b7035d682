/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The helper gets descriptors and gives a struct: what it says is checked, and it can do nothing else. First it is
 * asked what the file is, then, with what lies where its debug file may be, for all of it.
 */

#include "explain-helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/seqpacket.h"
#include "find-cprofd.h"

#define WAIT_MS 120000
#define END_MS 1000

struct helper {
	struct child child;
	int fd; /* our end */
};

static void helper_done(struct helper *h)
{
	if (h->fd >= 0)
		close(h->fd);
	if (h->child.pid > 0)
		child_finish(&h->child, END_MS, true);
	child_done(&h->child);
}

/* The symbolizer that belongs to this cprofctl: as the launcher finds it. */
static int find_symbolizer(char ret[static PATH_MAX])
{
	static const char *const places[] = { "cprofd-symbolizer",
					      "../symbolizer/cprofd-symbolizer",
					      "../libexec/cprofd/cprofd-symbolizer" };
	char cprofd[PATH_MAX];
	int r = find_cprofd(cprofd), dir;

	if (r < 0)
		return r;
	dir = (int)(strrchr(cprofd, '/') - cprofd);
	for (size_t i = 0; i < ELEMENTSOF(places); i++) {
		if (snprintf(ret, PATH_MAX, "%.*s/%s", dir, cprofd, places[i]) < PATH_MAX &&
		    access(ret, X_OK) == 0)
			return 0;
	}
	if (access(CPROF_LIBEXECDIR "/cprofd-symbolizer", X_OK) < 0)
		return -ENOENT;
	(void)snprintf(ret, PATH_MAX, CPROF_LIBEXECDIR "/cprofd-symbolizer");
	return 0;
}

static int helper_start(struct helper *h)
{
	_cleanup_close_ int theirs = -EBADF;
	char path[PATH_MAX], explain[] = "--explain";
	char *argv[] = { path, explain, NULL };
	struct child_setup setup = { .argv = argv };
	sigset_t mask;
	int fds[2], r = find_symbolizer(path);

	if (r < 0)
		return r;
	r = seqpacket_pair(fds);
	if (r < 0)
		return r;
	h->fd = fds[0];
	theirs = fds[1];
	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	setup.mask = &mask;
	setup.control_fd = theirs;
	r = child_fork(&h->child, &setup);
	return r < 0 ? r : child_release(&h->child);
}

static int ask(const struct helper *h, enum explain_ask what, int fd)
{
	uint32_t m = what;

	return seqpacket_send(h->fd, &m, sizeof(m), fd);
}

/* -ETIME: it takes too long; -EPIPE: it died of the file; -EBADMSG: no answer. */
static int answer(const struct helper *h, struct explain_elf *ret)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	ssize_t n;
	int r;

	do
		r = poll(&p, 1, WAIT_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIME;
	n = seqpacket_recv(h->fd, ret, sizeof(*ret), NULL);
	if (n <= 0)
		return n == 0 ? -EPIPE : (int)n;
	return explain_elf_check(ret, (size_t)n) ? 0 : -EBADMSG;
}

/* Nothing but regular files: a device or a pipe could keep us for ever. */
static int open_regular(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	return TAKE_FD(fd);
}

/* A place where it may be; one that is too long is none. */
__attribute__((format(printf, 2, 3))) static void add_place(struct explain_found *f,
							    const char *fmt, ...)
{
	va_list ap;
	int n;

	if (f->tried_cnt == EXPLAIN_DEBUGS_MAX)
		return;
	va_start(ap, fmt);
	n = vsnprintf(f->tried[f->tried_cnt], PATH_MAX, fmt, ap);
	va_end(ap);
	f->tried_cnt += n > 0 && n < PATH_MAX;
}

/* As the opener looks: by the build id, then by the name that the file says. */
static void find_places(const char *path, const char *root, struct explain_found *f)
{
	const struct explain_elf *e = &f->elf;
	char hex[2 * OBJECT_BUILD_ID_MAX + 1] = "";
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash - path) : 0;

	for (uint32_t i = 0; i < e->build_id_sz; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", e->build_id[i]);
	if (e->build_id_sz > 1)
		add_place(f, "%s/usr/lib/debug/.build-id/%.2s/%s.debug", root, hex, hex + 2);
	if (e->link[0] == '\0' || path[0] != '/')
		return;
	add_place(f, "%s%.*s/%s", root, dir, path, e->link);
	add_place(f, "%s%.*s/.debug/%s", root, dir, path, e->link);
	add_place(f, "%s/usr/lib/debug%.*s/%s", root, dir, path, e->link);
}

/* Those that are there are given; the answer's number is of these. */
static int tell_all(const struct helper *h, struct explain_found *f)
{
	size_t given[EXPLAIN_DEBUGS_MAX], cnt = 0;
	int r = 0;

	for (size_t i = 0; i < f->tried_cnt && r == 0; i++) {
		_cleanup_close_ int fd = open_regular(f->tried[i]);

		if (fd < 0)
			continue;
		given[cnt++] = i;
		r = ask(h, EXPLAIN_ASK_DEBUG, fd);
	}
	if (r == 0)
		r = ask(h, EXPLAIN_ASK_TELL, -EBADF);
	if (r == 0)
		r = answer(h, &f->elf);
	if (r == 0 && f->elf.debug_of > cnt)
		r = -EBADMSG;
	if (r == 0 && f->elf.debug_of > 0)
		(void)snprintf(f->debug, sizeof(f->debug), "%s",
			       f->tried[given[f->elf.debug_of - 1]]);
	return r;
}

static int run(struct helper *h, const char *path, const char *root, struct explain_found *f)
{
	_cleanup_close_ int fd = -EBADF;
	char whole[PATH_MAX], real[PATH_MAX];
	int r;

	if (snprintf(whole, sizeof(whole), "%s%s", root, path) >= (int)sizeof(whole))
		return -ENAMETOOLONG;
	fd = open_regular(whole);
	if (fd < 0)
		return fd;
	r = ask(h, EXPLAIN_ASK_FILE, fd);
	if (r == 0)
		r = ask(h, EXPLAIN_ASK_HEAD, -EBADF);
	if (r == 0)
		r = answer(h, &f->elf);
	if (r < 0 || f->elf.outcome < 0 || f->elf.outcome == SYMTAB_BAD)
		return r;
	/* A debug file lies beside what a link leads to; below a root links are not followed for it. */
	find_places(root[0] == '\0' && realpath(path, real) ? real : path, root, f);
	return tell_all(h, f);
}

int explain_helper_run(const char *path, const char *root, struct explain_found *ret,
		       struct problem *ret_problem)
{
	_cleanup_(helper_done) struct helper h = { .child = CHILD_INIT, .fd = -EBADF };
	int r;

	memset(ret, 0, sizeof(*ret));
	r = helper_start(&h);
	if (r < 0)
		return problem_set(
			ret_problem, r,
			"cannot start cprofd-symbolizer, which reads the file: %m; check "
			"the installation");
	r = run(&h, path, root, ret);
	if (r == -EPIPE || r == -ETIME || r == -EBADMSG)
		return problem_set(ret_problem, r,
				   "whoever reads the file for us %s; it may be made to harm",
				   r == -ETIME ? "does not come to an end" : "did not survive it");
	return r < 0 ? problem_set(ret_problem, r, "%m; check the name and its permissions") : 0;
}
