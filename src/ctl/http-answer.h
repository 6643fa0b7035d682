/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * http-answer — one answer of HTTP/1.1, put together from pieces as they arrive.
 *
 * What answers on the daemon's socket may be the daemon, another program, or a daemon with a fault,
 * so every size is bounded and what can be read in two ways is refused (RFC 9112, 11.2): a length and
 * chunks together, two lengths, folded headers. Answers that only announce another one (1xx) are
 * skipped. A connection is used once; what follows the answer is nobody's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/vec.h"

#define HTTP_LINE_MAX 4096
#define HTTP_HEAD_MAX 32768 /* all lines that are not body, those between chunks too */
#define HTTP_TYPE_SZ 64

enum http_state {
	HTTP_STATUS_LINE,
	HTTP_HEADERS,
	HTTP_BODY, /* so many bytes */
	HTTP_BODY_TO_END /* to the end of the stream */,
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK,
	HTTP_CHUNK_END,
	HTTP_TRAILERS,
	HTTP_DONE,
};

struct http_answer {
	int status;		 /* 200 to 599 */
	char type[HTTP_TYPE_SZ]; /* of the body: "application/json", lower case; "" when not said */
	VEC(char) body;		 /* a NUL behind the last byte is not counted */

	enum http_state state;
	size_t body_max;
	size_t head_sz; /* of lines so far */
	uint64_t left;	/* of the body, or of this chunk */
	bool has_length, chunked;
	size_t line_sz;
	char line[HTTP_LINE_MAX];
};

void http_answer_init(struct http_answer *a, size_t body_max);
void http_answer_done(struct http_answer *a);

/*
 * The next bytes. 1: the answer is whole; 0: more is needed; -EBADMSG: this is no HTTP; -EMSGSIZE: it
 * is more than we take; -ENOMEM.
 */
int http_answer_feed(struct http_answer *a, const char *bytes, size_t sz);

/* The stream has ended: 0 when the answer is whole, -EBADMSG when nothing came, -ENODATA: half of it. */
int http_answer_end(struct http_answer *a);
