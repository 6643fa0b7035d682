/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * http: connections of strangers on the Unix socket, and their requests, one at a time on each. Who may
 * connect, for how long and for how much is decided here; what is answered, in serve.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "counts.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/loop.h"
#include "link.h"
#include "places.h"
#include "query.h"
#include "recording.h"
#include "route.h"

struct http;
struct http_conn;
struct MHD_Connection;
struct MHD_Response;

enum request_method { REQUEST_GET, REQUEST_HEAD, REQUEST_POST, REQUEST_OTHER };

struct request {
	struct http_conn *conn;
	struct MHD_Connection *mhd;
	struct loop_source *gone; /* while it waits: the client hung up */
	struct MHD_Response *response;
	uint64_t response_bytes;
	unsigned int status;
	enum request_method method;
	size_t body_sz; /* read and thrown away */
	size_t target_len;
	char target[QUERY_TARGET_MAX + 2]; /* cut where it is too long anyway */
	bool seen;			   /* by its head */
	bool served;
	bool suspended;
	/* Of whoever serves it. */
	struct peer peer;
	struct route route;
	struct link_waiter waiter;
	struct recording *recording;
	struct listing *listing;
	void *ctx;
};

struct http_opts {
	struct loop *loop;
	struct counts *counts;
	/* Calls request_answer() once, now or later. */
	void (*serve)(struct request *req, void *ctx);
	/* The client is gone: nothing must call request_answer() any more. Also after the answer. */
	void (*forget)(struct request *req, void *ctx);
	void *ctx;
};

int http_new(const struct http_opts *opts, struct http **ret);
struct http *http_free(struct http *h);
DEFINE_CLEANUP(struct http *, http_free);

/* The listening socket, owned from now on. 0 or -errno. */
int http_listen(struct http *h, int fd);
/* Members of this group have their own places; UINT32_MAX: nobody. */
void http_set_group(struct http *h, uint32_t gid);

/* The socket of a request, to ask the kernel who is there. */
int request_socket(const struct request *req);
/* The response is owned from now on; NULL: the connection is closed without one. */
void request_answer(struct request *req, unsigned int status, struct MHD_Response *response,
		    uint64_t bytes);

/* Closes what took too long. Returns whether there is anything left to watch. */
bool http_check(struct http *h, uint64_t now_ns);
uint32_t http_connections(const struct http *h);
