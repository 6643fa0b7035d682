/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libmicrohttpd reads heads and writes answers; it runs in our own loop, by its epoll descriptor, so
 * that there is one thread and no lock. It gets connections that we accepted, for who is at the other
 * end decides whether there is a place. Its own time limits count from the last byte, so a byte a second
 * would keep a place for ever: here each phase of a connection has a deadline of its own, and one that
 * passed it is shut down, which the library sees as its end.
 *
 * While an answer is being made the connection is suspended, and the library does not look at it; we
 * watch for EPOLLHUP alone: a client that only closed its sending side still wants its answer.
 */

#include "http.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "accept.h"
#include "cprof/base/clock.h"
#include "cprof/base/log.h"

#define HTTP_HEAD_MAX 65536 /* of memory for a request's head, and the answer's */
#define HTTP_BODY_MAX 65536
#define HTTP_REQUEST_NS (10 * NSEC_PER_SEC) /* from connecting to the last byte of a request */
#define HTTP_IDLE_NS (60 * NSEC_PER_SEC)    /* between two requests */
#define HTTP_ANSWER_NS (60 * NSEC_PER_SEC)  /* to take an answer, and a second more for each */
#define HTTP_ANSWER_BYTES_PER_S 65536

static const struct places_limits http_limits = {
	.others = 64, .per_uid = 8, .privileged = 32, .root = 8
};

enum { HTTP_PRIORITY_ACCEPT = 3, HTTP_PRIORITY_RUN = 4 };

enum conn_phase { CONN_REQUEST, CONN_IDLE, CONN_WORK, CONN_ANSWER, CONN_CLOSING };

struct http_conn {
	struct http *http;
	struct http_conn *next;
	struct peer peer;
	enum conn_phase phase;
	uint64_t deadline_ns;
	int fd; /* the library's */
	struct request *request;
};

struct http {
	struct http_opts opts;
	struct acceptor acceptor;
	struct places places;
	struct http_conn *conns;
	uint32_t conns_cnt;
	struct MHD_Daemon *mhd;
	struct loop_source *source;
	struct loop_source *again; /* the library has more to do, whatever its descriptor says */
};

static void conn_set_phase(struct http_conn *c, enum conn_phase phase, uint64_t within_ns)
{
	c->phase = phase;
	c->deadline_ns = within_ns == UINT64_MAX ? UINT64_MAX : clock_mono_ns() + within_ns;
}

static void http_run(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG left;

	(void)MHD_run(h->mhd);
	if (MHD_get_timeout(h->mhd, &left) == MHD_YES)
		loop_timer_set(h->again, clock_mono_ns() + left * NSEC_PER_MSEC);
}

static int http_on_epoll(struct loop_source *s, uint32_t events, void *ctx)
{
	http_run(ctx);
	return 0;
}

static int http_on_again(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	http_run(ctx);
	return 0;
}

static void conn_free(struct http_conn *c)
{
	struct http_conn **at = &c->http->conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->http->conns_cnt--;
	places_give(&c->http->places, &c->peer);
	free(c);
}

static void http_on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
			       enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http *h = cls;
	struct http_conn *c = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		for (c = h->conns; c && c->fd != info->connect_fd;)
			c = c->next;
		*socket_context = c;
		return;
	}
	if (!c)
		return;
	if (c->phase == CONN_REQUEST)
		h->opts.counts->v[COUNT_closed_bad_request]++;
	conn_free(c);
}

/* One line and a status, as good as it gets in one write; nobody waits for it to be read. */
static void http_send_away(struct http *h, int fd, enum front_count count, const char *why)
{
	char text[512];
	int len = snprintf(
		text, sizeof(text),
		"HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"X-Go-Pprof: 1\r\nX-Content-Type-Options: nosniff\r\n"
		"Retry-After: 10\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s\n",
		count == COUNT_refused_user ? "429 Too Many Requests" : "503 Service Unavailable",
		strlen(why) + 1, why);

	h->opts.counts->v[count]++;
	(void)send(fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)fd_close(fd);
}

