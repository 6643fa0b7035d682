/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One question. Silence has one limit and the whole another: a daemon that sends a byte now and then
 * is as good as one that hangs.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "http-client.h"
#include "unix-connect.h"

struct http_call {
	int fd;
	const struct http_limits *limits;
	uint64_t until_ns; /* CLOCK_MONOTONIC */
	enum http_fault fault;
};

static int http_failed(struct http_call *c, int r, enum http_fault fault)
{
	c->fault = fault;
	return r;
}

static int http_connect_failed(struct http_call *c, int r)
{
	if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR || r == -EPROTOTYPE)
		return http_failed(c, r, HTTP_NO_ANSWERER);
	if (r == -EACCES || r == -EPERM)
		return http_failed(c, r, HTTP_REFUSED);
	return http_failed(c, r, r == -EAGAIN ? HTTP_BUSY : HTTP_SYSTEM);
}

static int http_connect(struct http_call *c, const char *socket_path)
{
	c->fd = unix_connect(socket_path, SOCK_STREAM, c->limits->silence_ns);
	return c->fd < 0 ? http_connect_failed(c, c->fd) : 0;
}

/* Waits for @events, as long as silence may last; 0 or -ETIMEDOUT. */
static int http_wait(struct http_call *c, short events)
{
	uint64_t now = clock_mono_ns(), until = MIN(now + c->limits->silence_ns, c->until_ns);
	struct pollfd pfd = { .fd = c->fd, .events = events };

	for (; now < until; now = clock_mono_ns()) {
		int n = poll(&pfd, 1, (int)((until - now) / NSEC_PER_MSEC) + 1);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return http_failed(c, -errno, HTTP_SYSTEM);
	}
	return http_failed(c, -ETIMEDOUT, HTTP_SILENT);
}

static int http_send(struct http_call *c, const char *bytes, size_t sz)
{
	while (sz > 0) {
		ssize_t n = send(c->fd, bytes, sz, MSG_NOSIGNAL);
		int r = n < 0 ? -errno : 0;

		if (r == -EAGAIN)
			r = http_wait(c, POLLOUT);
		/* It may have answered without hearing us out. */
		else if (r == -EPIPE || r == -ECONNRESET)
			return 0;
		else if (r < 0 && r != -EINTR)
			return http_failed(c, r, HTTP_SYSTEM);
		if (r < 0 && r != -EINTR)
			return r;
		if (n > 0) {
			bytes += n;
			sz -= (size_t)n;
		}
	}
	return 0;
}

static int http_answer_failed(struct http_call *c, int r)
{
	return http_failed(c, r,
			   r == -EMSGSIZE  ? HTTP_HUGE
			   : r == -ENODATA ? HTTP_HALF
			   : r == -ENOMEM  ? HTTP_SYSTEM
					   : HTTP_GARBAGE);
}

/* The stream has ended. */
static int http_ended(struct http_call *c, struct http_answer *a)
{
	bool began = a->status != 0 || a->line_sz > 0;
	int r = http_answer_end(a);

	if (r < 0 && !began)
		return http_failed(c, -ENODATA, HTTP_HALF);
	return r < 0 ? http_answer_failed(c, r) : 0;
}

static int http_receive(struct http_call *c, struct http_answer *a)
{
	char bytes[16384];

	for (;;) {
		ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);
		int r = n < 0 ? -errno : 0;

		if (n == 0 || r == -ECONNRESET)
			return http_ended(c, a);
		if (r == -EAGAIN)
			r = http_wait(c, POLLIN);
		else if (r < 0 && r != -EINTR)
			return http_failed(c, r, HTTP_SYSTEM);
		if (r < 0 && r != -EINTR)
			return r;
		if (n < 0)
			continue;
		if (clock_mono_ns() >= c->until_ns)
			return http_failed(c, -ETIMEDOUT, HTTP_SILENT);
		r = http_answer_feed(a, bytes, (size_t)n);
		if (r != 0)
			return r < 0 ? http_answer_failed(c, r) : 0;
	}
}

static int http_ask(struct http_call *c, const char *socket_path, const char *target,
		    struct http_answer *a)
{
	char question[1024];
	int n, r;

	n = snprintf(question, sizeof(question),
		     "GET %s HTTP/1.1\r\n"
		     "Host: localhost\r\n"
		     "User-Agent: cprofctl/" CPROF_VERSION "\r\n"
		     "Accept: application/json, text/plain\r\n"
		     "Connection: close\r\n"
		     "\r\n",
		     target);
	if (n < 0 || (size_t)n >= sizeof(question))
		return http_failed(c, -ENAMETOOLONG, HTTP_SYSTEM);
	r = http_connect(c, socket_path);
	if (r == 0)
		r = http_send(c, question, (size_t)n);
	return r < 0 ? r : http_receive(c, a);
}

int http_get(const char *socket_path, const char *target, const struct http_limits *limits,
	     struct http_answer *ret, enum http_fault *ret_fault)
{
	struct http_call c = {
		.fd = -EBADF,
		.limits = limits,
		.until_ns = clock_mono_ns() + limits->whole_ns,
	};
	struct http_answer a;
	int r;

	http_answer_init(&a, limits->body_max);
	r = http_ask(&c, socket_path, target, &a);
	c.fd = fd_close(c.fd);
	if (r < 0) {
		http_answer_done(&a);
		*ret_fault = c.fault;
		return r;
	}
	*ret = a;
	return 0;
}
