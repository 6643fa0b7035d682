/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bad-symbolizer — stands in the symbolizer's place and misbehaves; BAD_<MODE> says how.
 *
 *	BAD_EXIT	ends at once
 *	BAD_MUTE	never says READY, never reads
 *	BAD_SILENT	READY, reads all, answers nothing
 *	BAD_GARBAGE	READY, then random bytes of random lengths to the sampler
 *	BAD_LIES	READY, then answers whose header is right and whose content is not
 *	BAD_DIES	READY, then crashes at the first request
 *
 * A program and not a script: roles are started by a descriptor, which no interpreter can open.
 */

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cprof/wire.h"

#define PEERS_MAX 16

enum bad_mode { BAD_EXIT, BAD_MUTE, BAD_SILENT, BAD_GARBAGE, BAD_LIES, BAD_DIES };

struct bad {
	int peers[PEERS_MAX];
	bool is_sampler[PEERS_MAX];
	int peers_cnt;
	uint64_t random;
	uint8_t buf[WIRE_MESSAGE_MAX];
};

static uint64_t bad_next(struct bad *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return b->random;
}

/* The message's size, 0 at the end; a descriptor that came with it or -1. */
static ssize_t bad_receive(struct bad *b, int fd, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = b->buf, .iov_len = sizeof(b->buf) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	*ret_fd = -1;
	if (n > 0 && c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return n;
}

static void bad_control(struct bad *b, const struct wire_peer *msg, int fd)
{
	if (msg->head.type == WIRE_STOP)
		exit(0);
	if (msg->head.type != WIRE_PEER || fd < 0 || b->peers_cnt == PEERS_MAX)
		return;
	b->is_sampler[b->peers_cnt] = msg->role == WIRE_ROLE_SAMPLER;
	b->peers[b->peers_cnt++] = fd;
}

static void bad_garbage(struct bad *b, int fd)
{
	size_t sz = 1 + bad_next(b) % 4096;

	for (size_t i = 0; i < sz; i++)
		b->buf[i] = (uint8_t)bad_next(b);
	(void)send(fd, b->buf, sz, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A NAMED, a ROWS and an OBJECT message of the right size for ids and counts that cannot be. */
static void bad_lies(struct bad *b, int fd)
{
	struct wire_object object = {
		.head = { .size = sizeof(object), .type = WIRE_OBJECT, .id = bad_next(b) % 64 },
		.status = (uint32_t)(bad_next(b) % WIRE_OBJECT_MAX),
		.segments_cnt = (uint32_t)(bad_next(b) % (2 * OBJECT_SEGMENTS_MAX)),
		.build_id_sz = (uint32_t)(bad_next(b) % (2 * OBJECT_BUILD_ID_MAX)),
		.text_end = bad_next(b),
	};
	struct wire_named named = {
		.head = { .size = sizeof(named), .type = WIRE_NAMED, .id = bad_next(b) % 64 },
		.object = (uint32_t)(bad_next(b) % 64),
		.cnt = (uint32_t)(bad_next(b) % (2 * WIRE_NAMES_MAX)),
		.status = (uint32_t)(bad_next(b) % WIRE_OBJECT_MAX),
	};
	struct wire_rows rows = {
		.head = { .size = sizeof(rows), .type = WIRE_ROWS, .id = bad_next(b) % 64 },
		.status = (uint32_t)(bad_next(b) % WIRE_ROWS_MAX),
		.bytes = bad_next(b) % WIRE_ROWS_BYTES_MAX,
	};

	(void)send(fd, &object, sizeof(object), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)send(fd, &rows, sizeof(rows), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)send(fd, &named, sizeof(named), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void bad_answer(struct bad *b, enum bad_mode mode, int i)
{
	if (mode == BAD_DIES)
		abort();
	if (mode == BAD_GARBAGE && b->is_sampler[i])
		bad_garbage(b, b->peers[i]);
	if (mode == BAD_LIES && b->is_sampler[i])
		bad_lies(b, b->peers[i]);
}

static void bad_turn(struct bad *b, enum bad_mode mode)
{
	struct pollfd fds[PEERS_MAX + 1] = { { .fd = WIRE_CONTROL_FD, .events = POLLIN } };
	int cnt = b->peers_cnt, fd;

	for (int i = 0; i < cnt; i++)
		fds[i + 1] = (struct pollfd){ .fd = b->peers[i], .events = POLLIN };
	if (poll(fds, (nfds_t)cnt + 1, 50) < 0)
		exit(1);
	for (int i = 0; i < cnt; i++) {
		if (fds[i + 1].revents & POLLIN) {
			(void)bad_receive(b, b->peers[i], &fd);
			if (fd >= 0)
				close(fd);
			bad_answer(b, mode, i);
		} else if (fds[i + 1].revents) {
			close(b->peers[i]);
			b->peers[i] = -1;
		} else if (mode == BAD_GARBAGE) {
			/* Nobody has to ask for garbage. */
			bad_answer(b, mode, i);
		}
	}
	if (fds[0].revents) {
		if (bad_receive(b, WIRE_CONTROL_FD, &fd) <= 0)
			exit(0);
		bad_control(b, (const struct wire_peer *)(const void *)b->buf, fd);
	}
}

int main(void)
{
	const struct wire_head ready = { .size = sizeof(ready), .type = WIRE_READY };
	const enum bad_mode mode = BAD_MODE;
	struct bad *b;

	if (mode == BAD_EXIT)
		return 0;
	while (mode == BAD_MUTE)
		(void)pause();
	b = calloc(1, sizeof(*b));
	if (!b)
		return 1;
	b->random = 88172645463325252ULL;
	if (send(WIRE_CONTROL_FD, &ready, sizeof(ready), MSG_NOSIGNAL) < 0)
		return 1;
	for (;;)
		bad_turn(b, mode);
}