static void http_add(struct http *h, int fd, const struct peer *peer)
{
	const struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct http_conn *c = calloc(1, sizeof(*c));

	if (!c) {
		places_give(&h->places, peer);
		http_send_away(h, fd, COUNT_refused_system, "cprofd has no memory left");
		return;
	}
	c->http = h;
	c->peer = *peer;
	c->fd = fd;
	c->next = h->conns;
	h->conns = c;
	h->conns_cnt++;
	conn_set_phase(c, CONN_REQUEST, HTTP_REQUEST_NS);
	/* Closes the socket in any case. Where it failed early it did not tell of the end. */
	if (MHD_add_connection(h->mhd, fd, (const struct sockaddr *)&sa, sizeof(sa.sun_family)) ==
	    MHD_YES) {
		h->opts.counts->v[COUNT_connections]++;
		return;
	}
	h->opts.counts->v[COUNT_refused_system]++;
	for (struct http_conn *left = h->conns; left; left = left->next) {
		if (left == c) {
			conn_free(c);
			return;
		}
	}
}

static void http_on_accept(int fd, const struct peer *peer, int error, void *ctx)
{
	struct http *h = ctx;
	enum places_answer place;

	if (error < 0) {
		http_send_away(h, fd, COUNT_refused_system, "cprofd cannot tell who you are");
		return;
	}
	place = places_take(&h->places, peer);
	if (place == PLACES_OK)
		http_add(h, fd, peer);
	else if (place == PLACES_USER_FULL)
		http_send_away(h, fd, COUNT_refused_user,
			       "too many connections of your user are open: close some, or try "
			       "again in a few seconds");
	else
		http_send_away(h, fd, COUNT_refused_full,
			       "too many connections are open: try again in a few seconds");
}

static void http_on_starved(void *ctx)
{
	struct http *h = ctx;

	h->opts.counts->v[COUNT_refused_system]++;
}

/* The first that is known of a request: its target, as it came. */
static void *http_on_target(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *req = calloc(1, sizeof(*req));

	if (!req || !info->socket_context) {
		free(req);
		return NULL;
	}
	req->conn = info->socket_context;
	req->mhd = mhd;
	req->target_len = strnlen(uri, sizeof(req->target) - 1);
	memcpy(req->target, uri, req->target_len);
	req->conn->request = req;
	if (req->conn->phase == CONN_IDLE)
		conn_set_phase(req->conn, CONN_REQUEST, HTTP_REQUEST_NS);
	return req;
}

static enum request_method request_method_of(const char *method)
{
	if (strcmp(method, "GET") == 0)
		return REQUEST_GET;
	if (strcmp(method, "HEAD") == 0)
		return REQUEST_HEAD;
	return strcmp(method, "POST") == 0 ? REQUEST_POST : REQUEST_OTHER;
}

static int request_on_gone(struct loop_source *s, uint32_t events, void *ctx)
{
	struct request *req = ctx;
	struct http *h = req->conn->http;

	h->opts.counts->v[COUNT_clients_gone]++;
	h->opts.forget(req, h->opts.ctx);
	request_answer(req, 0, NULL, 0);
	return 0;
}

static enum MHD_Result request_suspend(struct request *req)
{
	struct http_conn *c = req->conn;

	/* EPOLLHUP needs not be asked for. */
	if (loop_add_io(c->http->opts.loop, c->fd, 0, HTTP_PRIORITY_RUN, request_on_gone, req,
			&req->gone) < 0)
		return MHD_NO;
	conn_set_phase(c, CONN_WORK, UINT64_MAX);
	req->suspended = true;
	MHD_suspend_connection(req->mhd);
	return MHD_YES;
}

static enum MHD_Result request_send(struct request *req)
{
	enum MHD_Result r;

	if (!req->response)
		return MHD_NO; /* the library closes the connection */
	conn_set_phase(req->conn, CONN_ANSWER,
		       HTTP_ANSWER_NS +
			       req->response_bytes / HTTP_ANSWER_BYTES_PER_S * NSEC_PER_SEC);
	r = MHD_queue_response(req->mhd, req->status, req->response);
	MHD_destroy_response(req->response);
	req->response = NULL;
	return r;
}

static enum MHD_Result http_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
				       const char *method, const char *version, const char *body,
				       size_t *body_sz, void **ctx)
{
	struct http *h = cls;
	struct request *req = *ctx;

	if (!req)
		return MHD_NO;
	if (!req->seen) {
		req->seen = true;
		req->method = request_method_of(method);
		return MHD_YES;
	}
	if (*body_sz > 0) {
		req->body_sz += *body_sz;
		*body_sz = 0;
		return req->body_sz > HTTP_BODY_MAX ? MHD_NO : MHD_YES;
	}
	if (!req->served) {
		req->served = true;
		h->opts.counts->v[COUNT_requests]++;
		h->opts.serve(req, h->opts.ctx);
		if (req->status == 0)
			return request_suspend(req);
	}
	return request_send(req);
}

