/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * http-client — asks one question over a Unix socket: GET, one connection, one answer. Every wait has
 * a limit, for whoever asks how the daemon is may ask because it hangs.
 */

#include <stdint.h>

#include "http-answer.h"

struct http_limits {
	size_t body_max;
	uint64_t silence_ns; /* without a byte: the connection taken, the question, the answer */
	uint64_t whole_ns;   /* all of it */
};

enum http_fault {
	HTTP_NO_ANSWERER, /* nobody listens there */
	HTTP_REFUSED,	  /* we may not connect */
	HTTP_BUSY,	  /* its queue is full, and stays so */
	HTTP_SILENT,	  /* it took the connection and says nothing, or no more */
	HTTP_HALF,	  /* it closed the connection within the answer, or before */
	HTTP_GARBAGE,	  /* that is no HTTP */
	HTTP_HUGE,
	HTTP_SYSTEM, /* something here failed */
};

/* @target: "/status?x=y", with nothing in it that a URL must escape. 0, or -errno with *ret_fault. */
int http_get(const char *socket_path, const char *target, const struct http_limits *limits,
	     struct http_answer *ret, enum http_fault *ret_fault);
