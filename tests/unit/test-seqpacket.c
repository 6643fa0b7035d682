/* SPDX-License-Identifier: Apache-2.0 */

/*
 * seqpacket: borders of messages, descriptors that arrive, are unwanted, too many or too much for
 * our table, and a peer that is slow or gone. Leaks are found by counting /proc/self/fd.
 */

#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/seqpacket.h"

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int cnt = 0;

	CHECK(d);
	while (readdir(d))
		cnt++;
	closedir(d);
	return cnt;
}

/* Any number of descriptors at once, which seqpacket_send() cannot. */
static void send_fds(int sock, int fd, int cnt)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE((size_t)cnt * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	CHECK(cnt <= 16);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)cnt * sizeof(int));
	for (int i = 0; i < cnt; i++)
		memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &fd, sizeof(int));
	CHECK_EQ(sendmsg(sock, &msg, 0), 1);
}

TEST(borders)
{
	int s[2], fd = 7;
	char buf[16];

	CHECK_EQ(seqpacket_pair(s), 0);
	CHECK_EQ(fcntl(s[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	CHECK_EQ(fcntl(s[1], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), &fd), -EAGAIN);
	CHECK_EQ(fd, -EBADF);
	CHECK_EQ(seqpacket_send(s[0], "abc", 3, -EBADF), 0);
	CHECK_EQ(seqpacket_send(s[0], "defgh", 5, -EBADF), 0);
	CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), &fd), 3);
	CHECK(memcmp(buf, "abc", 3) == 0);
	CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), NULL), 5);
	CHECK(memcmp(buf, "defgh", 5) == 0);
	close(s[0]);
	CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), &fd), 0);
	close(s[1]);
}

TEST(too_long_is_dropped)
{
	char buf[4];
	int s[2];

	CHECK_EQ(seqpacket_pair(s), 0);
	CHECK_EQ(seqpacket_send(s[0], "abcde", 5, -EBADF), 0);
	CHECK_EQ(seqpacket_send(s[0], "abcd", 4, -EBADF), 0);
	CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), NULL), -EMSGSIZE);
	CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), NULL), 4);
	close(s[0]);
	close(s[1]);
}

TEST(descriptor)
{
	int s[2], p[2], fd, before = open_fds();
	char buf[4], c;

	CHECK_EQ(seqpacket_pair(s), 0);
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(seqpacket_send(s[0], "x", 1, p[1]), 0);
	close(p[1]);
	CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), &fd), 1);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	CHECK_EQ(write(fd, "y", 1), 1);
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(c, 'y');
	close(fd);
	close(p[0]);
	close(s[0]);
	close(s[1]);
	CHECK_EQ(open_fds(), before);
}

TEST(unwanted_descriptors_are_closed)
{
	int s[2], fd, before;
	char buf[4];

	CHECK_EQ(seqpacket_pair(s), 0);
	before = open_fds();
	CHECK_EQ(seqpacket_send(s[0], "x", 1, s[0]), 0);
	CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), NULL), 1);
	/* With a message that is too long. */
	CHECK_EQ(seqpacket_send(s[0], "xxxxx", 5, s[0]), 0);
	CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), &fd), -EMSGSIZE);
	CHECK_EQ(fd, -EBADF);
	for (int cnt = 2; cnt <= 16; cnt++) {
		send_fds(s[0], s[0], cnt);
		CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), &fd), -EPROTO);
		CHECK_EQ(fd, -EBADF);
	}
	send_fds(s[0], s[0], 1);
	CHECK_EQ(seqpacket_recv(s[1], buf, sizeof(buf), &fd), 1);
	close(fd);
	CHECK_EQ(open_fds(), before);
	close(s[0]);
	close(s[1]);
}

TEST(full_descriptor_table)
{
	struct rlimit old, low;
	int s[2], fd, r;
	char buf[4];

	CHECK_EQ(seqpacket_pair(s), 0);
	CHECK_EQ(seqpacket_send(s[0], "x", 1, s[0]), 0);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
	fd = dup(s[0]);
	close(fd);
	low = (struct rlimit){ .rlim_cur = (rlim_t)fd, .rlim_max = old.rlim_max };
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
	r = (int)seqpacket_recv(s[1], buf, sizeof(buf), &fd);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
	CHECK_EQ(r, -EMFILE);
	CHECK_EQ(fd, -EBADF);
	close(s[0]);
	close(s[1]);
}

TEST(slow_peer)
{
	static char big[60000], got[60000];
	int s[2], sent = 0, r;

	CHECK_EQ(seqpacket_pair(s), 0);
	while ((r = seqpacket_send(s[0], big, sizeof(big), -EBADF)) == 0 && sent < 1000)
		sent++;
	CHECK_EQ(r, -EAGAIN);
	CHECK(sent > 0);
	for (int i = 0; i < sent; i++)
		CHECK_EQ(seqpacket_recv(s[1], got, sizeof(got), NULL), sizeof(big));
	CHECK_EQ(seqpacket_recv(s[1], got, sizeof(got), NULL), -EAGAIN);
	CHECK_EQ(seqpacket_send(s[0], big, sizeof(big), -EBADF), 0);
	close(s[0]);
	close(s[1]);
}

/* The peer left messages of ours unread: the kernel tells ECONNRESET before what it had sent. */
TEST(gone_peer)
{
	char buf[16];
	int s[2];

	CHECK_EQ(seqpacket_pair(s), 0);
	CHECK_EQ(seqpacket_send(s[0], "unread", 6, -EBADF), 0);
	CHECK_EQ(seqpacket_send(s[1], "last", 4, -EBADF), 0);
	close(s[1]);
	CHECK_EQ(seqpacket_recv(s[0], buf, sizeof(buf), NULL), 4);
	CHECK_EQ(seqpacket_recv(s[0], buf, sizeof(buf), NULL), 0);
	CHECK_EQ(seqpacket_send(s[0], "x", 1, -EBADF), -EPIPE);
	close(s[0]);

	CHECK_EQ(seqpacket_pair(s), 0);
	CHECK_EQ(seqpacket_send(s[0], "unread", 6, -EBADF), 0);
	close(s[1]);
	CHECK_EQ(seqpacket_send(s[0], "x", 1, -EBADF), -EPIPE);
	CHECK_EQ(seqpacket_send(s[0], "x", 1, -EBADF), -EPIPE);
	close(s[0]);
}

TEST(buffer)
{
	static char big[400000];
	int s[2];

	CHECK_EQ(seqpacket_pair(s), 0);
	CHECK_EQ(seqpacket_set_buffer(s[0], 1), 0);
	CHECK_EQ(seqpacket_set_buffer(s[0], SIZE_MAX), -ERANGE);
	CHECK_EQ(seqpacket_send(s[0], big, sizeof(big), -EBADF), -EMSGSIZE);
	if (geteuid() == 0) {
		CHECK_EQ(seqpacket_set_buffer(s[0], sizeof(big)), 0);
		CHECK_EQ(seqpacket_send(s[0], big, sizeof(big), -EBADF), 0);
	}
	CHECK_EQ(seqpacket_set_buffer(-EBADF, 1), -EBADF);
	close(s[0]);
	close(s[1]);
}

CHECK_MAIN