void request_answer(struct request *req, unsigned int status, struct MHD_Response *response,
		    uint64_t bytes)
{
	assert(!req->response);

	req->response = response;
	req->response_bytes = bytes;
	req->status = status ? status : 500;
	req->gone = loop_remove(req->gone);
	if (!req->suspended)
		return;
	req->suspended = false;
	MHD_resume_connection(req->mhd);
	/* Its descriptor does not tell of that. */
	loop_timer_set(req->conn->http->again, clock_mono_ns());
}

int request_socket(const struct request *req)
{
	return req->conn->fd;
}

static void http_on_completed(void *cls, struct MHD_Connection *mhd, void **ctx,
			      enum MHD_RequestTerminationCode code)
{
	struct http *h = cls;
	struct request *req = *ctx;

	*ctx = NULL;
	if (!req)
		return;
	h->opts.forget(req, h->opts.ctx);
	if (!req->served && req->conn->phase != CONN_CLOSING)
		h->opts.counts->v[COUNT_closed_bad_request]++;
	if (req->conn->phase != CONN_CLOSING)
		conn_set_phase(req->conn, CONN_IDLE, HTTP_IDLE_NS);
	(void)loop_remove(req->gone);
	req->conn->request = NULL;
	if (req->response)
		MHD_destroy_response(req->response);
	free(req);
}

static int http_start(struct http *h)
{
	const union MHD_DaemonInfo *info;
	int r;

	h->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
					  MHD_ALLOW_SUSPEND_RESUME,
				  0, NULL, NULL, http_on_request, h, MHD_OPTION_CONNECTION_LIMIT,
				  (unsigned int)(http_limits.others + http_limits.privileged),
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEAD_MAX,
				  MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_STRICT_FOR_CLIENT,
				  1, MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, h,
				  MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, h,
				  MHD_OPTION_URI_LOG_CALLBACK, http_on_target, h, MHD_OPTION_END);
	if (!h->mhd)
		return -ENOMEM;
	info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || info->epoll_fd < 0)
		return -EOPNOTSUPP;
	r = loop_add_timer(h->opts.loop, HTTP_PRIORITY_RUN, http_on_again, h, &h->again);
	if (r < 0)
		return r;
	return loop_add_io(h->opts.loop, info->epoll_fd, EPOLLIN, HTTP_PRIORITY_RUN, http_on_epoll,
			   h, &h->source);
}

int http_new(const struct http_opts *opts, struct http **ret)
{
	_cleanup_(http_freep) struct http *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->opts = *opts;
	h->places.limits = http_limits;
	h->acceptor = (struct acceptor){ .loop = opts->loop,
					 .fd = -EBADF,
					 .priority = HTTP_PRIORITY_ACCEPT,
					 .control_gid = UINT32_MAX,
					 .fn = http_on_accept,
					 .starved = http_on_starved,
					 .ctx = h };
	r = http_start(h);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(h);
	return 0;
}

struct http *http_free(struct http *h)
{
	if (!h)
		return NULL;
	acceptor_done(&h->acceptor);
	/* The library must not be stopped with a suspended connection. */
	for (struct http_conn *c = h->conns; c; c = c->next) {
		if (!c->request || !c->request->suspended)
			continue;
		h->opts.forget(c->request, h->opts.ctx);
		request_answer(c->request, 0, NULL, 0);
	}
	h->source = loop_remove(h->source);
	h->again = loop_remove(h->again);
	if (h->mhd)
		MHD_stop_daemon(h->mhd);
	free(h);
	return NULL;
}

int http_listen(struct http *h, int fd)
{
	return acceptor_listen(&h->acceptor, fd);
}

void http_set_group(struct http *h, uint32_t gid)
{
	h->acceptor.control_gid = gid;
}

bool http_check(struct http *h, uint64_t now_ns)
{
	static const enum front_count counts[] = {
		[CONN_REQUEST] = COUNT_closed_slow_request,
		[CONN_IDLE] = COUNT_closed_idle,
		[CONN_ANSWER] = COUNT_closed_slow_reader,
	};

	acceptor_resume(&h->acceptor);
	for (struct http_conn *c = h->conns; c; c = c->next) {
		if (c->deadline_ns > now_ns)
			continue;
		h->opts.counts->v[counts[c->phase]]++;
		conn_set_phase(c, CONN_CLOSING, UINT64_MAX);
		(void)shutdown(c->fd, SHUT_RDWR);
	}
	return h->conns_cnt > 0;
}

uint32_t http_connections(const struct http *h)
{
	return h->conns_cnt;
}
