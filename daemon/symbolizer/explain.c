/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Confined as the daemon's symbolizer is, and where root asked it is no user of this machine any more: the files
 * were opened by whoever asks, and nothing else can be.
 */

#include "explain.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "confine.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/base/log.h"
#include "cprof/base/loop.h"
#include "cprof/base/rng.h"
#include "cprof/base/seqpacket.h"
#include "cprof/elf_sources.h"
#include "cprof/wire.h"

#define NOBODY 65534

static int drop_rights(void)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	return 0;
}

struct helper {
	struct loop *loop;
	struct explain_files files;
	uint64_t seed;
};

static void helper_done(struct helper *h)
{
	h->loop = loop_free(h->loop);
}

/* Takes the descriptor. */
static int answer(struct helper *h, uint32_t ask, int fd)
{
	_cleanup_close_ int owned = fd;
	struct explain_files *files = &h->files;
	struct explain_elf told;

	switch (ask) {
	case EXPLAIN_ASK_FILE:
		fd_close(files->fd);
		files->fd = TAKE_FD(owned);
		return 0;
	case EXPLAIN_ASK_DEBUG:
		if (fd >= 0 && files->debugs_cnt < EXPLAIN_DEBUGS_MAX)
			files->debugs[files->debugs_cnt++] = TAKE_FD(owned);
		return 0;
	case EXPLAIN_ASK_HEAD:
	case EXPLAIN_ASK_TELL:
		files->head = ask == EXPLAIN_ASK_HEAD;
		explain_elf(files, h->seed, &told);
		return seqpacket_send(WIRE_CONTROL_FD, &told, sizeof(told), -EBADF);
	default:
		return -EBADMSG;
	}
}

static int on_ask(struct loop_source *source, uint32_t events, void *ctx)
{
	struct helper *h = ctx;
	uint32_t ask = 0;
	int fd = -EBADF, r;
	ssize_t n = seqpacket_recv(WIRE_CONTROL_FD, &ask, sizeof(ask), &fd);

	if (n == -EAGAIN)
		return 0;
	r = n == sizeof(ask) ? answer(h, ask, fd) : (int)MIN(n, (ssize_t)0);
	if (r < 0 || n == 0)
		loop_exit(h->loop, r < 0);
	return 0;
}

int explain_run(void)
{
	_cleanup_(helper_done) struct helper h = { .files = { .fd = -EBADF }, .seed = rng_seed() };
	struct wire_sandbox unused;
	int r = loop_new(&h.loop);

	if (r == 0)
		r = loop_add_io(h.loop, WIRE_CONTROL_FD, EPOLLIN, 0, on_ask, &h, NULL);
	if (r == 0)
		r = drop_rights();
	if (r == 0)
		r = confine(&unused);
	if (r < 0) {
		log_error(r, "cannot explain: %m");
		return EXIT_FAILURE;
	}
	return loop_run(h.loop) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
