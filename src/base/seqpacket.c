/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sendmsg(2) and recvmsg(2) with the corners that matter to processes which do not trust each
 * other. Descriptors are taken out of the control data before anything else is judged, so that no
 * error path can leak one. The control buffer has room for a few descriptors although one is
 * allowed: a peer that sends two is told from our own descriptor table being full, where the kernel
 * reports truncation as well (unix(7), "SCM_RIGHTS").
 */

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/seqpacket.h"

#define FDS_MAX 4

/* As cmsg(3) wants it: aligned for the header it begins with. */
union control {
	char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

int seqpacket_pair(int ret_fds[static 2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return -errno;
	return 0;
}

/* The kernel reports twice what was set: half of it is for its own bookkeeping (socket(7)). */
static int buffer_fits(int fd, int bytes)
{
	socklen_t len = sizeof(int);
	int have;

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &len) < 0)
		return -errno;
	return have / 2 >= bytes;
}

int seqpacket_set_buffer(int fd, size_t bytes)
{
	int want, r;

	if (bytes > INT_MAX / 2)
		return -ERANGE;
	want = (int)bytes;
	r = buffer_fits(fd, want);
	if (r != 0)
		return MIN(r, 0);
	/* Beyond net.core.wmem_max needs CAP_NET_ADMIN; without it we get as much as is allowed. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof(want)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want)) < 0)
		return -errno;
	r = buffer_fits(fd, want);
	if (r < 0)
		return r;
	return r > 0 ? 0 : -ENOBUFS;
}

static bool is_gone(int error)
{
	return error == EPIPE || error == ECONNRESET || error == ECONNREFUSED || error == ENOTCONN;
}

int seqpacket_send(int fd, const void *buf, size_t sz, int pass_fd)
{
	/* iovec has no const; sendmsg(2) only reads. */
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = sz };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = { 0 };
	ssize_t n;

	/* An empty message could not be told from the end of the stream. */
	assert(sz > 0);

	if (pass_fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return is_gone(errno) ? -EPIPE : -errno;
	return 0;
}

/* Takes all descriptors out of a received message; how many. @fds has room for FDS_MAX. */
static size_t take_fds(struct msghdr *msg, int *fds)
{
	size_t cnt = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		assert(n <= FDS_MAX - cnt);
		memcpy(fds + cnt, CMSG_DATA(c), n * sizeof(int));
		cnt += n;
	}
	return cnt;
}

/* What is wrong with a received message, or 0. */
static int judge(const struct msghdr *msg, size_t fds_cnt)
{
	if (fds_cnt > 1)
		return -EPROTO;
	/* Descriptors were lost although there was room for more: our table is full. */
	if (msg->msg_flags & MSG_CTRUNC)
		return -EMFILE;
	if (msg->msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	return 0;
}

static ssize_t recv_message(int fd, struct msghdr *msg)
{
	bool reset = false;
	ssize_t n;

	for (;;) {
		n = recvmsg(fd, msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n >= 0)
			return n;
		/* Told once when the peer left without reading; what it had sent comes after. */
		if (errno == ECONNRESET && !reset)
			reset = true;
		else if (errno != EINTR)
			return -errno;
	}
}

ssize_t seqpacket_recv(int fd, void *buf, size_t cap, int *ret_fd)
{
	struct iovec iov = { .iov_base = buf, .iov_len = cap };
	union control control = { 0 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	int fds[FDS_MAX], r;
	size_t cnt;
	ssize_t n;

	if (ret_fd)
		*ret_fd = -EBADF;
	n = recv_message(fd, &msg);
	if (n < 0)
		return n;
	cnt = take_fds(&msg, fds);
	r = judge(&msg, cnt);
	if (r == 0 && n > 0 && cnt == 1 && ret_fd) {
		*ret_fd = fds[0];
		return n;
	}
	for (size_t i = 0; i < cnt; i++)
		fd_close(fds[i]);
	return r < 0 ? r : n;
}
