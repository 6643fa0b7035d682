/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* refusal: why a request gets no answer of its own: a status and one sentence for one person. */

#define REFUSAL_TEXT_SZ 512

struct refusal {
	unsigned int status;  /* of HTTP */
	unsigned int retry_s; /* not before that it helps to ask again; 0: nobody knows */
	char text[REFUSAL_TEXT_SZ];
};

/* Fills it; returns -EACCES, so that `return refuse(...)` says that there is one. */
int refuse(struct refusal *ret, unsigned int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
