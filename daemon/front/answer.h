/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* answer: responses with the headers that net/http/pprof's clients look at. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "http.h"
#include "refusal.h"

#define ANSWER_TEXT "text/plain; charset=utf-8"
#define ANSWER_HTML "text/html; charset=utf-8"
#define ANSWER_JSON "application/json"
#define ANSWER_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define ANSWER_BINARY "application/octet-stream"

/* Moves the counters of errors. */
void answer_refusal(struct request *req, struct counts *counts, const struct refusal *refusal);

/* The bytes are owned from now on. */
void answer_bytes(struct request *req, const char *type, void *bytes, size_t sz);

/* A file to be saved as @name (NULL: to be shown), read to @sz; the descriptor is owned from now on. */
struct answer_file {
	const char *type;
	const char *name;
	int fd;
	uint64_t sz;
};
void answer_file(struct request *req, const struct answer_file *f);
/* The same of bytes, copied. */
void answer_attachment(struct request *req, const char *name, const void *bytes, size_t sz);

/* A text that is written piece by piece. */
struct answer_text {
	FILE *f;
	char *bytes;
	size_t sz;
};

/* 0, or -ENOMEM. */
int answer_text_open(struct answer_text *t);
/* Sends what was written; an answer that found no memory is an error. */
void answer_text_send(struct request *req, struct counts *counts, const char *type,
		      struct answer_text *t);
